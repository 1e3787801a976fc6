"""What a stranger puts beside the weights of a base, or into an adapter, is refused before it is loaded."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from pvcore.errors import ConfigError, TrainingError
from pvcore.inference.base import put_base, resolve_base
from pvcore.inference.check import check_base
from pvcore.inference.model import load_adapter, load_base, load_tokenizer
from pvcore.registry.store import open_store


@pytest.fixture
def base(tiny_base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_base, tmp_path / "base"))


def configure(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def load(folder: Path) -> Any:
    return load_base(folder, head="classification", labels=("a", "b"), bits=16, compute="float32")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers: 1000000000, between 0 and 1000"),
        ({"vocab_size": 10**12}, "vocab_size: 1000000000000, between"),
        ({"text_config": {"hidden_size": 10**12}}, "text_config.hidden_size"),
        ({"hidden_size": -4}, "hidden_size: -4"),
        ({"_attn_implementation": "evil/kernel"}, "'evil/kernel' could be code of its own"),
        ({"attn_implementation": {"": "evil/kernel"}}, "could be code of its own"),
        ({"_experts_implementation": "evil/kernel"}, "could be code of its own"),
    ],
)
def test_a_configuration_names_neither_code_nor_sizes_without_bound(
    base: Path, changes: Any, reason: str
) -> None:
    configure(base / "config.json", **changes)
    with pytest.raises(TrainingError, match=reason):
        load(base)
    found = check_base(
        base, head="classification", targets=("query",), rank=4, max_tokens=64, bits=16, compute="float32"
    )
    assert reason in "\n".join(map(str, found.faults))


def test_a_number_that_is_a_text_is_refused_not_a_defect(base: Path) -> None:
    configure(base / "config.json", num_hidden_layers="2")
    with pytest.raises(TrainingError, match="num_hidden_layers"):
        load(base)


def test_an_adapter_in_the_folder_of_a_base_is_not_put_onto_it(base: Path) -> None:
    (base / "adapter_config.json").write_text(
        '{"peft_type": "LORA", "base_model_name_or_path": "/elsewhere"}'
    )
    with pytest.raises(TrainingError, match="put onto it unnoticed"):
        load(base)


def test_code_beside_a_base_is_never_run(base: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (base / "evil.py").write_text(f"open({str(ran)!r}, 'w')\n")
    named = {"AutoConfig": "evil.Evil", "AutoModelForSequenceClassification": "evil.Evil"}
    configure(base / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", "evil.Evil"]})
    configure(base / "config.json", auto_map=named)
    assert load(base) and load_tokenizer(base)
    configure(base / "config.json", model_type="evil")
    with pytest.raises(TrainingError, match="custom code"):
        load(base)
    assert not ran.exists()


def test_a_broken_tokenizer_is_refused_with_its_reason(base: Path) -> None:
    (base / "tokenizer.json").write_text('{"version": "1.0", "added_tokens": [], "model": {"type": "evil"}}')
    with pytest.raises(TrainingError, match="tokenizer cannot be loaded"):
        load_tokenizer(base)


def test_a_link_does_not_carry_a_file_of_this_machine_into_the_store(base: Path, tmp_path: Path) -> None:
    (tmp_path / "id_ed25519").write_text("a private key")
    os.symlink(tmp_path / "id_ed25519", base / "notes.txt")
    store = open_store(str(tmp_path / "store"))
    with pytest.raises(TrainingError, match=r"notes\.txt lead out of it"):
        put_base(base, store, "bases/x")
    assert not store.list("")


def test_the_cache_of_the_hub_is_made_of_links_and_is_stored(tiny_base: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path / "blobs")
    snapshot = tmp_path / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    for file in tiny_base.iterdir():
        os.symlink(Path("../../blobs", file.name), snapshot / file.name)
    assert put_base(snapshot, open_store(str(tmp_path / "store")), "bases/x")


@pytest.mark.parametrize(
    ("source", "digest", "reason"),
    [
        ("store:bases/x", "../../../outside", "is no digest"),
        ("package:os.path", "0" * 64, "no such package"),
        ("package:antigravity", "0" * 64, "no such package"),
    ],
)
def test_a_specification_from_the_store_names_no_place_and_no_module(
    source: str, digest: str, reason: str, tmp_path: Path
) -> None:
    store = open_store(str(tmp_path / "store"))
    store.put_if_absent("bases/x/model.safetensors", b"x")
    with pytest.raises(TrainingError, match=reason):
        resolve_base(source, digest, cache=tmp_path / "a" / "b" / "cache", store=store)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"peft_type": "PROMPT_TUNING"}, "only LORA is loaded"),
        ({"megatron_config": {"a": 1}, "megatron_core": "os"}, "megatron_core"),
        ({"auto_mapping": {"base_model_class": "system", "parent_library": "os"}}, "auto_mapping"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights"),
        ({"an_invented_setting": 1}, "an_invented_setting: 1 is no setting of plain LoRA"),
    ],
)
def test_an_adapter_is_plain_lora(tiny_base: Path, tmp_path: Path, changes: Any, reason: str) -> None:
    import torch
    from peft import LoraConfig

    plain = LoraConfig(task_type="SEQ_CLS", target_modules=["query"]).to_dict()
    plain = {key: sorted(value) if isinstance(value, set) else value for key, value in plain.items()}
    (tmp_path / "adapter_config.json").write_text(json.dumps({**plain, **changes}, default=str))
    save_file({"x": torch.zeros(1)}, tmp_path / "adapter_model.safetensors")
    with pytest.raises(TrainingError, match=reason):
        load_adapter(load(tiny_base), tmp_path)


def test_a_recipe_does_not_carry_a_password(tmp_path: Path) -> None:
    from pvcore.config import read_recipe

    file = tmp_path / "recipe.yaml"
    base = {"source": "https://me:hunter2@x/y", "digest": "0" * 64}
    text = json.dumps({"problem": "seriousness", "family": "encoder", "base": base})
    file.write_text(text)
    with pytest.raises(ConfigError, match="user or password") as refused:
        read_recipe(file)
    assert "hunter2" not in str(refused.value)
