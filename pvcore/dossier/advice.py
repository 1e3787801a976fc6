"""The pages and plots of advice: a learning curve, the ladder of questions with the path that was taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pvcore.advice.costs import Costs
from pvcore.advice.decision import LADDER, MEANING, Advice
from pvcore.advice.sufficiency import Sufficiency
from pvcore.dossier.finding import Finding
from pvcore.dossier.plots import BLUE, FAINT, GREY, INK, STYLES, Format, drawn
from pvcore.dossier.templates import image, templates
from pvcore.evaluation.curve import Curve, Interval, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TAKEN = STYLES["pass"][0]
REACH = 4
"""How many times the largest size the curve is drawn to."""


def learning_curve(
    curve: Curve,
    metric: str,
    *,
    beside: Sequence[Point] = (),
    baseline: str = "",
    target: float | None = None,
    format: Format = "svg",
) -> bytes:
    """The measured runs, what they leave possible (95%), the word list's, over rows on a logarithmic axis."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.grid(color=FAINT)
        axes.set_axisbelow(True)
        smallest = min(point.size for point in curve.points)
        sizes = np.geomspace(smallest, REACH * curve.largest, 60)
        read = [curve.mean_at(size) for size in sizes]
        axes.fill_between(
            sizes, [r.low for r in read], [r.high for r in read], color=BLUE, alpha=0.15, linewidth=0
        )
        axes.plot(sizes, [r.value for r in read], color=BLUE, label="fitted, with 95% interval")
        axes.plot(
            [p.size for p in curve.points], [p.score for p in curve.points], "o", color=BLUE, markersize=4
        )
        if beside:
            axes.plot([p.size for p in beside], [p.score for p in beside], "x", color=GREY, label=baseline)
        if target is not None:
            axes.axhline(target, color=INK, linestyle="--", linewidth=1, label=f"target {target:g}")
        axes.axvline(curve.largest, color=GREY, linewidth=0.8, linestyle=":")
        axes.set_xticks([*sorted({p.size for p in curve.points}), REACH * curve.largest], minor=False)
        axes.set_xticks([], minor=True)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        low, high = axes.get_ylim()
        axes.set_ylim(
            max(low, 0.0), min(high, 1.02)
        )  # a score has bounds, whatever the curves leave possible
        axes.annotate(
            "measured", (curve.largest, axes.get_ylim()[0]), (-4, 4), textcoords="offset points", ha="right"
        )
        axes.set_xlabel("annotated examples")
        axes.set_ylabel(metric.replace("_", " "))
        axes.legend(loc="lower right", frameon=False)

    return drawn(draw, 3.6, format)


def flowchart(advice: Advice, *, format: Format = "svg") -> bytes:
    """The ladder from top to bottom: each question, where its answer ends, and the path that was taken in colour."""
    asked = {step.name: step for step in advice.path}

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set_axis_off()
        axes.set_xlim(0, 10)
        axes.set_ylim(-len(LADDER) - 0.6, 0.6)
        for place, rung in enumerate(LADDER):
            step = asked.get(rung.name)
            _box(axes, 2.6, -place, rung.question, bool(step))
            # Whether an answer ends depends on the question, so both ways carry the answer's own words.
            down, out = rung.otherwise[1], rung.otherwise[0]
            _arrow(axes, (2.6, -place - 0.28), (2.6, -place - 0.72), bool(step and step.goes_on), down)
            _arrow(axes, (5.2, -place), (6.6, -place), bool(step and not step.goes_on), out)
            ends = MEANING[advice.ends[rung.name]]
            _box(axes, 8.2, -place, ends, bool(step and not step.goes_on))
        last = len(asked) == len(LADDER) and advice.path[-1].goes_on
        _box(axes, 2.6, -len(LADDER), MEANING["large model"], last)

    return drawn(draw, 0.85 * len(LADDER) + 0.9, format)


def _box(axes: Axes, x: float, y: float, text: str, taken: bool) -> None:
    colour = TAKEN if taken else GREY
    style = {
        "boxstyle": "round,pad=0.45",
        "facecolor": "white",
        "edgecolor": colour,
        "linewidth": 2 if taken else 1,
    }
    axes.text(x, y, text, ha="center", va="center", color=INK if taken else GREY, bbox=style, fontsize=8.5)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], taken: bool, words: str) -> None:
    colour = TAKEN if taken else GREY
    axes.annotate(
        "", end, start, arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 2 if taken else 1}
    )
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    across = start[1] == end[1]
    axes.text(
        x if across else x + 0.12, y + 0.06 if across else y, words, ha="center" if across else "left",
        va="bottom" if across else "center", color=INK if taken else GREY, fontsize=6.5,
    )  # fmt: skip


SHOWN = 20
"""Labels that the page lists."""


def advice_page(
    problem: str,
    advice: Advice,
    data: Sufficiency,
    *,
    agreement: Mapping[str, Interval] = MappingProxyType({}),
    gains: Mapping[str, Interval] = MappingProxyType({}),
    measured: Mapping[str, Finding | str] = MappingProxyType({}),
    costs: Costs | None = None,
    months: int = 0,
) -> str:
    """One HTML page that loads nothing from elsewhere. `measured`: question -> what answers it, or the command that
    would. `agreement` and `gains` are by label: people's alpha, and what further annotations bring to its recall.
    """
    return str(
        templates()
        .get_template("advice.html.j2")
        .render(
            problem=problem,
            outcome=MEANING[advice.outcome].capitalize(),
            reasons=advice.reasons,
            flowchart=image(flowchart(advice)),
            path=[
                {
                    "question": s.question,
                    "evidence": s.evidence,
                    "answer": "goes on" if s.goes_on else MEANING[s.ends_in],
                }
                for s in advice.path
            ],
            changes=[{"words": c.words, "outcome": MEANING[c.outcome]} for c in advice.changes],
            data=data_shown(data, agreement, gains),
            measured=[_answered(question, found) for question, found in measured.items()],
            costs=costs_shown(costs, months) if costs else None,
        )
    )


def _answered(question: str, found: Finding | str) -> dict[str, Any]:
    if isinstance(found, str):
        return {"question": question, "command": found}
    told = {"plot": image(found.plot), "alt": found.alt, "table": found.table(), "lines": found.lines}
    return {"question": question, "command": "", **told}


def data_shown(
    found: Sufficiency, agreement: Mapping[str, Interval], gains: Mapping[str, Interval]
) -> dict[str, Any]:
    """What the data holds, as texts: a summary, labels, coverage."""
    summary = (
        f"{found.examples:,} labelled examples, {found.distinct:,} of them distinct ({found.repeated:.0%} repeat "
        f"another one); {found.variety:.0f} distinct words in each 1,000."
    )
    return {
        "summary": summary,
        "advice": found.advice,
        "labels": [
            {
                "name": label.name,
                "examples": label.examples,
                "distinct": label.distinct,
                "alpha": _told(agreement.get(label.name), ".2f"),
                "gain": _told(gains.get(label.name), "+.3f"),
            }
            for label in found.labels[:SHOWN]
        ],
        "with_alpha": bool(agreement.keys() & {label.name for label in found.labels}),
        "with_gain": bool(gains),
        "more": max(0, len(found.labels) - SHOWN),
        "coverage": found.coverage,
    }


def _told(found: Interval | None, form: str) -> str:
    return f"{found.value:{form}} ({found.low:{form}} to {found.high:{form}})" if found else "-"


def _price(case: float) -> str:
    """Of one case: a part of a millionth is still said to be more than nothing."""
    return "below 0.0000001" if 0 < case < 1e-7 else f"{case:,.7f}".rstrip("0").rstrip(".")


def costs_shown(costs: Costs, months: int) -> dict[str, Any]:
    """What each way costs, as texts: a row a way, and from which volume the small model is the cheaper one."""
    even = (
        "The small model is never the cheaper one."
        if costs.break_even is None
        else f"The small model is the cheaper one from {costs.break_even:,.0f} cases a month."
    )
    rows = [
        ("a small model of your own (annotation and trainings in all)", costs.local, costs.local_total),
        ("a large model behind an API", costs.api, costs.api_total),
        ("a person", costs.person, costs.person_total),
    ]
    return {
        "months": months,
        "rows": [{"who": who, "case": _price(case), "all": f"{total:,.0f}"} for who, case, total in rows],
        "words": even,
    }
