from __future__ import annotations

import hashlib

import pytest

from pvcore.errors import TrainingError
from pvcore.inference.base import base_digest, complete, resolve_base
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
        ("package:json", "no get_model_path"),
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


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    def half(work):
        (work / "one").write_text("1")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        complete(tmp_path / "made", half)
    assert list(tmp_path.iterdir()) == []
