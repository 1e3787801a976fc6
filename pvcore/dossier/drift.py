"""The plot of drift: every rate that was compared, held out and now, and the mix of answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pvcore.advice.drift import ANSWER
from pvcore.dossier.plots import BLUE, GREY, STYLES, Format, drawn, named_rows, whisker
from pvcore.evaluation.report import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DRIFTED, MARKER, _ = STYLES["fail"]
STATES = (("held out", GREY, "s"), ("now", BLUE, "o"), ("now, drifted", DRIFTED, MARKER))


def drift_plot(signals: Sequence[Mapping[str, Any]], *, format: Format = "svg") -> bytes:
    """Each signal (JSON of `advice.drift.Signal`) then and now with its interval; answers in a panel of their own."""
    answers = [s for s in signals if s["name"].startswith(ANSWER)]
    rates = [s for s in signals if s not in answers]
    panels = [(title, of) for title, of in (("Rates", rates), ("Mix of answers", answers)) if of]

    def draw(figure: Figure) -> None:
        if not panels:
            figure.text(0.5, 0.5, "nothing was answered: no rate to compare", ha="center")
            return
        heights = [len(of) + 1 for _, of in panels]
        grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, (title, of) in zip(grid, panels, strict=True):
            _panel(axes, title, of)
        for name, colour, marker in STATES:
            grid[0].plot([], [], color=colour, marker=marker, label=name)
        grid[0].legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0.2)
        grid[-1].set_xlabel("share (of confidence: mean), 95% interval")

    return drawn(draw, 0.8 + 0.55 * len(panels) + 0.36 * len(signals), format)


def _panel(axes: Axes, title: str, signals: Sequence[Mapping[str, Any]]) -> None:
    for number, signal in enumerate(signals):
        _, colour, marker = STATES[2 if signal["drifted"] else 1]
        whisker(axes, number - 0.14, Estimate(**signal["before"], error=None), *STATES[0][1:])
        whisker(axes, number + 0.14, Estimate(**signal["now"], error=None), colour, marker)
    named_rows(axes, [signal["name"].removeprefix(ANSWER) for signal in signals])
    axes.set_title(title, loc="left", fontsize=9.5, fontweight="bold")
