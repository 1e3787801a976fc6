"""The plot of candidate bases: what each scored, beside the time and the memory that it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pvcore.dossier.plots import BLUE, FAINT, GREY, Format, drawn, named_rows, whisker
from pvcore.evaluation.report import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST = 34
"""Letters of a base's name; of a path its end is shown."""


def bases_plot(rows: Sequence[Mapping[str, Any]], *, format: Format = "svg") -> bytes:
    """A row a base and size, in the order of `rows` (see `cycle.compared.compare`); the first base in grey.

    Bases that cannot be used have no row. What is not defined on so few rows, or was not recorded, is left empty.
    """
    shown = [row for row in rows if "unusable" not in row]

    def draw(figure: Figure) -> None:
        if not shown:
            figure.text(0.5, 0.5, "no base could be used", ha="center")
            return
        score, seconds, memory = figure.subplots(1, 3, sharey=True, width_ratios=(3, 1, 1))
        colours = [GREY if row["base"] == shown[0]["base"] else BLUE for row in shown]
        for number, (row, colour) in enumerate(zip(shown, colours, strict=True)):
            whisker(
                score, number, Estimate(**row["score"], error=None), colour, "s" if colour == GREY else "o"
            )
        score.set_xlabel(f"{shown[0]['metric'].replace('_', ' ')}, 95% interval")
        _bars(seconds, [row["seconds"] for row in shown], colours, "seconds")
        _bars(memory, [(row["peak_bytes"] or 0) / 1e9 for row in shown], colours, "memory, GB")
        named_rows(score, [f"{_short(row['base'])}, {row['rows']:,} rows" for row in shown])

    return drawn(draw, 0.9 + 0.34 * len(shown), format)


def _bars(axes: Axes, values: Sequence[float], colours: Sequence[str], label: str) -> None:
    axes.grid(axis="x", color=FAINT)
    axes.set_axisbelow(True)
    axes.barh(range(len(values)), values, height=0.5, color=colours)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(label)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else "…" + name[1 - LONGEST :]
