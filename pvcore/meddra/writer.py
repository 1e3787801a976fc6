"""A release as files in MedDRA's real format: MedAscii with the tables, SeqAscii with what changed since before.

Files are UTF-8, not protected and of a fixed time: the same tables are the same bytes.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from pvcore.errors import Fault, ReleaseError
from pvcore.meddra.release import Dictionary, read
from pvcore.meddra.tables import TABLES, lines, serialise

Tables = Mapping[str, pd.DataFrame]


def write(dictionary: Dictionary, path: Path) -> Dictionary:
    """Write a release, and say what it reads as: a path in .zip is the file, any other a folder with MedAscii/.

    It is read back and verified before it gets its name, so that there is all of it or nothing. Raises
    ReleaseError with what `read` finds, for a place that is taken, or if it is not the dictionary.
    """
    path = path.absolute()
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        fault = Fault(str(path), "is there already, and is not overwritten", "name a new file or folder")
        raise ReleaseError(path.name, [fault])
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as work:
        made = Path(work) / path.name  # by its own name: one that says another version is refused
        put = write_zip if path.suffix.lower() == ".zip" else _write_folder
        put(made, tables_of(dictionary.tables))
        found = read(made)
        if found.digest != dictionary.digest:
            fault = Fault(path.name, f"has the digest {found.digest[:12]}, expected {dictionary.digest[:12]}")
            raise ReleaseError(path.name, [fault], "The tables hold what their format cannot say.")
        os.replace(made, path)
    return found


def tables_of(tables: Tables) -> dict[str, bytes]:
    """The files of MedAscii: name -> bytes."""
    return {f"MedAscii/{t.file}": serialise(t, tables[name]) for name, t in TABLES.items() if name in tables}


def sequential(tables: Tables, previous: Tables | None) -> dict[str, bytes]:
    """The files of SeqAscii: rows that came (A) and went (D) since the version before, numbered.

    The platform does not read them.
    """
    return {
        f"SeqAscii/{name}.seq": _steps(frame, previous.get(name) if previous else None)
        for name, frame in tables.items()
        if name != "meddra_release"
    }


def write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    """Files, by their names, as one zip."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)


def _write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def _steps(frame: pd.DataFrame, previous: pd.DataFrame | None) -> bytes:
    if previous is None:
        return b""
    new, old = lines(frame), lines(previous)
    came, went = set(new) - set(old), set(old) - set(new)
    rows = [f"D${line}" for line in old if line in went] + [f"A${line}" for line in new if line in came]
    return "".join(f"{number}${row}$\r\n" for number, row in enumerate(rows, 1)).encode()
