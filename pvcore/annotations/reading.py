"""What every reader needs: what it returns, how it collects faults, and how it guards against bad files."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pvcore.errors import BatchError, Fault
from pvcore.records import Annotation, Case

MAX_BYTES = 512 * 2**20
"""The largest file, packed or unpacked, that is held in memory."""
MAX_STREAMED = 64 * 2**30
"""The largest file of a format that is read as a stream."""
HEAD = 2**20
"""Bytes at the beginning of a file that formats are recognised by: a line of JSON with a whole narrative."""
MAX_RATIO = 200
"""The largest ratio of unpacked to packed size of a zip member; text packs about 3 to 20 times."""

ADJUDICATION = "adjudication"
"""As the guideline of an annotation: it settles what other annotators disagree on."""

TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII)
"""When something was said: days and times of ISO 8601, which are in order as texts."""
LLT_CODE = re.compile(r"[0-9]{8}")
MEDDRA_VERSION = re.compile(r"[0-9]{1,2}\.[0-9]")


@dataclass(frozen=True, slots=True)
class Content:
    """What a reader found. `dropped` counts, by reason, what the records cannot express.

    `nullified` are the ids of cases that their sender took back, in order; none of them is among `cases`.
    """

    cases: tuple[Case, ...]
    annotations: tuple[Annotation, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    nullified: tuple[str, ...] = ()


@dataclass(slots=True)
class Findings:
    """Faults and counts as they come up while a file is read; all faults are raised together.

    `nullified` are cases that their sender took back, also where the file holds an earlier version of one.
    """

    source: str
    faults: list[Fault] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    nullified: set[str] = field(default_factory=set)

    def fault(self, where: str, what: str, advice: str = "") -> None:
        self.faults.append(Fault(where, what, advice))

    def drop(self, reason: str, number: int = 1) -> None:
        if number:
            self.dropped[reason] += number

    def gather(self, records: Iterable[tuple[Case, Iterable[Annotation]]]) -> Content:
        """The content of cases as they are read, each with what is said of it; BatchError with every fault."""
        cases: list[Case] = []
        annotations: list[Annotation] = []
        for case, said in records:
            cases.append(case)
            annotations += said
        if self.nullified:
            kept = [case for case in cases if case.case_id not in self.nullified]
            self.drop("earlier version of a nullified case", len(cases) - len(kept))
            cases, annotations = kept, [a for a in annotations if a.case_id not in self.nullified]
        return self.finish(cases, annotations)

    def finish(self, cases: list[Case], annotations: list[Annotation]) -> Content:
        """The content, or BatchError with every fault."""
        if self.faults:
            raise BatchError(self.source, self.faults, "Nothing of this batch was used.")
        dropped, nullified = dict(sorted(self.dropped.items())), tuple(sorted(self.nullified))
        return Content(tuple(cases), tuple(annotations), dropped, nullified)


def refuse(source: str, where: str, what: str, advice: str = "") -> BatchError:
    """The error for a file that cannot be read any further."""
    return BatchError(source, [Fault(where, what, advice)], "Nothing of this batch was used.")


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it arrived. `head` is its beginning, `members` the names in it if it is a zip."""

    name: str
    content: Path | bytes = field(repr=False)
    size: int
    head: bytes = field(repr=False)
    members: tuple[str, ...] = ()

    @staticmethod
    def of(content: str | Path | bytes, name: str | None = None) -> Source:
        """The file at a path, or bytes. Raises BatchError where it cannot be read or is no whole zip."""
        if isinstance(content, str):
            content = Path(content)
        if isinstance(content, Path):
            name = name or content.name
            try:
                size = content.stat().st_size
                with content.open("rb") as file:
                    head = file.read(HEAD)
            except OSError as error:
                raise refuse(name, "file", f"cannot be read: {error.strerror or error}") from error
        else:
            name, size, head = name or "batch", len(content), content[:HEAD]
        source = Source(name, content, size, head)
        if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            return Source(name, content, size, head, _names(source))
        return source

    def open(self) -> BinaryIO:
        """The file from its beginning. Raises BatchError beyond MAX_STREAMED."""
        self._at_most(MAX_STREAMED)
        return self.content.open("rb") if isinstance(self.content, Path) else io.BytesIO(self.content)

    def read(self) -> bytes:
        """All bytes of the file. Raises BatchError beyond MAX_BYTES."""
        self._at_most(MAX_BYTES)
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content

    def _at_most(self, most: int) -> None:
        if self.size > most:
            raise refuse(self.name, "file", f"{self.size} bytes; at most {most} are read", "split the batch")


def _names(source: Source) -> tuple[str, ...]:
    try:
        with source.open() as file, zipfile.ZipFile(file) as archive:
            return tuple(info.filename for info in _files(archive))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise refuse(
            source.name, "zip", f"not a complete zip: {error}", "copy or download the file again"
        ) from error


def _files(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """What somebody packed: neither folders nor what the Finder of macOS adds to a zip and a folder."""
    listed = (info for info in archive.infolist() if not info.is_dir())
    return [
        i for i in listed if not i.filename.startswith("__MACOSX/") and Path(i.filename).name != ".DS_Store"
    ]


def text_of(data: bytes, name: str, where: str = "") -> str:
    """Bytes as UTF-8, with or without a byte-order mark. Raises BatchError with the place."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = f"{where}, byte {error.start}" if where else f"byte {error.start}"
        raise refuse(name, place, "not UTF-8", "save the export as UTF-8") from error


def json_of(text: str, name: str, where: str = "JSON") -> Any:
    """A JSON value; NaN and infinity are none. Raises BatchError with the place."""

    def refuse_constant(constant: str) -> Any:
        raise ValueError(f"{constant} is no JSON")

    try:
        return json.loads(text, parse_constant=refuse_constant)
    except RecursionError as error:
        raise refuse(name, where, "nested too deeply") from error
    except json.JSONDecodeError as error:
        place = where if where != "JSON" else f"line {error.lineno}"
        raise refuse(name, place, f"not complete JSON: {error.msg}", "export again") from error
    except ValueError as error:
        raise refuse(name, where, str(error)) from error


def json_lines(data: bytes, found: Findings, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, object) of each line that is not blank; what is no JSON object becomes a fault."""
    for number, line in enumerate(text_of(data, found.source, where).split("\n"), 1):
        at = f"{where}, line {number}" if where else f"line {number}"
        if not line.strip():
            continue
        try:
            value = json_of(line, found.source, at)
        except BatchError as error:
            found.faults += error.faults
            continue
        if isinstance(value, dict):
            yield at, value
        else:
            found.fault(at, "is no JSON object", "one object a line is expected")


def first_object(head: bytes) -> dict[str, Any]:
    """The object on the first line of a JSON Lines file, or {} for any other file."""
    line = head.lstrip(b"\xef\xbb\xbf \t\r\n").split(b"\n", 1)[0]
    if line[:1] != b"{":
        return {}
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def members(archived: Source) -> dict[str, bytes]:
    """Name -> bytes of every file of a zip, unpacked in memory with bounds on size and ratio.

    Raises BatchError for one that is no zip, truncated, protected, damaged or far too large.
    """
    found: dict[str, bytes] = {}
    faults: list[Fault] = []
    total = 0
    source = archived.name
    try:
        with archived.open() as file, zipfile.ZipFile(file) as archive:
            for info in _files(archive):
                total += info.file_size
                if total > MAX_BYTES or info.file_size > MAX_RATIO * max(info.compress_size, 1):
                    raise refuse(
                        source, info.filename, f"unpacks to {info.file_size} bytes, which is too large"
                    )
                if info.filename in found:
                    faults.append(Fault(info.filename, "stands in the zip twice", "pack it anew"))
                    continue
                if info.flag_bits & 1:
                    faults.append(Fault(info.filename, "is protected by a password", "unpack it first"))
                    continue
                try:
                    found[info.filename] = archive.read(info)
                except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
                    faults.append(
                        Fault(info.filename, f"damaged: {error}", "copy or download the file again")
                    )
                except Exception as error:  # zlib.error and friends have no common base
                    faults.append(
                        Fault(info.filename, f"damaged: {error}", "copy or download the file again")
                    )
    except zipfile.BadZipFile as error:
        raise refuse(
            source, "zip", f"not a complete zip: {error}", "copy or download the file again"
        ) from error
    if faults:
        raise BatchError(source, faults, "Nothing of this batch was used.")
    return found
