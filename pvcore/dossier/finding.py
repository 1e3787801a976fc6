"""Something that was measured, as every page shows it: a plot, a table, sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pvcore.dossier.templates import image as source
from pvcore.plain import inert


@dataclass(frozen=True, slots=True)
class Finding:
    """`plot` is an SVG and `alt` says what it shows; `rows` are those of one table, `lines` sentences."""

    title: str
    alt: str
    plot: bytes
    rows: Sequence[Mapping[str, Any]]
    lines: Sequence[str]

    def table(self) -> list[list[str]]:
        """The rows as texts, names of all columns first."""
        heads = list(dict.fromkeys(head for row in self.rows for head in row))
        named = [[head.replace("_", " ") for head in heads]] if heads else []
        return [*named, *([_cell(row.get(head)) for head in heads] for row in self.rows)]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return "-" if value is None else str(value)


def markdown(found: Finding) -> str:
    """A page of the Prefect UI."""
    parts = [f"## {inert(found.title)}", image(found.plot)]
    if table := found.table():
        lines = [table[0], ["---"] * len(table[0]), *([inert(cell) for cell in row] for row in table[1:])]
        parts.append("\n".join(f"| {' | '.join(cells)} |" for cells in lines))
    parts.append("\n".join(f"- {inert(line)}" for line in found.lines))
    return "\n\n".join(parts) + "\n"


def image(svg: bytes, width: int = 640) -> str:
    """A picture that needs no server: inline in markdown."""
    return f'<img width="{width}" src="{source(svg)}"/>'
