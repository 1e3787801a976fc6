"""What benchmarks/phases.py shows: a score a phase and way, what it gains on chance, the failure modes, the plot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pvcore.dossier.plots import BLUE, FAINT, GREY, INK, drawn
from pvcore.evaluation.metrics import Floats, Metric
from pvcore.evaluation.paired import Resamples, percentile_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOOKS = {
    "random": (GREY, "o"),
    "mixed": (BLUE, "s"),
    "uncertainty": ("#b36b00", "D"),
    "failures": ("#c0392b", "X"),
    "diversity": ("#00795c", "^"),
}


@dataclass(frozen=True)
class Phase:
    """What a model that learned from `size` rows scores; `share` positive and mean characters of its new rows."""

    size: int
    score: float
    seconds: float
    share: float
    length: float
    table: pd.DataFrame


@dataclass(frozen=True)
class Run:
    """One way on one draw: its phases, the cold start first, and what became of the cold start's failure modes."""

    way: str
    seed: int
    phases: Sequence[Phase]
    modes: Sequence[dict[str, Any]]


def page(name: str, metric: Metric, runs: Sequence[Run], clusters: np.ndarray, resamples: int) -> list[str]:
    """Markdown: the scores, the paired differences from chance, a verdict, the modes of the first draw."""
    draws = Resamples(clusters, int(clusters.max()) + 1, resamples, seed=1)
    ways = list(dict.fromkeys(run.way for run in runs))
    sizes = [phase.size for phase in runs[0].phases]
    known = {(run.way, run.seed): [draws.values(metric, phase.table) for phase in run.phases] for run in runs}
    of = {(run.way, run.seed): run for run in runs}
    lines = [
        f"| {name}: {metric.name} | draws | {' | '.join(f'{size:,} rows' for size in sizes)} | seconds a phase "
        "| positive | characters |",
        "|---|---:|" + "---:|" * (len(sizes) + 3),
    ]
    gains, verdicts = [], []
    for way in ways:
        seeds = [seed for other, seed in of if other == way]
        cells = [
            cell(
                [of[way, s].phases[n].score for s in seeds],
                np.mean([known[way, s][n] for s in seeds], axis=0),
            )
            for n in range(len(sizes))
        ]
        new = [phase for s in seeds for phase in of[way, s].phases[1:]]
        share = mean(phase.share for phase in new)
        cells += [f"{mean(phase.seconds for phase in new):.0f}", f"{share:.0%}" if share else ""]
        lines.append(
            f"| {way} | {len(seeds)} | {' | '.join(cells)} | {mean(phase.length for phase in new):.0f} |"
        )
        pairs = [seed for seed in seeds if ("random", seed) in of]
        if way == "random" or not pairs:
            continue
        row, last = [], (0.0, 0.0, 0.0)
        for n in range(1, len(sizes)):
            gap = [of[way, s].phases[n].score - of["random", s].phases[n].score for s in pairs]
            drawn_gap = np.mean([known[way, s][n] - known["random", s][n] for s in pairs], axis=0)
            row.append(cell(gap, drawn_gap, "+"))
            last = (mean(gap), *percentile_interval(drawn_gap, 0.95))
        gains.append(f"| {way} less random | {len(pairs)} | {' | '.join(row)} |")
        verdicts.append(f"- {way}: {verdict(*last)}")
    lines += [
        "",
        f"| | draws | {' | '.join(f'{size:,} rows' for size in sizes[1:])} |",
        "|---|---:|" + "---:|" * (len(sizes) - 1),
        *gains,
        "",
        f"After the last phase ({name}):",
        "",
        *verdicts,
        "",
        *modes([run for run in runs if run.seed == 0]),
    ]
    return lines


def cell(values: Sequence[float], resampled: Floats, sign: str = "") -> str:
    low, high = percentile_interval(resampled, 0.95)
    return f"{mean(values):{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def verdict(value: float, low: float, high: float) -> str:
    """Who wins, and whether chance among the test rows explains it."""
    better = "better than random" if value > 0 else "worse: random wins"
    sure = "beyond chance" if low > 0 or high < 0 else "within chance"
    return f"{value:+.3f}, {better}, {sure}"


def modes(runs: Sequence[Run]) -> list[str]:
    """The failure modes of the first draw's cold start on the tune rows, and what each way's phases made of them."""
    lines = [
        f"| failure mode of the cold start | wrong | of | elsewhere | {' | '.join(run.way for run in runs)} |",
        "|---|---:|---:|---:|" + "---|" * len(runs),
    ]
    for place, mode in enumerate(runs[0].modes):
        after = [run.modes[place] for run in runs]
        ends = [f"{m['right_now']} mended{', closed' if m['closed'] else ''}" for m in after]
        of = mode["rows"] if mode["kind"] == "slice" else ""
        lines.append(
            f"| {mode['mode']} | {mode['wrong_before']} | {of} | {mode['rest']:.0%} | {' | '.join(ends)} |"
        )
    for mode in runs[0].modes:
        said = mode["example"]
        lines.append(f"- {mode['mode']}: {said['label']} answered as {said['answer']}: {said['text'][:200]}")
    return lines


def plot(work: Path) -> bytes:
    """SVG: each run's score by annotated rows, a panel for each data set in `work`.

    The first draw, which all ways share, in full; the others faint: a mean of other draws would begin elsewhere.
    """
    found = {
        file.stem.removeprefix("series-"): json.loads(file.read_text("utf-8"))
        for file in sorted(work.glob("series-*.json"), reverse=True)
    }

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(found), squeeze=False)[0]
        for axes, (name, held) in zip(panels, found.items(), strict=True):
            axes.grid(color=FAINT)
            axes.set_axisbelow(True)
            for way, seed, points in held["series"]:
                (colour, marker), (sizes, scores) = LOOKS[way], zip(*points, strict=True)
                if seed == 0:
                    axes.plot(sizes, scores, color=colour, marker=marker, markersize=5, label=way)
                else:
                    axes.plot(sizes, scores, color=colour, linewidth=1, alpha=0.35)
            axes.set_xticks(sizes)
            axes.set_title(name, color=INK, fontsize=10, loc="left")
            axes.set_xlabel("annotated examples")
            axes.set_ylabel(held["metric"].replace("_", " "))
            axes.legend(loc="lower right", frameon=False, fontsize=8)

    return drawn(draw, 3.4, "svg")
