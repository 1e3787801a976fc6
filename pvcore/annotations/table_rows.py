"""The cells of a CSV or Parquet file as texts, by column."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pvcore.annotations.reading import MAX_BYTES, Findings
from pvcore.annotations.spreadsheet import unguarded
from pvcore.annotations.table_mapping import DELIMITERS, TableMapping

PARQUET = b"PAR1"


@dataclass(frozen=True, slots=True)
class Rows:
    """Column -> cells, "" where there is nothing; `places` names the place of a row in the file."""

    columns: Mapping[str, list[str]]
    number: int
    places: Callable[[int], str]


def delimiter_of(head: bytes, *names: str) -> str | None:
    """What a CSV with columns of these names has between them; None for any other file."""
    return next((d for d in DELIMITERS if set(names) <= set(header_of(head, d))), None)


def header_of(head: bytes, delimiter: str) -> list[str]:
    """The names in the first line of a CSV file; [] for what is none."""
    try:
        line = head.split(b"\n", 1)[0].decode("utf-8-sig").strip()
        return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
    except (UnicodeDecodeError, csv.Error):
        return []


def rows_of(data: bytes, name: str, mapping: TableMapping, found: Findings) -> Rows | None:
    """The cells of a table; None, and faults, where it cannot be read."""
    return _parquet(data, name, found) if data[:4] == PARQUET else _csv(data, name, mapping, found)


def _csv(data: bytes, name: str, mapping: TableMapping, found: Findings) -> Rows | None:
    try:
        text = data.decode("utf-8-sig" if mapping.encoding.lower() in ("utf-8", "utf8") else mapping.encoding)
    except (UnicodeError, LookupError) as error:
        found.fault(
            name,
            f"not {mapping.encoding}: {error}"[:200],
            "say the `encoding` in the mapping, or save as UTF-8",
        )
        return None
    if "\0" in text:
        found.fault(name, "holds NUL characters", "save it as CSV in UTF-8")
        return None
    csv.field_size_limit(MAX_BYTES)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mapping.delimiter, strict=True)
    lines: list[int] = []
    rows: list[list[str]] = []
    try:
        header = [column.strip() for column in next(reader, [])]
        for row in reader:
            if not any(map(str.strip, row)):
                continue  # a spreadsheet keeps rows that were emptied
            if len(row) == len(header):
                rows.append(row)
                lines.append(reader.line_num)
            else:
                found.fault(f"{name}, line {reader.line_num}", f"{len(row)} cells under {len(header)} columns",
                            "cells that hold the delimiter or a line's end must be quoted")  # fmt: skip
    except csv.Error as error:
        found.fault(f"{name}, line {reader.line_num}", f"not readable as CSV: {error}", "export again")
        return None
    used = {i: column for i, column in enumerate(header) if column or any(row[i].strip() for row in rows)}
    for column in sorted(column for column, number in Counter(used.values()).items() if number > 1):
        found.fault(name, f"two columns named {column!r}", "give each its own name")
    columns = {column: [unguarded(row[i]) for row in rows] for i, column in used.items()}
    return Rows(columns, len(rows), lambda number: f"line {lines[number]}")


def _parquet(data: bytes, name: str, found: Findings) -> Rows | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(data))
        shape = file.metadata
        size = sum(shape.row_group(i).total_byte_size for i in range(shape.num_row_groups))
        if size > MAX_BYTES:
            found.fault(name, f"unpacks to {size} bytes; at most {MAX_BYTES} are read", "split the batch")
            return None
        table = file.read()
        columns = {column: [cell(v) for v in table[column].to_pylist()] for column in table.column_names}
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError) as error:
        found.fault(name, f"not readable as Parquet: {' '.join(str(error).split())[:200]}", "export again")
        return None
    return Rows(columns, table.num_rows, lambda number: f"row {number + 1}")


def cell(value: Any) -> str:
    """A value of Parquet as the text that a CSV file would hold."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | decimal.Decimal) and value == int(value):
        return str(int(value))
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)
