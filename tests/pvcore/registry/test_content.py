"""A file goes into a store and out of it piece by piece, and arrives as it was or not at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pvcore.errors import RegistryError
from pvcore.records import digest
from pvcore.registry import content
from pvcore.registry.blobs import copy_blob, fetched_blob, put_blob
from pvcore.registry.store import Store, copy_object, fetched, holds, open_store

LARGE = 64 * 2**20
ROOM = LARGE // 4
"""Bytes that may be held while a file of LARGE travels: whoever reads it whole needs four times this."""
JOURNEY = """
import json, sys, tracemalloc
from pathlib import Path
from pvcore.registry.blobs import check_blob, copy_blob, put_blob
from pvcore.registry.folders import get_folder, put_folder
from pvcore.registry.store import holds, open_store
url, endpoint, folder = sys.argv[1], sys.argv[2] or None, Path(sys.argv[3])
store = open_store(url, endpoint=endpoint)
store.put_if_absent("before", b"what is imported and connected does not count")
def read(path):
    with path.open("rb") as file:
        while file.read(2**20):
            pass
steps = {
    "put": lambda: store.put_if_absent("inbox/large", folder / "large"),
    "put again": lambda: store.put_if_absent("inbox/large", folder / "large"),
    "same": lambda: holds(store, "inbox/large", folder / "large"),
    "fetch": lambda: store.fetch("inbox/large", folder / "copy"),
    "blob": lambda: put_blob(store, folder / "large"),
    "folder": lambda: put_folder(store, folder / "adapter"),
}
peaks, said = {}, {}
tracemalloc.start()
def measure(name, call):
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    said[name] = call()
    peaks[name] = tracemalloc.get_traced_memory()[1] - before
for name, call in steps.items():
    measure(name, call)
measure("check", lambda: check_blob(store, said["blob"]))
measure("copy", lambda: copy_blob(store, said["blob"], folder / "again"))
measure("folder back", lambda: get_folder(store, said["folder"], folder / "back"))
measure("folder is there", lambda: get_folder(store, said["folder"], folder / "back"))
print(json.dumps([said["put"], said["put again"], said["same"], peaks]))
"""


@pytest.mark.parametrize("where", ["folder", "s3"])
def test_no_step_holds_a_large_file(where: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url, endpoint = str(tmp_path / "store"), ""
    if where == "s3":  # the client is a process of its own: the server holds what it is sent
        url, endpoint = "s3://pv-test/large", request.getfixturevalue("s3").endpoint
    (tmp_path / "adapter").mkdir()
    for name in ("large", "adapter/model.safetensors"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(LARGE)
    arguments = [sys.executable, "-c", JOURNEY, url, endpoint, str(tmp_path)]
    done = subprocess.run(arguments, stdout=subprocess.PIPE, timeout=120, check=True)
    created, again, same, peaks = json.loads(done.stdout)
    assert (created, again, same) == (True, False, True)
    assert {name: peak for name, peak in peaks.items() if peak > ROOM} == {}
    assert (tmp_path / "back" / "model.safetensors").stat().st_size == LARGE


def test_a_file_is_kept_as_its_bytes_are(store: Store, tmp_path: Path) -> None:
    data = bytes(range(256)) * 9000  # more than two pieces
    (tmp_path / "file").write_bytes(data)
    name = put_blob(store, tmp_path / "file")
    assert name == digest(data) == put_blob(store, data)
    assert store.put_if_absent("inbox/a", tmp_path / "file")
    with fetched(store, "inbox/a") as path:
        assert path.read_bytes() == data
    with fetched_blob(store, name) as path:
        assert path.read_bytes() == data
        if not path.is_relative_to(tmp_path):
            assert path.parent.stat().st_mode & 0o077 == 0, "what a store fetched is nobody else's to read"
    assert path.exists() == path.is_relative_to(tmp_path), "what a store fetched is gone, its own files stay"
    own = copy_object(store, "inbox/a", tmp_path / "own")
    own.write_bytes(b"changed")
    assert store.get("inbox/a") == data, "a copy of one's own is not the store's file"
    assert copy_blob(store, name, own).read_bytes() == data
    assert holds(store, "inbox/a", data) and holds(store, "inbox/a", tmp_path / "file")
    for other in (data[:-1], data + b"x", b"", b"x" + data[1:]):
        assert not holds(store, "inbox/a", other)
    assert not holds(store, "inbox/none", data)
    with pytest.raises(RegistryError, match=r"absent cannot be read: No such file"):
        store.put_if_absent("inbox/b", tmp_path / "absent")


def test_an_object_that_s3_cannot_create_at_once_is_refused(s3: Any, tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(5 * 2**30 + 1)  # sparse: takes no room
    store = open_store("s3://pv-test", endpoint=s3.endpoint)
    with pytest.raises(RegistryError, match=r"has 5368709121 bytes; .*at most 5368709120 .*Split the file"):
        store.put_if_absent("inbox/huge", tmp_path / "huge")


def test_a_download_that_is_cut_off_leaves_no_file(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.response import StreamingBody

    store = open_store("s3://pv-test", endpoint=s3.endpoint)
    store.put_if_absent("large", bytes(3 * content.PIECE))
    whole = StreamingBody.iter_chunks

    def cut(body: Any, size: int) -> Any:
        yield next(whole(body, size))
        raise OSError("No space left on device")

    monkeypatch.setattr(StreamingBody, "iter_chunks", cut)
    with pytest.raises(RegistryError, match=r"large: No space left .*TMPDIR"):
        store.fetch("large", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_lost_answer_for_a_file_is_found_to_be_our_own(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine" * content.PIECE)
    store = open_store("s3://pv-test", endpoint=s3.endpoint)
    s3.faulty.plan = ["lost answer"]
    assert store.put_if_absent("mine", tmp_path / "file")
    s3.faulty.plan = ["conflict"]
    assert store.put_if_absent("second", tmp_path / "file")
    assert store.list("second")[0].size == 4 * content.PIECE
