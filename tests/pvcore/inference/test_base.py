from __future__ import annotations

import hashlib
import json
import os

import pytest

from pvcore.errors import RegistryError, TrainingError
from pvcore.inference import base
from pvcore.inference.base import base_digest, complete, fetch_base, put_base, resolve_base
from pvcore.records import digest
from pvcore.registry.store import open_store


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "base" / "config.json").write_text("{}")
    return tmp_path / "base"


WEIGHTS = hashlib.sha256(b"weights").hexdigest()


def test_a_folder_with_the_right_weights(folder):
    assert resolve_base(str(folder), WEIGHTS) == folder


def test_other_weights_are_refused_with_both_digests(folder):
    with pytest.raises(TrainingError, match=f"{WEIGHTS}, expected {'0' * 64}"):
        resolve_base(str(folder), "0" * 64)


def test_several_files_have_one_digest(folder):
    (folder / "model-2.safetensors").write_bytes(b"more")
    both = {"model.safetensors": WEIGHTS, "model-2.safetensors": hashlib.sha256(b"more").hexdigest()}
    assert base_digest(folder) == digest(both)


def test_a_pickle_is_never_read(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"anything")
    with pytest.raises(TrainingError, match=r"pytorch_model.bin, which can run code"):
        resolve_base(str(tmp_path), "0" * 64)
    with pytest.raises(TrainingError, match=r"no .*safetensors"):
        resolve_base(str(tmp_path / "nowhere"), "0" * 64)


def test_a_gguf_file_is_no_base_yet(tmp_path):
    (tmp_path / "model.Q4_1.gguf").write_bytes(b"GGUF")
    with pytest.raises(TrainingError, match=r"model.Q4_1.gguf: pv base convert"):
        resolve_base(str(tmp_path), "0" * 64)


def test_the_package_has_the_digest_that_the_recipes_pin():
    from importlib import resources

    import yaml

    for name in ("seriousness", "coding"):
        base = yaml.safe_load((resources.files("pvcore.recipes") / f"{name}.yaml").read_text("utf-8"))["base"]
        assert resolve_base(base["source"], base["digest"]).is_dir()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("package:no_such_package_at_all", "pip install"),
        ("package:json", "no such package"),  # a module is no installed package
        ("package:packaging", "no get_model_path"),
        ("hub:some/model", "can move"),
        ("hub:some/model@main", "can move"),
        ("store:bases/x", "no object store"),
    ],
)
def test_a_source_that_cannot_be_used_says_why(source, reason):
    with pytest.raises(TrainingError, match=reason):
        resolve_base(source, "0" * 64)


def test_a_base_from_the_object_store_is_fetched_once(tmp_path):
    store = open_store(str(tmp_path / "store"))
    for name, data in (("model.safetensors", b"weights"), ("config.json", b"{}"), ("deep/file", b"no")):
        store.put_if_absent(f"bases/x/{name}", data)
    for _ in range(2):
        found = resolve_base("store:bases/x", WEIGHTS, cache=tmp_path / "cache", store=store)
        assert sorted(file.name for file in found.iterdir()) == ["config.json", "model.safetensors"]
        (tmp_path / "store/bases/x/model.safetensors").write_bytes(b"asked for once")
    with pytest.raises(TrainingError, match="nothing below"):
        resolve_base("store:bases/y", "1" * 64, cache=tmp_path / "cache", store=store)


def test_a_store_with_other_weights_leaves_nothing_that_looks_right(tmp_path):
    store = open_store(str(tmp_path / "store"))
    store.put_if_absent("b/model.safetensors", b"other weights")
    for _ in range(2):
        with pytest.raises(TrainingError, match="expected"):
            resolve_base("store:b", WEIGHTS, cache=tmp_path / "cache", store=store)


@pytest.mark.parametrize("pinned", [True, False])
def test_a_kept_base_that_was_damaged_is_fetched_once_more(folder, tmp_path, pinned):
    store, cache = open_store(str(tmp_path / "store")), tmp_path / "cache"
    put_base(folder, store, "bases/x")

    def get():
        given = {"cache": cache, "store": store}
        if pinned:
            return resolve_base("store:bases/x", WEIGHTS, **given)
        return fetch_base("store:bases/x", **given)[0]

    kept = get() / "model.safetensors"
    for damage in (lambda: kept.write_bytes(b"cut off"), kept.unlink):
        damage()
        assert get() / "model.safetensors" == kept and kept.read_bytes() == b"weights"
    assert [file.name for file in cache.iterdir()] == [f"base-{WEIGHTS}"]


@pytest.mark.parametrize("pinned", [True, False])
def test_of_two_that_fetch_a_base_at_once_the_first_copy_stays(folder, tmp_path, monkeypatch, pinned):
    """The second finds it there when it has fetched its own: whoever reads the first one goes on."""
    store, cache = open_store(str(tmp_path / "store")), tmp_path / "cache"
    put_base(folder, store, "bases/x")
    copy, first = base.copy_object, []

    def get():
        given = {"cache": cache, "store": store}
        if pinned:
            return resolve_base("store:bases/x", WEIGHTS, **given)
        return fetch_base("store:bases/x", **given)[0]

    def slow(*arguments):
        monkeypatch.setattr(base, "copy_object", copy)
        if not first:
            first.append((get() / "model.safetensors").stat())
        copy(*arguments)

    monkeypatch.setattr(base, "copy_object", slow)
    assert os.path.samestat((get() / "model.safetensors").stat(), first[0])
    assert [file.name for file in cache.iterdir()] == [f"base-{WEIGHTS}"]


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    def half(work):
        (work / "one").write_text("1")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        complete(tmp_path / "made", half)
    assert list(tmp_path.iterdir()) == []


def test_a_base_that_nobody_pinned_is_refused_with_the_way_to_pin_it(folder):
    with pytest.raises(TrainingError, match="pv base pin"):
        resolve_base(str(folder), "unpinned")
    assert fetch_base(str(folder)) == (folder, WEIGHTS)


def sharded(folder, *names):
    (folder / "model.safetensors").unlink()
    for name in names:
        (folder / name).write_bytes(name.encode())
    index = {"weight_map": {f"layer.{name}": name for name in names}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_the_index_says_which_files_are_the_weights(folder):
    sharded(folder, "a.safetensors", "b.safetensors")
    (folder / "consolidated.safetensors").write_bytes(b"the same once more, as Mistral does")
    both = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a.safetensors", "b.safetensors")}
    assert base_digest(folder) == digest(both)
    (folder / "model.safetensors").write_bytes(b"what transformers would load instead")
    with pytest.raises(TrainingError, match="two sets of weights"):
        base_digest(folder)
    (folder / "model.safetensors").unlink()
    (folder / "b.safetensors").unlink()
    with pytest.raises(TrainingError, match=r"names b\.safetensors, not there"):
        base_digest(folder)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"x": "../other.safetensors"}}')
    with pytest.raises(TrainingError, match="not there"):
        base_digest(folder)
    (folder / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(TrainingError, match="cannot be read"):
        base_digest(folder)


def test_a_base_goes_into_the_store_and_comes_back(folder, tmp_path):
    sharded(folder, "a.safetensors", "b.safetensors")
    for name in ("tokenizer.json", "LICENSE", "pytorch_model.bin", "modeling_own.py"):
        (folder / name).write_text(name)
    store, cache = open_store(str(tmp_path / "store")), tmp_path / "cache"
    found = put_base(folder, store, "bases/x/")
    assert put_base(folder, store, "bases/x") == found == base_digest(folder)
    made = {"cache": cache, "store": store}
    target, again = fetch_base("store:bases/x", **made)
    assert again == found and resolve_base("store:bases/x", found, **made) == target
    assert fetch_base("store:bases/x", **made) == (target, found) and list(cache.iterdir()) == [target]
    assert {file.name for file in target.iterdir()} == {
        "a.safetensors", "b.safetensors", "model.safetensors.index.json", "config.json", "tokenizer.json", "LICENSE",
    }  # fmt: skip


def test_nothing_in_the_store_is_overwritten_or_mixed(folder, tmp_path):
    store = open_store(str(tmp_path / "store"))
    store.put_if_absent("bases/x/config.json", b"another model")
    store.put_if_absent("bases/x/model-2.safetensors", b"more")
    with pytest.raises(RegistryError, match=r"config\.json, model-2\.safetensors"):
        put_base(folder, store, "bases/x")
    assert [item.key for item in store.list("bases/")] == [
        "bases/x/config.json",
        "bases/x/model-2.safetensors",
    ]
    for prefix in ("ledger", "blobs/x", "/"):
        with pytest.raises(RegistryError, match="cannot hold a base"):
            put_base(folder, store, prefix)
    with pytest.raises(TrainingError, match=r"no .*safetensors"):
        put_base(tmp_path, store, "bases/y")


def test_without_a_network_the_hub_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(TrainingError, match="Offline, use a folder or store:PREFIX"):
        fetch_base(f"hub:some/model@{'0' * 40}", cache=tmp_path)
