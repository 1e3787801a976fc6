"""What a local folder must survive: killed writers, and what people do to folders."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pvcore.errors import RegistryError
from pvcore.registry.disk import STALE
from pvcore.registry.ledger import Ledger
from pvcore.registry.store import open_store

WRITER = """
import sys
from pvcore.registry.ledger import Ledger
from pvcore.registry.blobs import put_blob
from pvcore.registry.store import open_store
store = open_store(sys.argv[1])
ledger = Ledger(store)
number = len(ledger.entries())
while True:
    number += 1
    blob = put_blob(store, str(number).encode() * 5000)
    entry = ledger.append("Test", {"blob": blob}, actor="writer", key=str(number))
    print(entry.sequence, entry.digest, flush=True)
"""


def test_kill_9_loses_no_entry_that_was_acknowledged(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    told: list[tuple[int, str]] = []
    for round_ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, store.url], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        told += [_entry(writer.stdout.readline()) for _ in range(20)]
        time.sleep(0.013 * round_)
        writer.send_signal(signal.SIGKILL)
        told += [_entry(line) for line in writer.stdout.readlines() if line.endswith(b"\n")]
        writer.stdout.close()
        writer.wait()
        entries = Ledger(store).entries()
        assert told == [(e.sequence, e.digest) for e in entries][: len(told)]
        assert len(entries) - len(told) <= 1, "at most the entry that was being acknowledged"
        told = [(e.sequence, e.digest) for e in entries]
    assert Ledger(store).verify() == []
    assert len(told) >= 60


def _entry(line: bytes) -> tuple[int, str]:
    sequence, digest = line.decode().split()
    return int(sequence), digest


def test_half_written_files_are_not_seen_and_are_removed_in_time(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.put_if_absent("a", b"")
    old, young = tmp_path / ".tmp" / "old", tmp_path / ".tmp" / "young"
    for file in (old, young):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - STALE - 60,) * 2)
    assert [item.key for item in store.list("")] == ["a"]
    store.put_if_absent("b", b"")
    assert (old.exists(), young.exists()) == (False, True)


def test_what_the_file_system_refuses_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = open_store(str(tmp_path / "file"))
    with pytest.raises(RegistryError, match="could not write a/b"):
        store.put_if_absent("a/b", b"")
    store = open_store(str(tmp_path))
    with pytest.raises(RegistryError, match="could not write"):
        store.put_if_absent("file/below", b"")


def test_a_link_out_of_the_store_brings_nothing_in(tmp_path: Path) -> None:
    (tmp_path / "id_ed25519").write_text("a private key")
    store = open_store(str(tmp_path / "store"))
    store.put_if_absent("inbox/annotations/a.json", b"[]")
    box = tmp_path / "store/inbox/annotations"
    (box / "b.json").symlink_to(tmp_path / "id_ed25519")
    (box / "c.json").symlink_to("a.json")
    (tmp_path / "store/inbox/meddra").symlink_to(tmp_path)
    for key in ("inbox/annotations/b.json", "inbox/meddra/id_ed25519"):
        for read in (store.get, lambda key: store.fetch(key, tmp_path / "fetched")):
            with pytest.raises(RegistryError, match="link that leads out of the store"):
                read(key)
    assert store.get("inbox/annotations/c.json") == b"[]"


def test_a_folder_that_may_not_be_read_is_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that lies there is passed over in silence, and nothing that lies beside it is held up."""
    store = open_store(str(tmp_path))
    for key in ("inbox/annotations/jane/a.json", "inbox/annotations/b.json", "ledger/000000000001"):
        store.put_if_absent(key, b"[]")
    scandir, private = os.scandir, {tmp_path / "inbox/annotations/jane", tmp_path / "ledger"}

    def refuses(path: object = ".") -> object:
        if isinstance(path, str | Path) and Path(path) in private:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuses)
    listed = [item.key for item in store.list("inbox/annotations/")]
    assert listed == ["inbox/annotations/b.json", "inbox/annotations/jane"]
    for read in (store.get, lambda key: store.fetch(key, tmp_path / "fetched")):
        with pytest.raises(RegistryError, match=r"read the folder inbox/annotations/jane: Permission denied"):
            read(listed[1])
    with pytest.raises(RegistryError, match="could not list ledger/: Permission denied"):
        Ledger(store).verify()
    assert store.list("inbox/meddra/") == []
