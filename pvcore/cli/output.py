"""What `pv` prints and writes: a table for a person, JSON for a program, no traceback for what a user can cause."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text

from pvcore.plain import CONTROL, block

WIDE = 1000
"""Columns of what is no terminal. Some texts have 20,000 characters, and every row is as wide as the widest."""
VERSIONS = ("version", "champion", "decision", "parent", "registered", "digest")
"""What a table of versions shows; digests of adapter and specification are in JSON, and in `pv registry show`."""


class Terminal(Console):
    """A console whose texts move no cursor and set no title: much of what is printed came from outside.

    A file or a pipe takes a row as one line, so that it can be searched, up to WIDE; with COLUMNS that wide.
    """

    @property
    def options(self) -> ConsoleOptions:
        found = super().options
        return found if self.is_terminal or "COLUMNS" in os.environ else found.update(width=WIDE)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(block(text), **options)


console = Terminal(highlight=False, soft_wrap=True, emoji=False)
errors = Terminal(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def emit(
    rows: Sequence[Mapping[str, Any]], *, as_json: bool, title: str = "", columns: Iterable[str] = ()
) -> None:
    """Print rows as one JSON list or as a table with `columns` (default: the keys of the first row)."""
    if as_json:
        emit_json(list(rows))
        return
    names = list(columns) or list(rows[0] if rows else ())
    table = Table(title=title or None, title_justify="left")
    for name in names:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(text(row.get(name)) for name in names))
    console.print(table if rows else f"{title or 'Result'}: nothing")


def emit_fields(fields: Mapping[str, Any]) -> None:
    """Print one record: a line a field, a table where the field is a list of records."""
    for name, value in fields.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            emit(value, as_json=False, title=name)
        else:
            console.print(f"{name:15} {'-' if value is None else value}", markup=False)


def emit_json(value: Any) -> None:
    """Print one JSON document to stdout, undisturbed by colours or widths."""
    said = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    # JSON itself escapes the first 32 only; its own line ends stay.
    sys.stdout.write(CONTROL.sub(lambda c: c[0] if c[0] == "\n" else f"\\u{ord(c[0]):04x}", said) + "\n")


def write_whole(path: Path, content: str) -> None:
    """Write a file of text: all of it, or what was there stays."""
    target = path.resolve()
    work = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        work.write_text(content, encoding="utf-8")
        os.replace(work, target)
    finally:
        work.unlink(missing_ok=True)


def text(value: Any) -> str:
    """A cell: None as a dash, floats with three decimals, lists joined."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list | tuple):
        return ", ".join(text(item) for item in value)
    return str(value).replace("[", r"\[")
