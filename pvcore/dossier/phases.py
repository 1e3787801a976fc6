"""The plot of a problem's phases: how the score grew with the annotations that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pvcore.dossier.plots import BLUE, FAINT, INK, Format, drawn
from pvcore.evaluation.curve import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def phase_plot(
    scores: Sequence[tuple[int, int, Interval]],
    metric: str,
    *,
    target: float | None = None,
    format: Format = "svg",
) -> bytes:
    """The score of each phase (number, rows that its version learned from, score) with its interval, over the rows.

    An interval of resamples may lie beside its value (macro F1 of many rare labels): it is drawn as far as the value.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.grid(color=FAINT)
        axes.set_axisbelow(True)
        rows = [size for _, size, _ in scores]
        values = [score.value for *_, score in scores]
        below = [max(0.0, score.value - score.low) for *_, score in scores]
        above = [max(0.0, score.high - score.value) for *_, score in scores]
        axes.errorbar(rows, values, yerr=[below, above], color=BLUE, marker="o", markersize=5, capsize=3)
        for number, size, score in scores:
            axes.annotate(
                f"phase {number}", (size, score.high), (0, 5), textcoords="offset points", ha="center"
            )
        if target is not None:
            axes.axhline(target, color=INK, linestyle="--", linewidth=1, label=f"target {target:g}")
            axes.legend(loc="lower right", frameon=False)
        axes.margins(x=0.1, y=0.2)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_xlabel("annotated examples")
        axes.set_ylabel(metric.replace("_", " "))

    return drawn(draw, 3.2, format)
