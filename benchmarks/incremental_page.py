"""What benchmarks/incremental.py shows: a row an update, how often the goals were reached, and the plot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from pvcore.dossier.plots import BLUE, FAINT, GREY, INK, drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ARMS = ("incremental", "full", "none")


@dataclass
class Result:
    """One update: seconds of the two trained ways, and the value of every way on every test set so far."""

    name: str
    rows: Mapping[str, int]
    seconds: dict[str, float] = field(default_factory=dict)
    values: dict[str, dict[str, float]] = field(default_factory=dict)


def losses(results: Sequence[Result], arm: str = "incremental") -> list[float]:
    """What an arm lost on each earlier test set since it learned that set's rows, in points."""
    last = results[-1]
    return [100 * (then.values[arm][then.name] - last.values[arm][then.name]) for then in results[:-1]]


def behind(result: Result) -> tuple[float, float]:
    """Full retraining minus incremental, in points: on the newest test set, and on the mean of the earlier."""
    gaps = {
        name: 100 * (value - result.values["incremental"][name])
        for name, value in result.values["full"].items()
    }
    newest = gaps.pop(result.name)
    return newest, mean(gaps.values()) if gaps else 0.0


def line(results: Sequence[Result]) -> str:
    """A row of the table: the last update."""
    now = results[-1]
    old = [name for name in now.values["full"] if name != now.name]
    newest, earlier = behind(now)
    shown = [f"{now.values[arm][now.name]:.3f}" for arm in ARMS]
    shown += [f"{mean(now.values[arm][n] for n in old):.3f}" if old else "" for arm in ARMS]
    lost = losses(results)
    cells = [
        now.name, f"{now.rows['incremental']} / {now.rows['full']}",
        f"{now.seconds['incremental'] / now.seconds['full']:.0%}" if old else "",
        *shown, f"{newest:+.1f}" if old else "", f"{earlier:+.1f}" if old else "",
        f"{mean(lost):+.1f} / {max(lost):+.1f}" if lost else "",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


HEADING = """
{name}: {metric}, {arms}
| update | rows | time | new: {arms} ||| earlier: {arms} ||| behind, new | behind, earlier | lost: mean / most |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"""


def verdict(results: Sequence[Result]) -> str:
    """How many of the updates reached each goal, and the means over all updates, in points."""
    updates = results[1:]
    ratios = [r.seconds["incremental"] / r.seconds["full"] for r in updates]
    gaps = [behind(result) for result in updates]
    most = [max(losses(results[: n + 2])) for n in range(len(updates))]
    rows = [
        ("time, at most 25% of a full retraining", sum(r <= 0.25 for r in ratios), f"{mean(ratios):.0%}"),
        (
            "new data, at most 1 point behind it",
            sum(n <= 1 for n, _ in gaps),
            f"{mean(n for n, _ in gaps):+.1f}",
        ),
        (
            "earlier data, at most 1 point behind it",
            sum(o <= 1 for _, o in gaps),
            f"{mean(o for _, o in gaps):+.1f}",
        ),
        ("at most 1 point lost on every earlier set", sum(m <= 1 for m in most), f"{mean(most):+.1f}"),
    ]
    lines = [f"| {name} | {reached} of {len(updates)} | {value} |" for name, reached, value in rows]
    return "\n".join(["| goal | updates that reached it | mean |", "|---|---:|---:|", *lines])


def plot(work: Path) -> bytes:
    """SVG: by update, the newest test set, the mean of the earlier ones, and the time of the trained ways."""
    found = {
        file.stem: [Result(**result) for result in json.loads(file.read_text())]
        for file in sorted(work.glob("*.json"), reverse=True)
    }
    looks = {"incremental": (BLUE, "o"), "full": (INK, "s"), "none": (GREY, "^")}

    def draw(figure: Figure) -> None:
        grid = figure.subplots(len(found), 3, squeeze=False)
        for axes, (name, results) in zip(grid, found.items(), strict=True):
            names = [result.name for result in results[1:]]
            for arm, (colour, marker) in looks.items():
                style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4.5, "label": arm}
                newest = [result.values[arm][result.name] for result in results[1:]]
                earlier = [
                    mean(v for n, v in result.values[arm].items() if n != result.name)
                    for result in results[1:]
                ]
                axes[0].plot(names, newest, **style)
                axes[1].plot(names, earlier, **style)
                if arm != "none":
                    axes[2].plot(names, [result.seconds[arm] for result in results[1:]], **style)
            axes[2].plot(
                names, [result.seconds["full"] / 4 for result in results[1:]],
                color=FAINT, linewidth=2, zorder=0, label="a quarter of full",
            )  # fmt: skip
            axes[2].set_ylim(bottom=0)
            for one, title in zip(
                axes, ("newest test set", "mean of earlier ones", "processor s"), strict=True
            ):
                one.set_title(f"{name}: {title}", loc="left", fontsize=9, fontweight="bold")
                one.tick_params(axis="x", rotation=45)
                one.grid(axis="y", color=FAINT)
                one.set_axisbelow(True)
        grid[0][2].legend(frameon=False, fontsize=8)
        grid[0][0].legend(frameon=False, fontsize=8)

    return drawn(draw, 2.5 * len(found))
