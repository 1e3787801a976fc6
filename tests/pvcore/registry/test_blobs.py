"""Blobs come back as they were or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvcore.errors import NotFound, RegistryError
from pvcore.records import digest
from pvcore.registry.blobs import (
    BLOBS,
    blob_exists,
    check_blob,
    copy_blob,
    fetched_blob,
    get_blob,
    put_blob,
    put_blobs,
)
from pvcore.registry.store import Store


def test_blobs(store: Store) -> None:
    name = put_blob(store, b"data")
    assert name == put_blob(store, b"data") == digest(b"data")
    assert get_blob(store, name) == b"data"
    assert blob_exists(store, name) and not blob_exists(store, digest(b"other"))
    with pytest.raises(NotFound, match="no blob"):
        get_blob(store, digest(b"other"))
    for bad in ("../x", "ABC", ""):
        with pytest.raises(NotFound, match="not a digest"):
            get_blob(store, bad)
    store.put_if_absent(f"blobs/sha256/{'0' * 64}", b"something else")
    with pytest.raises(RegistryError, match="was altered"):
        get_blob(store, "0" * 64)


def test_several_blobs_at_once(store: Store, tmp_path: Path) -> None:
    contents = [f"blob {n}".encode() for n in range(20)]
    assert put_blobs(store, [*contents, contents[0]]) == [digest(c) for c in [*contents, contents[0]]]
    assert [get_blob(store, digest(content)) for content in contents] == contents and put_blobs(
        store, []
    ) == []
    with pytest.raises(RegistryError, match="cannot be read"):
        put_blobs(store, [b"good", tmp_path / "none", b"also good"])


def test_altered_and_absent_blobs_are_refused_before_they_are_used(store: Store, tmp_path: Path) -> None:
    wrong = "0" * 64
    store.put_if_absent(BLOBS + wrong, b"something else")
    for use in (
        lambda: fetched_blob(store, wrong).__enter__(),
        lambda: copy_blob(store, wrong, tmp_path / "copy"),
        lambda: check_blob(store, wrong),
    ):
        with pytest.raises(RegistryError, match="was altered"):
            use()
    for name, why in (("1" * 64, "no blob"), ("../x", "not a digest")):
        with pytest.raises(NotFound, match=why):
            check_blob(store, name)
    good = put_blob(store, b"good")
    with pytest.raises(NotFound, match="the block's own"), fetched_blob(store, good):
        raise NotFound("the block's own")
