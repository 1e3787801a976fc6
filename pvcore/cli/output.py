"""What `pv` prints: a table for a person, JSON for a program, and never a traceback for what a user can cause."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


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


def emit_json(value: Any) -> None:
    """Print one JSON document to stdout, undisturbed by colours or widths."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


def text(value: Any) -> str:
    """A cell: None as a dash, floats with three decimals, lists joined."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list | tuple):
        return ", ".join(text(item) for item in value)
    return str(value).replace("[", r"\[")
