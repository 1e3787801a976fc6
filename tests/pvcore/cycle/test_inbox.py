"""A file lies in the inbox under its name, or the name with a number; nothing is put over another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pvcore.config import init_workspace, open_workspace
from pvcore.cycle import admission, inbox
from pvcore.cycle.arrivals import in_words
from pvcore.cycle.overview import history


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


def test_the_history_says_what_the_reader_left_out(tmp_path: Path) -> None:
    """A Label Studio project whose controls have other names is admitted, and its answers are not read."""
    ws = open_workspace(init_workspace(tmp_path / "ws") and tmp_path / "ws")
    said = [{"from_name": "grave", "to_name": "text", "type": "choices", "value": {"choices": ["serious"]}}]
    task = {
        "id": 1,
        "data": {"case_id": "A-1", "text": "A rash."},
        "annotations": [{"id": 2, "completed_by": 7, "result": said}],
    }
    (tmp_path / "export.json").write_text(json.dumps([task]))
    inbox.put(ws, "annotations", [tmp_path / "export.json"])
    (found,) = inbox.look(ws, "annotations")
    admission.admit_batch(ws, found, inbox.read_batch(ws, found), b"{}")
    (row,) = history(ws)
    assert (
        "1 cases, 0 annotations; left out: " in row["what"] and "1 result of control 'grave'" in row["what"]
    )


def test_of_many_reasons_the_most_frequent_are_named() -> None:
    dropped = {f"cell of column '{n}'": n for n in range(1, 9)} | {"x\n" * 500: 100}
    words = in_words({"cases": 3, "annotations": 4, "dropped": dropped})
    assert words.startswith("3 cases, 4 annotations; left out: 100 x\\nx") and "8 cell of column '8'" in words
    assert words.endswith("5 cell of column '5', and 4 more reasons") and len(words) < 300
