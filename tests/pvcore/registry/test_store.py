"""Both stores keep one contract, and a probe refuses a place that does not."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pvcore.errors import ConfigError, NotFound, RegistryError, StoreRefused
from pvcore.records import digest
from pvcore.registry.probe import probe
from pvcore.registry.store import ObjectInfo, Store, open_store


class Dictionary:
    """A store in memory that keeps the contract, for tests to break one rule at a time."""

    url = "memory:"

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return self.data.setdefault(key, data) is data

    def get(self, key: str) -> bytes:
        if key not in self.data:
            raise NotFound(key)
        return self.data[key]

    def exists(self, key: str) -> bool:
        return key in self.data

    def list(self, prefix: str) -> list[ObjectInfo]:
        return [
            ObjectInfo(k, len(v), digest(v)) for k, v in sorted(self.data.items()) if k.startswith(prefix)
        ]


def test_put_get_exists_list(store: Store) -> None:
    assert isinstance(store, Store)
    assert store.list("") == store.list("inbox/") == []
    assert store.put_if_absent("inbox/meddra/a b é.zip", b"one")
    assert not store.put_if_absent("inbox/meddra/a b é.zip", b"two")
    assert store.put_if_absent("inbox/meddra/B.zip", b"")
    assert store.put_if_absent("inbox/meddra-other", b"three")
    assert store.get("inbox/meddra/a b é.zip") == b"one"
    assert store.exists("inbox/meddra/B.zip")
    assert [(i.key, i.size) for i in store.list("inbox/meddra/")] == [
        ("inbox/meddra/B.zip", 0),
        ("inbox/meddra/a b é.zip", 3),
    ]
    assert next(i.key for i in store.list("inbox/meddra")) == "inbox/meddra-other"
    assert len(store.list("")) == len(store.list("inb")) == 3
    for absent in ("inbox/none", "inbox", "inbox/meddra/B.zip/more"):
        assert not store.exists(absent)
        with pytest.raises(NotFound, match="no object"):
            store.get(absent)


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../out", "a/../../out", "a//b", "a/", "a\\b", "a\0b", ".tmp/x", "x" * 300]
)
def test_keys_that_lead_out_or_cannot_be_kept(store: Store, key: str) -> None:
    for use in (store.get, store.exists, lambda k: store.put_if_absent(k, b"")):
        with pytest.raises(RegistryError, match="cannot be stored"):
            use(key)
    assert store.list("") == []


def test_etag_changes_with_the_content(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "file").write_bytes(b"half")
    before = store.list("inbox/")
    assert store.list("inbox/") == before
    (tmp_path / "inbox" / "file").write_bytes(b"whole")
    assert store.list("inbox/") != before


def test_one_of_many_threads_creates_a_key(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda n: store.put_if_absent("one", str(n).encode()), range(8)))
    assert created.count(True) == 1
    assert store.get("one") == str(created.index(True)).encode()


def test_probe_accepts_both_stores(store: Store) -> None:
    probe(store, writers=8, rounds=1)


class Overwrites(Dictionary):
    def put_if_absent(self, key: str, data: bytes) -> bool:
        self.data[key] = data
        return True


class OverwritesQuietly(Dictionary):
    def put_if_absent(self, key: str, data: bytes) -> bool:
        created = key not in self.data
        self.data[key] = data
        return created


class Races(Dictionary):
    def put_if_absent(self, key: str, data: bytes) -> bool:
        if "concurrent" in key:
            self.data[key] = data
            return True
        return super().put_if_absent(key, data)


class ForgetsToList(Dictionary):
    def list(self, prefix: str) -> list[ObjectInfo]:
        return super().list(prefix)[1:]


class InventsObjects(Dictionary):
    def get(self, key: str) -> bytes:
        return self.data.get(key, b"")


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (Overwrites, "created an object that existed"),
        (OverwritesQuietly, "replaced an object"),
        (Races, "16 of 16 concurrent writers"),
        (ForgetsToList, "listing"),
        (InventsObjects, "never written"),
    ],
)
def test_probe_refuses(kind: Callable[[], Store], why: str) -> None:
    with pytest.raises(StoreRefused, match=why):
        probe(kind())


@pytest.mark.parametrize(
    "url", ["s3://bucket/team#1", "s3://bucket/team?v=1", "file:///data/run#2", "s3://bucket/a#"]
)
def test_a_url_whose_end_would_be_cut_off_is_refused(url: str) -> None:
    """`s3://bucket/team#1` and `#2` were one store."""
    with pytest.raises(ConfigError, match="another store would be meant"):
        open_store(url)


def test_open_store_understands_urls(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    assert open_store(str(folder)).url == open_store(folder.as_uri()).url == folder.as_uri()
    assert open_store("s3://bucket/deep/prefix/").url == "s3://bucket/deep/prefix"
    for bad in ("http://x/y", "s3://", "file://host/x", "gs://bucket"):
        with pytest.raises(ConfigError, match="not understood"):
            open_store(bad)


def test_fetch_gives_a_file(store: Store, tmp_path: Path) -> None:
    store.put_if_absent("inbox/one", b"one")
    assert store.fetch("inbox/one", tmp_path / "copy").read_bytes() == b"one"
    with pytest.raises(NotFound):
        store.fetch("inbox/none", tmp_path / "copy")


def test_a_base_travels_through_every_store(store: Store, tmp_path: Path) -> None:
    from pvcore.inference.base import fetch_base, put_base, resolve_base

    folder = tmp_path / "base"
    folder.mkdir()
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        (folder / name).write_text(name)
    digest = put_base(folder, store, "bases/x")
    assert put_base(folder, store, "bases/x") == digest
    target, found = fetch_base("store:bases/x", cache=tmp_path / "cache", store=store)
    assert found == digest and target == resolve_base(
        "store:bases/x", digest, cache=tmp_path / "cache", store=store
    )
    assert sorted(file.name for file in target.iterdir()) == sorted(file.name for file in folder.iterdir())
