"""Plots of the dossier and of the Prefect artifacts; the same values give the same bytes.

Colours are Okabe and Ito's, told apart by colour-blind readers, and every state has its own marker.
Figures are made without pyplot, which keeps every figure it made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from pvcore.evaluation.checks import Check
from pvcore.evaluation.criteria import is_of_one
from pvcore.evaluation.gate import Decision
from pvcore.evaluation.reliability import Reliability
from pvcore.evaluation.report import Estimate, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Format = Literal["svg", "png"]
BLUE, GREY, INK, FAINT = "#0072B2", "#8a8f98", "#1f2933", "#e4e7eb"
STYLES = {
    "pass": ("#00795c", "o", "pass"),
    "inconclusive": ("#b36b00", "D", "inconclusive"),
    "fail": ("#c0392b", "X", "fail"),
}
DRAWING = Lock()
"""matplotlib's settings are global: two threads that set them at once take each other's."""
WIDTH = 8.6
"""Inches; the page is as wide."""
FORBIDDEN = "#f4dfdc"
RC: Any = {
    "svg.hashsalt": "pv",  # matplotlib's ids are random without it
    "svg.fonttype": "path",  # looks the same on every machine
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": GREY,
}


def training_curve(curve: Sequence[tuple[int, float]], *, format: Format = "svg") -> bytes:
    """The training loss by step: every step faint, their running mean bold."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        steps, losses = [step for step, _ in curve], [loss for _, loss in curve]
        axes.grid(axis="y", color=FAINT)
        axes.set_axisbelow(True)
        if not curve:
            axes.text(0.5, 0.5, "no training step was recorded", ha="center", transform=axes.transAxes)
        else:
            axes.plot(steps, losses, color=BLUE, alpha=0.3, linewidth=1, label="each step")
            window = max(1, len(losses) // 12)
            smooth = _running_mean(losses, window)
            axes.plot(steps, smooth, color=BLUE, linewidth=2, label=f"mean of {window}")
            axes.set_ylim(bottom=0)
            axes.legend(frameon=False, loc="upper right")
        axes.set_xlabel("training step")
        axes.set_ylabel("loss")

    return drawn(draw, 2.6, format)


def gate_intervals(decision: Decision, *, format: Format = "svg") -> bytes:
    """Every check that has an interval, beside the threshold it was held against.

    The tinted part of a row is what the policy does not accept: an interval that stays out of it
    passes, one that lies in it fails, one that reaches into it does not tell.
    """
    shown = [check for check in decision.checks if check.value is not None]
    panels = [
        ("Value against its floor", [c for c in shown if c.reference is None]),
        ("Candidate minus reference", [c for c in shown if c.reference]),
    ]
    panels = [(title, checks) for title, checks in panels if checks]

    def draw(figure: Figure) -> None:
        if not panels:
            figure.text(0.5, 0.5, "no check of this decision has an interval", ha="center")
            return
        heights = [len(checks) + 1 for _, checks in panels]
        grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)
        for axes, (title, checks) in zip(grid[:, 0], panels, strict=True):
            _forest(axes, title, checks)

    rows = sum(len(checks) for _, checks in panels)
    return drawn(draw, 0.5 + 0.75 * len(panels) + 0.34 * rows, format)


def change(report: Report, *, format: Format = "svg") -> bytes:
    """Candidate minus champion of every metric over all rows, but those of one seriousness criterion."""
    rows = [
        (
            f"{name}{'' if result.higher_is_better else ' ↓'}  (n={result.support})".replace("_", " "),
            result.against["champion"].difference,
        )
        for name, result in report.overall.results.items()
        if "champion" in result.against and not is_of_one(name)
    ]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for number, (_, difference) in enumerate(rows):
            whisker(axes, number, difference, BLUE, "o")
        axes.axvline(0, color=GREY, linewidth=0.8, zorder=0)
        named_rows(axes, [name for name, _ in rows])
        axes.set_xlabel("candidate minus champion")

    return drawn(draw, 0.7 + 0.3 * len(rows), format)


def slice_values(report: Report, metric: str, *, format: Format = "svg") -> bytes:
    """One metric over all rows and in every slice: the candidate, and the champion where there is one."""
    groups = [report.overall, *report.slices.values()]
    rows = [(group, group.results[metric]) for group in groups if metric in group.results]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for number, (_, result) in enumerate(rows):
            whisker(axes, number - 0.14, result.candidate, BLUE, "o")
            if champion := result.against.get("champion"):
                whisker(axes, number + 0.14, champion.reference, GREY, "s")
        named = {"all": "all cases"}
        names = [f"{named.get(group.name, group.name)}  (n={r.support})" for group, r in rows]
        named_rows(axes, names)
        axes.set_xlabel(metric.replace("_", " "))
        axes.plot([], [], color=BLUE, marker="o", label="candidate")
        if any("champion" in result.against for _, result in rows):
            axes.plot([], [], color=GREY, marker="s", label="champion")
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)

    return drawn(draw, 1.1 + 0.42 * len(rows), format)


def reliability_diagram(found: Reliability, *, format: Format = "svg") -> bytes:
    """The share of right answers by confidence; a dot's area is its number of answers."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        _unit_square(axes)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="as sure as right")
        sure, right, rows = zip(*found.bins, strict=True)
        most = max(rows)
        axes.plot(sure, right, color=BLUE, linewidth=1)
        axes.scatter(sure, right, [20 + 180 * n / most for n in rows], color=BLUE, label="held-out answers")
        axes.set_xlabel("confidence")
        axes.set_ylabel("share that is right")
        axes.legend(frameon=False, loc="upper left", markerscale=0.6)

    return drawn(draw, 3.4, format)


def risk_coverage(found: Reliability, *, format: Format = "svg") -> bytes:
    """The share of wrong answers if only the surest were given, and where the policy stands."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.grid(color=FAINT)
        axes.set_axisbelow(True)
        covered, risk = zip(*found.curve, strict=True)
        axes.plot(covered, risk, color=BLUE, linewidth=2, label="surest answers first")
        if found.risk is not None:
            axes.plot(
                [found.coverage], [found.risk], color=INK, marker="D", linestyle="none", label="this policy"
            )
        axes.set_xlim(0, 1.02)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("coverage: share of cases that are answered")
        axes.set_ylabel("share of answers that is wrong")
        axes.legend(frameon=False, loc="upper left")

    return drawn(draw, 3.0, format)


def _unit_square(axes: Axes) -> None:
    axes.grid(color=FAINT)
    axes.set_axisbelow(True)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)


def _forest(axes: Axes, title: str, checks: Sequence[Check]) -> None:
    edges = [x for c in checks for x in (c.low, c.high, c.threshold) if x is not None]
    # At a floor, 1 is as far as it goes; a difference shows its zero.
    absolute = checks[0].reference is None
    edges += [1.0] if absolute else [0.0]
    span = max(edges) - min(edges) or 0.1
    left, right = min(edges) - 0.12 * span, max(edges) + 0.05 * span
    for number, check in enumerate(checks):
        colour, marker, _ = STYLES[check.outcome]
        if check.threshold is not None:
            start, end = (left, check.threshold) if check.higher_is_better else (check.threshold, right)
            axes.barh(number, end - start, left=start, height=0.72, color=FORBIDDEN, zorder=0)
            axes.plot([check.threshold] * 2, [number - 0.36, number + 0.36], color="#c0392b", linewidth=1.2)
        whisker(axes, number, Estimate(check.value, check.low, check.high, None), colour, marker)
    if not absolute:
        axes.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    axes.set_xlim(left, right)
    named_rows(axes, [_label(check) for check in checks])
    axes.set_title(title, loc="left", fontsize=9.5, fontweight="bold")


def _label(check: Check) -> str:
    where = check.metric if check.group == "all" else f"{check.group}: {check.metric}"
    whom = f" vs {check.reference}" if check.reference not in (None, "champion") else ""
    return f"{where}{whom}  (n={check.support})".replace("_", " ")


def named_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows of a plot from top to bottom, one a unit of height."""
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", color=FAINT)
    axes.set_axisbelow(True)


def whisker(axes: Axes, height: float, shown: Estimate, colour: str, marker: str) -> None:
    """A value with its interval in a row of a plot, as far as they are known."""
    if shown.low is not None and shown.high is not None:
        axes.plot([shown.low, shown.high], [height, height], color=colour, linewidth=2, solid_capstyle="butt")
    if shown.value is not None:
        axes.plot([shown.value], [height], color=colour, marker=marker, markersize=6.5, linestyle="none")


def _running_mean(values: Sequence[float], window: int) -> list[float]:
    """The mean of the last `window` values at each place (fewer at the start)."""
    totals = [0.0]
    for value in values:
        totals.append(totals[-1] + value)
    return [
        (totals[end] - totals[max(0, end - window)]) / min(end, window) for end in range(1, len(values) + 1)
    ]


def drawn(draw: Callable[[Figure], None], height: float, format: Format = "svg") -> bytes:
    """What `draw` puts on a figure of the page's width and `height` inches, in the page's style."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    target = BytesIO()
    with DRAWING, matplotlib.rc_context(RC):
        figure = Figure(figsize=(WIDTH, height), layout=ConstrainedLayoutEngine(hspace=0.12))
        draw(figure)
        # Without the date and the version of matplotlib, so that only the values decide the bytes.
        metadata = {"Date": None, "Creator": None} if format == "svg" else {"Software": None}
        figure.savefig(target, format=format, metadata=metadata, dpi=144)
    return target.getvalue()
