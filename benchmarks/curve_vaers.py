"""Does a learning curve foretell? Fitted to small samples of real VAERS reports, held against a large one.

    python benchmarks/curve_vaers.py VAERS_FOLDER [--sizes 250 500 1000 2000 4000] [--seeds 3 3 2 2 1] [--ahead 16000]
        [--words] [--plot FILE] [--set SECTION.KEY=VALUE ...]

Nested samples of the years 1999 to 2001 (a seed's smaller sample is a part of its larger one) train the shipped
recipe, and TF-IDF beside it; each is scored on reports of 2003. The curve is fitted to --sizes alone and read at
--ahead: the interval of one run, and what that run measured. --words leaves the recipe's model out. What was
trained and scored is kept below --work by the digest of its specification; a run that was cut off goes on from its
last checkpoint.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from quality_seriousness import HELD_SEED, RECIPE, TEST, by_recipe, by_words, changed, read_year, some

from pvcore.dossier.plots import BLUE, FAINT, GREY, drawn
from pvcore.evaluation import metrics
from pvcore.evaluation.curve import Curve, Point, fit
from pvcore.problems.seriousness import POSITIVE
from pvcore.records import Example

if TYPE_CHECKING:
    from matplotlib.figure import Figure

YEARS = (1999, 2000, 2001)
WITHIN = 0.02
"""How near the measured score a prediction has to come."""
METRICS = {"AUC": metrics.roc_auc(POSITIVE), "AP": metrics.average_precision(POSITIVE)}
Measured = dict[str, dict[str, list[Point]]]
"""Who answered (recipe, TF-IDF) -> metric -> its points."""


def measure(
    options: argparse.Namespace,
    pool: Sequence[Example],
    test: Sequence[Example],
    recipe: Mapping[str, object],
) -> Measured:
    """Every sample trained and scored, the one ahead last."""
    ways = ["TF-IDF"] if options.words else ["recipe", "TF-IDF"]
    found: Measured = {way: {name: [] for name in METRICS} for way in ways}
    held = {"tune": [], "test": list(test)}
    runs = [(n, seed) for n, count in zip(options.sizes, options.seeds, strict=True) for seed in range(count)]
    for size, seed in [*runs, (options.ahead, 0)]:
        train, started = some(pool, size, seed), time.process_time()
        for way, points in found.items():
            if way == "recipe":
                scores = by_recipe(
                    dict(recipe), train, held, seed=seed, threads=options.threads, work=options.work
                )
            else:
                scores = by_words(train, held, options.work)
            table = pd.DataFrame({"label": [row.label for row in test], "score": scores["test"]})
            for name, metric in METRICS.items():
                points[name].append(Point(size, seed, float(metric(table))))
        told = ", ".join(
            f"{way} {name} {of[name][-1].score:.3f}" for way, of in found.items() for name in METRICS
        )
        print(f"{size:,} rows, seed {seed}: {told} ({time.process_time() - started:.0f} s)", flush=True)
    return found


def split(points: Sequence[Point], ahead: int) -> tuple[Curve, float]:
    """(The curve of the points below `ahead`, the score at it)."""
    return fit([p for p in points if p.size < ahead]), next(p.score for p in points if p.size == ahead)


def table(found: Measured, ahead: int) -> list[str]:
    """Markdown: what was foretold and what was measured."""
    lines = [
        f"| | metric | foretold at {ahead:,} | measured | off by | within {WITHIN:g} | in the interval | doubts |",
        "|---|---|---|---:|---:|---|---|---|",
    ]
    for way, of in found.items():
        for name, points in of.items():
            curve, score = split(points, ahead)
            told = curve.at(ahead)
            answers = [
                "yes" if held else "no"
                for held in (abs(told.value - score) <= WITHIN, told.low <= score <= told.high)
            ]
            lines.append(
                f"| {way} | {name} | {told.value:.3f} [{told.low:.3f}, {told.high:.3f}] | {score:.3f} | "
                f"{told.value - score:+.3f} | {answers[0]} | {answers[1]} | "
                f"{'; '.join(curve.doubts(ahead)) or 'none'} |"
            )
    return lines


def plot(found: Measured, ahead: int) -> bytes:
    """SVG: a panel a metric; runs as dots, the fitted curve with its interval, the run ahead as a ring."""
    import numpy as np

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(METRICS), squeeze=False)[0]
        for axes, name in zip(panels, METRICS, strict=True):
            for (way, of), colour in zip(found.items(), (BLUE, GREY), strict=False):
                curve, score = split(of[name], ahead)
                sizes = np.geomspace(min(p.size for p in curve.points), ahead, 60)
                read = [curve.at(size) for size in sizes]
                low, high = [r.low for r in read], [r.high for r in read]
                axes.fill_between(sizes, low, high, color=colour, alpha=0.15, linewidth=0)
                axes.plot(sizes, [r.value for r in read], color=colour, label=f"{way}, fitted")
                axes.plot(
                    [p.size for p in curve.points], [p.score for p in curve.points], "o", color=colour, ms=4
                )
                axes.plot([ahead], [score], "o", mfc="none", color=colour, ms=9, label=f"{way}, measured")
            axes.set_xscale("log")
            axes.grid(color=FAINT)
            axes.set_axisbelow(True)
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.set_xlabel("annotated reports")
            axes.set_title(name, loc="left", fontsize=9, fontweight="bold")
        panels[-1].legend(frameon=False, loc="lower right", fontsize=8)

    return drawn(draw, 3.4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[250, 500, 1000, 2000, 4000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 3, 2, 2, 1], help="runs of each size")
    parser.add_argument("--ahead", type=int, default=16_000)
    parser.add_argument("--test", type=int, default=2000, help="reports of 2003")
    parser.add_argument("--words", action="store_true", help="TF-IDF alone")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--set", nargs="+", default=[], metavar="SECTION.KEY=VALUE", help="change the recipe")
    parser.add_argument("--work", type=Path, default=Path(".pv/quality-seriousness"))
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the plot here, as SVG")
    options = parser.parse_args()
    recipe = changed(yaml.safe_load(options.recipe.read_text("utf-8")), options.set)
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("torch", "transformers", "peft", "scikit-learn")
    )
    print(f"CPython {platform.python_version()}, {packages}", flush=True)
    pool = [row for year in YEARS for row in read_year(options.folder, year, options.work)]
    test = some(read_year(options.folder, TEST, options.work), options.test, HELD_SEED)
    share = sum(row.label == POSITIVE for row in test) / len(test)
    print(f"{len(pool):,} reports of {YEARS[0]} to {YEARS[-1]}; {len(test):,} of {TEST}, {share:.1%} serious")
    found = measure(options, pool, test, recipe)
    print("\n".join(["", *table(found, options.ahead)]))
    if options.plot:
        options.plot.write_bytes(plot(found, options.ahead))


if __name__ == "__main__":
    main()
