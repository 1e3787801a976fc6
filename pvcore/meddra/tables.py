"""The tables of a MedDRA release: their columns, and how one table becomes bytes and comes back.

Source: the `dist_file_format_*` document of a release. Fields are separated by `$`, without header or
quotes; most lines end in one more `$`, which gives one empty last field. Columns that the format keeps
for other terminologies (WHO-ART, HARTS, COSTART, ICD) are empty since version 15.0.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from pvcore.errors import Fault
from pvcore.meddra.columns import TEXT, joined, to_frame

UTF8 = "UTF-8"
LATIN = "ISO-8859-15"
BEYOND_LATIN = frozenset({
    "arabic", "bulgarian", "chinese", "croatian", "czech", "greek", "hebrew", "hungarian", "japanese",
    "korean", "latvian", "lithuanian", "maltese", "polish", "romanian", "russian", "serbian", "slovak",
    "slovenian", "turkish", "ukrainian",
})  # fmt: skip
"""Languages that LATIN has not the letters for: bytes in another 8-bit encoding would decode to other letters."""

ROWS = 500_000
"""More than any table has (LLTs are about 90,000); bounds the memory that a hostile file can take."""

_LEGACY = ("whoart_code", "harts_code", "costart_sym", "icd9_code", "icd9cm_code", "icd10_code")


@dataclass(frozen=True, slots=True)
class Table:
    """One file of a release. `least` is the number of columns that must be there; the rest may be cut."""

    name: str
    columns: tuple[str, ...]
    required: bool = True
    least: int = 0

    @property
    def file(self) -> str:
        return f"{self.name}.asc"


def _group(level: str, *extra: str) -> tuple[str, ...]:
    return (f"{level}_code", f"{level}_name", *extra, *(f"{level}_{c}" for c in (*_LEGACY, "jart_code")))


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "llt",
            (
                "llt_code",
                "llt_name",
                "pt_code",
                *(f"llt_{c}" for c in _LEGACY),
                "llt_currency",
                "llt_jart_code",
            ),
        ),
        Table("pt", _group("pt", "null_field", "pt_soc_code")),
        Table("hlt", _group("hlt")),
        Table("hlgt", _group("hlgt")),
        Table("soc", _group("soc", "soc_abbrev")),
        Table("hlt_pt", ("hlt_code", "pt_code")),
        Table("hlgt_hlt", ("hlgt_code", "hlt_code")),
        Table("soc_hlgt", ("soc_code", "hlgt_code")),
        Table(
            "mdhier",
            (
                *(f"{level}_code" for level in ("pt", "hlt", "hlgt", "soc")),
                *(f"{level}_name" for level in ("pt", "hlt", "hlgt", "soc")),
                "soc_abbrev",
                "null_field",
                "pt_soc_code",
                "primary_soc_fg",
            ),
        ),
        Table("intl_ord", ("intl_ord_code", "soc_code"), required=False),
        Table(
            "smq_list",
            (
                "smq_code",
                "smq_name",
                "smq_level",
                "smq_description",
                "smq_source",
                "smq_note",
                "MedDRA_version",
                "status",
                "smq_algorithm",
            ),
            required=False,
        ),
        Table(
            "smq_content",
            (
                "smq_code",
                "term_code",
                "term_level",
                "term_scope",
                "term_category",
                "term_weight",
                "term_status",
                "term_addition_version",
                "term_last_modified_version",
            ),
            required=False,
        ),
        Table(
            "meddra_release", ("version", "language", "null_field_1", "null_field_2", "null_field_3"), least=2
        ),
    )
}
FILES: dict[str, Table] = {table.file: table for table in TABLES.values()}

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd]")
_CONTROL_BYTES = bytes([*range(0x09), *range(0x0B, 0x20), 0x7F])
_CONTROL_UTF8 = re.compile(rb"\xc2[\x80-\x9f]|\xef\xbf\xbd")


def decode(raw: Mapping[str, bytes]) -> tuple[dict[str, str], str, list[Fault]]:
    """Texts of all tables, the encoding of the whole release, and the lines that do not fit it.

    UTF-8 if every table is; else ISO-8859-15, as older Western releases are. Bytes that decode in one
    are mojibake in the other, so a release that has lines of both kinds is refused, not guessed. So is, by
    `release.read`, one in a language of BEYOND_LATIN that is not UTF-8.
    """
    faults: list[Fault] = []
    utf8: dict[str, str] = {}
    broken: list[str] = []
    for name, data in raw.items():
        try:
            utf8[name] = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            broken.append(name)
    if not broken:
        return utf8, UTF8, faults
    lines = {
        name: [(n, line) for n, line in enumerate(data.split(b"\n"), 1) if not line.isascii()]
        for name, data in raw.items()
    }
    bad = [(name, n) for name in raw for n, line in lines[name] if not _is_utf8(line)]
    good = sum(len(found) for found in lines.values()) - len(bad)
    if good:
        faults += [
            Fault(
                f"{name}, row {n}", "not UTF-8, though other rows of the release are", "take the file again"
            )
            for name, n in bad
        ]
    return {name: data.decode("iso-8859-15") for name, data in raw.items()}, LATIN, faults


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def parse(table: Table, text: str) -> tuple[pd.DataFrame, list[Fault]]:
    """The table's rows as text columns, and every line that does not have its fields.

    Row n of a fault is line n of the file. Lines that are refused are left out of the frame.
    """
    frame = _whole(table, text)
    return _by_line(table, text) if frame is None else (frame, [])


def _whole(table: Table, text: str) -> pd.DataFrame | None:
    """The rows by Arrow's reader, thirty times as fast as line by line; None if any line needs a look."""
    given = text.encode()
    data = given.translate(None, _CONTROL_BYTES)
    removed = len(given) - len(data)
    if removed and removed != given.count(b"\r\n"):
        return None
    if not data.isascii() and (data.startswith(b"\xef\xbb\xbf") or _CONTROL_UTF8.search(data)):
        return None  # Arrow would take another byte order mark for one
    width = io.BytesIO(data).readline().count(b"$") + 1
    columns = [*table.columns, ""][:width]  # the last for what is behind the trailing `$`
    try:
        read = csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(use_threads=False, column_names=columns, block_size=len(data) + 1),
            csv.ParseOptions(delimiter="$", quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(column_types=dict.fromkeys(columns, TEXT)),
        )
    except pa.ArrowInvalid:  # a line with more or fewer fields than the first
        return None
    return _framed(table, read)


def _framed(table: Table, read: pa.Table) -> pd.DataFrame | None:
    """The frame of what Arrow read; None if a column is missing or there is something behind the last one."""
    width = len(table.columns)
    if read.num_columns < width or read.num_rows > ROWS or pc.any(pc.equal(read[0], "")).as_py():
        return None  # an empty first field may be an empty line
    if any(pc.any(pc.not_equal(read[behind], "")).as_py() for behind in range(width, read.num_columns)):
        return None
    return to_frame(read.select(list(table.columns)))


def _by_line(table: Table, text: str) -> tuple[pd.DataFrame, list[Fault]]:
    given = text.split("\n")
    if given and given[-1] in ("", "\x1a"):  # a final newline (and the end mark of old DOS tools)
        given.pop()
    if len(given) > ROWS:
        what = f"{len(given)} rows, which no table of a release has"
        return _frame(table, []), [Fault(table.file, what, "take the file again")]
    rows: list[list[str]] = []
    faults: list[Fault] = []
    for number, line in enumerate(given, 1):
        line = line.removesuffix("\r")
        fields = _fields(table, line)
        if len(fields) == len(table.columns):
            rows.append(fields)
        else:
            what = f"{line.count('$') + 1} fields, expected {len(table.columns)}"
            faults.append(Fault(f"{table.file}, row {number}", what, "the file may be truncated"))
        if _CONTROL.search(line):
            what = "a control or undecodable character"
            faults.append(Fault(f"{table.file}, row {number}", what, "the file is damaged"))
    if table.required and not given:
        faults.append(Fault(table.file, "the table is empty", "take the file again"))
    return _frame(table, rows), faults


def _fields(table: Table, line: str) -> list[str]:
    """The fields of a line without what is empty behind the last; columns that may be cut are filled up."""
    width = len(table.columns)
    fields = line.split("$", width)
    if len(fields) > width and not fields[width].strip("$"):  # the trailing `$`
        return fields[:width]
    if table.least and table.least <= len(fields) < width:
        return fields + [""] * (width - len(fields))
    return fields


def _frame(table: Table, rows: list[list[str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(table.columns), dtype="str")


def serialise(table: Table, frame: pd.DataFrame) -> bytes:
    """The table as the maintenance organisation writes it: UTF-8, CRLF, a trailing `$`."""
    body = "\r\n".join(line + "$" for line in lines(frame[list(table.columns)]))
    final = "" if table.name == "meddra_release" or not body else "\r\n"
    return (body + final).encode()


def lines(frame: pd.DataFrame) -> list[str]:
    """Every row of a frame of text as fields joined by `$`."""
    return joined(frame, "$").to_pylist()
