"""Zips from outside: protected ones open with their password, hostile ones are refused."""

from __future__ import annotations

import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import pyzipper

from pvcore.cycle.inbox import looks_like_release
from pvcore.errors import ReleaseError
from pvcore.meddra import archive
from pvcore.meddra.generate import Truth
from pvcore.meddra.release import read

SECRET = "Geheim-42"
Files = Mapping[str, bytes]
Write = Callable[..., Path]


def aes(files: Files, path: Path) -> Path:
    with pyzipper.AESZipFile(
        path, "w", compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES
    ) as target:
        target.setpassword(SECRET.encode())
        for name, data in files.items():
            target.writestr(f"MedAscii/{name}", data)
    return path


def zipcrypto(files: Files, path: Path) -> Path:
    """The old encryption (APPNOTE 6.1), which no Python library writes."""
    body, directory = b"", b""
    for name, data in files.items():
        crc, filename = zlib.crc32(data), f"MedAscii/{name}".encode()
        packed = zlib.compress(data)[2:-4]  # raw deflate
        secret = _encrypt(bytes(11) + bytes([crc >> 24]) + packed)
        common = struct.pack("<HHHHHIIIHH", 20, 1, 8, 0, 0x21, crc, len(secret), len(data), len(filename), 0)
        directory += (
            b"PK\1\2"
            + struct.pack("<H", 20)
            + common
            + struct.pack("<HHHII", 0, 0, 0, 0, len(body))
            + filename
        )
        body += b"PK\3\4" + common + filename + secret
    end = struct.pack("<HHHHIIH", 0, 0, len(files), len(files), len(directory), len(body), 0)
    path.write_bytes(body + directory + b"PK\5\6" + end)
    return path


def _encrypt(data: bytes) -> bytes:
    keys = [0x12345678, 0x23456789, 0x34567890]
    table = [_crc_entry(i) for i in range(256)]

    def update(byte: int) -> None:
        keys[0] = (keys[0] >> 8) ^ table[(keys[0] ^ byte) & 255]
        keys[1] = ((keys[1] + (keys[0] & 255)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = (keys[2] >> 8) ^ table[(keys[2] ^ (keys[1] >> 24)) & 255]

    for byte in SECRET.encode():
        update(byte)
    result = bytearray()
    for byte in data:
        mix = (keys[2] | 2) & 0xFFFF
        result.append(byte ^ ((mix * (mix ^ 1)) >> 8 & 255))
        update(byte)
    return bytes(result)


def _crc_entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ 0xEDB88320 if value & 1 else value >> 1
    return value


@pytest.mark.parametrize("protect", [aes, zipcrypto])
def test_a_protected_zip(
    protect: Callable[[Files, Path], Path], first: Truth, files: Files, tmp_path: Path
) -> None:
    path = protect(files, tmp_path / "MedDRA_28_1_English.zip")
    assert read(path, password=SECRET).digest == first.dictionary.digest
    with pytest.raises(ReleaseError, match="protected by a password"):
        read(path)
    with pytest.raises(ReleaseError, match="PV_MEDDRA_PASSWORD") as caught:
        read(path, password="another one")
    assert "another one" not in str(caught.value)
    # each version has a password of its own, and an update reads two versions
    assert read(path, password=f"of-28.0 {SECRET}\nof-29.0").digest == first.dictionary.digest


def test_a_password_with_a_blank_in_it(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "SECRET", "two words")
    assert read(aes(files, tmp_path / "MedDRA_28_1_English.zip"), password="two words").version == "28.1"


@pytest.mark.parametrize("protect", [aes, zipcrypto])
def test_a_damaged_protected_zip(
    protect: Callable[[Files, Path], Path], files: Files, tmp_path: Path
) -> None:
    """Every eighth part of the file in turn is overwritten; none may be read, or crash."""
    whole = protect(files, tmp_path / "whole.zip").read_bytes()
    for part in range(8):
        content = bytearray(whole)
        start = part * len(whole) // 8
        content[start : start + 40] = bytes(40)
        (tmp_path / "damaged.zip").write_bytes(content)
        with pytest.raises(ReleaseError):
            read(tmp_path / "damaged.zip", password=SECRET)
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReleaseError):
        read(tmp_path / "cut.zip", password=SECRET)


def test_a_password_is_no_harm_to_a_zip_without(first: Truth) -> None:
    assert read(first.archive, password=SECRET).version == "28.1"


@pytest.mark.parametrize(
    "name", ["../llt.asc", "/etc/llt.asc", "a/../../llt.asc", "C:\\llt.asc", "..\\llt.asc"]
)
def test_paths_that_leave_the_archive(name: str, first: Truth, tmp_path: Path) -> None:
    path = tmp_path / "release.zip"
    path.write_bytes(first.archive.read_bytes())
    with zipfile.ZipFile(path, "a") as target:
        target.writestr(name, b"x")
    with pytest.raises(ReleaseError, match="leaves the archive"):
        read(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_table_that_is_there_twice(first: Truth, tmp_path: Path) -> None:
    path = tmp_path / "release.zip"
    path.write_bytes(first.archive.read_bytes())
    with zipfile.ZipFile(path, "a") as target:
        target.writestr("MedAscii/LLT.ASC", b"x")
    with pytest.raises(ReleaseError, match="is there twice"):
        read(path)


def test_a_zip_with_backslashes(first: Truth, files: Files, tmp_path: Path) -> None:
    """As Compress-Archive of Windows PowerShell 5 writes one."""
    path = tmp_path / "MedDRA_28_1_English.zip"
    with zipfile.ZipFile(path, "w") as target:
        for name, data in files.items():
            target.writestr(f"MedDRA\\MedAscii\\{name}", data)
    assert read(path).digest == first.dictionary.digest and looks_like_release(path)
    with zipfile.ZipFile(path, "a") as target:
        target.writestr("MedDRA/MedAscii/llt.asc", b"x")
    with pytest.raises(ReleaseError, match="is there twice"):
        read(path)


def test_a_zip_of_zips_is_told_so(first: Truth, tmp_path: Path) -> None:
    path = tmp_path / "MedDRA_28_1_all.zip"
    with zipfile.ZipFile(path, "w") as target:
        target.write(first.archive, first.archive.name)
    assert looks_like_release(path)
    with pytest.raises(ReleaseError, match=r"a zip of zips \(give the zip of one release"):
        read(path)


def test_a_bomb_is_not_unpacked(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "TABLE_BYTES", 2**20)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in files.items():
            target.writestr(name, bytes(2**24) if name == "llt.asc" else data)
    with pytest.raises(ReleaseError, match=r"llt\.asc: more than 1048576 bytes"):
        read(path)


def test_too_many_rows(files: Files, write: Write) -> None:
    with pytest.raises(ReleaseError, match=r"600000 rows"):
        read(write({**files, "llt.asc": b"\n" * 600_000}))


def test_two_releases_in_one_folder(files: Files, write: Write) -> None:
    write(files, "MedDRA_28_0")
    with pytest.raises(ReleaseError, match="tables in several folders"):
        read(write(files, "MedDRA_28_1"))


def test_missing_tables_are_all_named(files: Files, write: Write) -> None:
    kept = {name: data for name, data in files.items() if name not in ("pt.asc", "mdhier.asc")}
    with pytest.raises(ReleaseError) as caught:
        read(write(kept))
    assert [fault.where for fault in caught.value.faults] == ["pt.asc", "mdhier.asc"]


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\5\6" + bytes(18), b"not a zip at all" * 100])
def test_what_is_no_release(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "MedDRA_28_1_English.zip"
    path.write_bytes(content)
    with pytest.raises(ReleaseError):
        read(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no such file"):
        read(tmp_path / "absent.zip")
    with pytest.raises(ReleaseError, match="no MedDRA table found"):
        read(tmp_path)
