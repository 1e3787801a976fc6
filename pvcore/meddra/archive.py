"""The raw tables of a release from a folder or a zip, read in memory: nothing is ever unpacked to disk.

An archive is input from outside: sizes are bounded by what is really read (a header can lie), paths
that leave the archive and names that occur twice are refused, and any damage is a fault, not a crash.
"""

from __future__ import annotations

import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from pvcore.errors import Fault, ReleaseError
from pvcore.meddra.tables import FILES, TABLES

TABLE_BYTES = 32 * 2**20
"""No table of a release comes near this (the largest, mdhier, has about 10 MB)."""
MEMBERS = 20_000
AES = 99
"""The compression method by which a zip marks an AES-encrypted member (WinZip AE-1, AE-2)."""

_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, NotImplementedError,
    ValueError, KeyError, IndexError, OverflowError, TypeError, AttributeError,
)  # fmt: skip
Damage = tuple[type[Exception], ...]

_SEQUENTIAL = re.compile(r"^(seq|medseq)", re.IGNORECASE)


def raw_tables(path: Path, password: str | None) -> dict[str, bytes]:
    """File name (lower case) -> bytes of every known table. Raises ReleaseError."""
    try:
        if path.is_dir():
            return _from_folder(path)
        if not path.is_file():
            raise ReleaseError(str(path), [Fault(path.name, "no such file or folder")])
        with zipfile.ZipFile(path) as archive:
            if not any(info.compress_type == AES for info in archive.infolist()):
                return _from_zip(path, archive, password, _DAMAGE)
        return _from_aes(path, password)
    except _DAMAGE as error:
        raise _unreadable(path, error) from error


def _from_folder(path: Path) -> dict[str, bytes]:
    found = {
        PurePosixPath(file.relative_to(path).as_posix()): file
        for file in sorted(path.rglob("*"))
        if file.name.lower() in FILES and file.is_file()
    }
    openers = {name: partial(file.open, "rb") for name, file in _choose(path, found).items()}
    return _read_all(path, openers, _DAMAGE, "take the file again")


def _from_aes(path: Path, password: str | None) -> dict[str, bytes]:
    """The same with AES decryption, which the standard library does not have."""
    import pyzipper  # has its own copy of the zip module, and with it of the exception

    damage = (*_DAMAGE, pyzipper.BadZipFile)
    try:
        with pyzipper.AESZipFile(path) as archive:
            return _from_zip(path, archive, password, damage)
    except pyzipper.BadZipFile as error:
        raise _unreadable(path, error) from error


def _from_zip(path: Path, archive: Any, password: str | None, damage: Damage) -> dict[str, bytes]:
    infos = archive.infolist()
    _check_members(path, infos)
    found = {
        name: info
        for name, info in ((_place(info.filename), info) for info in infos)
        if name.name.lower() in FILES and not info.is_dir()
    }
    if not found and any(info.filename.lower().endswith(".zip") for info in infos):
        fault = Fault(path.name, "a zip of zips", "give the zip of one release in one language")
        raise ReleaseError(path.name, [fault])
    chosen = _choose(path, found)
    protected = [info for info in chosen.values() if info.flag_bits & 1]
    if protected and not password:
        advice = "set PV_MEDDRA_PASSWORD in the environment"
        raise ReleaseError(path.name, [Fault(path.name, "protected by a password", advice)])
    secret = _fitting(archive, protected, password, damage) if password and protected else None
    openers = {name: partial(archive.open, info, pwd=secret) for name, info in chosen.items()}
    again = "take the file again"
    advice = f"add this version's password to PV_MEDDRA_PASSWORD, or {again}" if protected else again
    return _read_all(path, openers, damage, advice)


def _place(name: str) -> PurePosixPath:
    """Where a member lies. Windows PowerShell 5 writes backslashes, against the rules of the format."""
    return PurePosixPath(name.replace("\\", "/"))


def _fitting(archive: Any, protected: list[Any], password: str, damage: Damage) -> bytes:
    """The one of several passwords that opens the smallest table; where none does, what reading then fails with.

    Each version of MedDRA has a password of its own, and an update reads two versions.
    """
    smallest = min(protected, key=lambda info: info.file_size)
    wrong: Damage = (RuntimeError, *damage)
    for given in dict.fromkeys([password, *password.split()]):
        try:
            with archive.open(smallest, pwd=given.encode()) as stream:
                stream.read(TABLE_BYTES + 1)
        except wrong:
            continue
        return given.encode()
    return password.encode()


def _read_all(
    path: Path, openers: Mapping[str, Callable[[], Any]], damage: Damage, advice: str
) -> dict[str, bytes]:
    """The bytes behind every opener, each read up to the bound. Raises ReleaseError with all that fail."""
    tables: dict[str, bytes] = {}
    faults: list[Fault] = []
    for name, opener in openers.items():
        try:
            with opener() as stream:
                tables[name] = stream.read(TABLE_BYTES + 1)
        except RuntimeError as error:  # what both zip libraries raise for a wrong password
            faults.append(Fault(name, f"cannot be opened: {error}", advice))
        except damage as error:
            faults.append(Fault(name, f"cannot be read: {error or type(error).__name__}", advice))
        else:
            if len(tables[name]) > TABLE_BYTES:
                faults.append(Fault(name, f"more than {TABLE_BYTES} bytes, which no table of a release has"))
    if faults:
        raise ReleaseError(path.name, faults)
    return tables


def _check_members(path: Path, infos: list[Any]) -> None:
    faults = []
    if len(infos) > MEMBERS:
        faults.append(Fault(path.name, f"{len(infos)} files, a release has some dozens"))
    seen: set[str] = set()
    for info in infos:
        name = info.filename
        if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or re.match(r"^[A-Za-z]:", name):
            faults.append(
                Fault(repr(name), "a path that leaves the archive", "take the file again from its source")
            )
        if str(_place(name)).lower() in seen:
            faults.append(Fault(repr(name), "is there twice", "take the file again from its source"))
        seen.add(str(_place(name)).lower())
    if faults:
        raise ReleaseError(path.name, faults)


def _choose(path: Path, found: dict[PurePosixPath, Any]) -> dict[str, Any]:
    """The one folder that holds the tables: not the sequential one, which has the same file names."""
    folders: dict[PurePosixPath, dict[str, Any]] = {}
    faults: list[Fault] = []
    for name, value in found.items():
        if _is_sequential(name.parent.parts):
            continue
        tables = folders.setdefault(name.parent, {})
        if name.name.lower() in tables:
            faults.append(Fault(str(name), "is there twice, in upper and lower case"))
        tables[name.name.lower()] = value
    whole = {folder: tables for folder, tables in folders.items() if "llt.asc" in tables} or folders
    if len(whole) > 1:
        where = ", ".join(sorted(str(folder) for folder in whole))
        faults.append(
            Fault(path.name, f"tables in several folders: {where}", "give the folder of one release")
        )
    if not whole:
        faults.append(
            Fault(path.name, "no MedDRA table found (llt.asc, pt.asc, ...)", "give the MedAscii folder")
        )
    chosen = next(iter(whole.values()), {})
    if whole:
        faults += _missing(chosen)
    if faults:
        raise ReleaseError(path.name, faults)
    return chosen


def _is_sequential(parts: Iterable[str]) -> bool:
    return any(_SEQUENTIAL.match(part) for part in parts)


def _missing(chosen: dict[str, Any]) -> list[Fault]:
    return [
        Fault(table.file, "the table is missing", "take the release again")
        for table in TABLES.values()
        if table.required and table.file not in chosen
    ]


def _unreadable(path: Path, error: Exception) -> ReleaseError:
    return ReleaseError(path.name, [Fault(path.name, f"cannot be read: {error}", "take the file again")])
