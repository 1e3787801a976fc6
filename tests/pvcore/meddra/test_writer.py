"""A release written is the release read, and there is all of it or nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pvcore.errors import ReleaseError
from pvcore.meddra.release import Dictionary, read
from pvcore.meddra.writer import write


@pytest.mark.parametrize("place", ["new/MedDRA_28_1_English.zip", "folder"])
def test_written_and_read_again(place: str, old: Dictionary, tmp_path: Path) -> None:
    assert write(old, tmp_path / place).digest == read(tmp_path / place).digest == old.digest
    again = tmp_path / ("again.zip" if place.endswith(".zip") else "again")
    write(read(tmp_path / place), again)
    files = [
        sorted(p for p in where.rglob("*") if p.is_file()) or [where] for where in (tmp_path / place, again)
    ]
    assert [f.read_bytes() for f in files[0]] == [f.read_bytes() for f in files[1]]


def test_an_empty_folder_is_filled_and_nothing_is_overwritten(old: Dictionary, tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file.zip"
    folder.mkdir()
    file.write_bytes(b"mine")
    write(old, folder)
    for taken in (folder, file):
        with pytest.raises(ReleaseError, match="is there already"):
            write(old, taken)
    assert file.read_bytes() == b"mine" and read(folder).digest == old.digest


def test_what_does_not_hold_leaves_nothing(old: Dictionary, tmp_path: Path) -> None:
    cut = {**old.tables, "hlt_pt": old.tables["hlt_pt"].iloc[1:]}
    for wrong, says in (
        (replace(old, tables=cut), "expected this link"),
        (replace(old, digest="0" * 64), "expected 000000000000"),
    ):
        for place in ("x.zip", "x"):
            with pytest.raises(ReleaseError, match=says):
                write(wrong, tmp_path / place)
    assert list(tmp_path.iterdir()) == []
