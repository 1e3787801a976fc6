"""A file lies in the inbox under its name, or the name with a number; nothing is put over another."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvcore.config import init_workspace, open_workspace
from pvcore.cycle import inbox


def test_a_taken_name_gets_a_number_and_the_same_content_none(tmp_path: Path) -> None:
    init_workspace(tmp_path / "ws")
    ws = open_workspace(tmp_path / "ws")
    files = []
    for number, content in enumerate(["one", "two", "one"]):
        file = tmp_path / str(number) / "export.may.json"
        file.parent.mkdir()
        file.write_text(content)
        files.append(file)
    place = "inbox/annotations/export"
    keys = [f"{place}.meddra-29.0.may.json", f"{place}-1.meddra-29.0.may.json"]
    assert inbox.put(ws, "annotations", files, "29.0") == [*keys, keys[0]]
    assert [ws.store.get(key) for key in keys] == [b"one", b"two"]
    assert inbox.put(ws, "annotations", files[:1]) == [f"{place}.may.json"]


def test_the_version_of_codes_is_not_that_of_a_release(tmp_path: Path) -> None:
    """`pv ingest english.zip labels.json --meddra-version 28.1`, the release being 29.0."""
    init_workspace(tmp_path / "ws")
    ws = open_workspace(tmp_path / "ws")
    file = tmp_path / "english.zip"
    file.write_bytes(b"a release")
    assert inbox.put(ws, "meddra", [file], "28.1") == ["inbox/meddra/english.zip"]


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("a.meddra-29.0.json", "29.0"),
        ("a.meddra-9.1.export.json", "9.1"),
        ("a.json", None),
        ("a.meddra-x.json", None),
        ("meddra-29.0.json", None),
    ],
)
def test_the_version_in_a_file_name(name: str, version: str | None) -> None:
    assert inbox.version_in_name(name) == version
