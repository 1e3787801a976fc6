"""Folders come back as they were or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvcore.errors import NotFound, RegistryError
from pvcore.records import digest
from pvcore.registry.blobs import put_blob
from pvcore.registry.folders import get_folder, put_folder
from pvcore.registry.store import Store, open_store


def test_folder_comes_back_as_it_was(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "b.json").write_bytes(b"{}")
    (source / "sub" / "a.bin").write_bytes(bytes(range(256)))
    files = put_folder(store, source)
    assert files == {
        "b.json": {"sha256": digest(b"{}"), "size": 2},
        "sub/a.bin": {"sha256": digest(bytes(range(256))), "size": 256},
    }
    target = get_folder(store, files, tmp_path / "deep" / "target")
    assert put_folder(store, target) == files
    assert get_folder(store, files, target) == target
    (target / "b.json").write_bytes(b"[]")
    (target / "sub" / "a.bin").unlink()
    (target / "new").touch()
    with pytest.raises(RegistryError, match=r"extra: new; missing: sub/a\.bin; changed: b\.json"):
        get_folder(store, files, target)
    assert (target / "b.json").read_bytes() == b"[]"


def test_folder_all_or_nothing(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    good = {"sha256": put_blob(store, b"good"), "size": 4}
    for files, error in (
        ({"a": good, "b": {"sha256": digest(b"absent"), "size": 6}}, NotFound),
        ({"a": good, "../b": good}, RegistryError),
    ):
        with pytest.raises(error):
            get_folder(store, files, tmp_path / "target")
    assert [p.name for p in tmp_path.iterdir()] == ["store"]


def test_folder_with_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    store = open_store(str(tmp_path / "store"))
    with pytest.raises(NotFound, match="no files"):
        put_folder(store, tmp_path / "source")
    (tmp_path / "source" / "link").symlink_to("/etc/hostname")
    with pytest.raises(RegistryError, match="is a link"):
        put_folder(store, tmp_path / "source")
