"""Consecutive updates three ways: incremental with replay, full retraining each time, and no retraining.

    python benchmarks/incremental.py VAERS_FOLDER --work FOLDER [--replay SHARE] [--rate SHARE] [--no-words]
        [--plot FILE]

Two streams: seriousness of real reports (1990 to 1997, then six years one by one) and coding with
generated releases (a first one, then six). After each update every way answers the newest test set and all
earlier ones. Prints a table for each stream and how often the goals were reached; --plot draws all streams that
FOLDER has. --no-words leaves out those that the recipe of the reports weighs beside the network. What was trained
and scored is kept in FOLDER, so that an interrupted run goes on. Seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from incremental_page import ARMS, HEADING, Result, line, plot, verdict
from incremental_streams import Sizes, Update, releases, vaers
from quality_parts import rows_digest

from pvcore.evaluation.metrics import Metric, accuracy_at_1, average_precision
from pvcore.inference.base import resolve_base
from pvcore.inference.predict import load
from pvcore.problems import seriousness
from pvcore.records import Example, digest
from pvcore.training.mixture import mix
from pvcore.training.settings import sections
from pvcore.training.specification import Specification
from pvcore.training.train import train

SECTIONS = ("base", "quantisation", "lora", "text", "training", "mixture")
BASE_YEARS, YEARS = range(1990, 1998), range(1998, 2004)


@dataclass(frozen=True)
class Stream:
    """A problem, its recipe, what its answers are measured by, and its updates."""

    name: str
    recipe: Mapping[str, Any]
    metric: Metric
    updates: Iterator[Update]


@dataclass(frozen=True)
class Fit:
    """A trained adapter and the processor seconds that it took."""

    key: str
    adapter: Path
    files: Mapping[str, str]
    seconds: float


def settings_of(recipe: Mapping[str, Any]) -> dict[str, Any]:
    return sections({name: recipe[name] for name in SECTIONS}).model_dump(mode="json")


def fitted(stream: Stream, update: Update, rows: Sequence[Example], parent: Fit | None, work: Path) -> Fit:
    """Train on `rows`, on one thread, unless FOLDER has it. Wordings are those of all rows so far, as in the cycle."""
    recipe = stream.recipe
    asked = Specification(
        recipe["problem"], "encoder", settings_of(recipe), rows_digest(rows), recipe["seed"],
        parent=parent.key if parent else None, parent_files=parent.files if parent else None,
        dictionary=digest(update.terms.to_dict("list")) if update.terms is not None else None,
    )  # fmt: skip
    folder = work / asked.digest
    if not (folder / "fit.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        started = time.process_time()
        base = resolve_base(recipe["base"]["source"], recipe["base"]["digest"])
        made = train(
            asked, {"train": rows, "tune": update.tune, "known": update.train}, base=base, workdir=folder / "steps",
            output=folder / "adapter", parent=parent.adapter if parent else None, terms=update.terms, threads=1,
        )  # fmt: skip
        seconds = time.process_time() - started
        shutil.rmtree(folder / "steps")
        (folder / "fit.json").write_text(json.dumps({"files": dict(made.files), "seconds": seconds}))
    return Fit(asked.digest, folder / "adapter", **json.loads((folder / "fit.json").read_text()))


def scored(stream: Stream, update: Update, fit: Fit) -> dict[str, float]:
    """The metric on every test set of the update."""
    model = None
    values = {}
    terms = "" if update.terms is None else digest(update.terms.to_dict("list"))
    for name, rows in update.tests.items():
        kept = fit.adapter.parent / f"{digest([rows_digest(rows), terms])[:16]}.json"
        if not kept.exists():
            if model is None:
                recipe = stream.recipe
                model = load(fit.adapter, resolve_base(recipe["base"]["source"], recipe["base"]["digest"]))
            found = model.predict(rows, terms=update.terms, threads=1)
            frame = pd.DataFrame({
                "label": [row.label for row in rows],
                "answer": [p.answer for p in found],
                "score": [p.score for p in found],
                "ranked": [tuple(label for label, _ in p.ranked) for p in found],
            })  # fmt: skip
            kept.write_text(json.dumps(float(stream.metric(frame))))
        values[name] = json.loads(kept.read_text())
    return values


def run(stream: Stream, work: Path) -> list[Result]:
    """All updates, one after another; the first training set is everyone's start."""
    results: list[Result] = []
    first: Fit | None = None
    current: Fit | None = None
    for update in stream.updates:
        mixture, seed = stream.recipe["mixture"], stream.recipe["seed"]
        fresh = {row.example_id for row in update.new}
        known = [row for row in update.train if row.example_id not in fresh]
        full = fitted(stream, update, mix(update.train, [], replay=0, max_rows=None, seed=seed), None, work)
        rows = mix(
            update.new, known, replay=mixture["replay"], max_rows=None, seed=seed, keep=mixture["keep"]
        )
        first = first or full
        current = fitted(stream, update, rows, current, work) if current else full
        result = Result(update.name, {"full": len(update.train), "incremental": len(rows)})
        for arm, fit in zip(ARMS, (current, full, first), strict=True):
            result.seconds[arm] = fit.seconds
            result.values[arm] = scored(stream, update, fit)
        results.append(result)
        print(line(results), flush=True)
        kept = json.dumps([dataclasses.asdict(result) for result in results], indent=1)
        (work / f"{stream.name}.json").write_text(kept)
    return results


def streams(folder: Path, quick: bool, changes: Mapping[str, float], words: bool = True) -> Iterator[Stream]:
    """Both streams; `changes` are values of the recipes' mixture, `words`: whether those of reports are weighed."""
    recipes = resources.files("pvcore.recipes")

    def recipe(name: str, tokens: int) -> dict[str, Any]:
        """A recipe in half the time and on short texts, so that the whole fits an hour on one thread."""
        found: dict[str, Any] = yaml.safe_load((recipes / name).read_text("utf-8"))
        return found | {
            "text": {"max_tokens": tokens},
            "quantisation": {"bits": 4, "compute": "bfloat16"},
            "mixture": found["mixture"] | changes,
        }

    real = Sizes(64, 12, 30, 16) if quick else Sizes(2000, 400, 800, 304)
    made = Sizes(40, 20, 20, 10) if quick else Sizes(1000, 150, 200, 60)
    metric = average_precision(seriousness.POSITIVE)
    reports = recipe("vaers/seriousness.yaml", 64)
    # Two thirds of the time of three epochs at 1.0e-3.
    reports["training"] |= {"epochs": 2, "learning_rate": 1.5e-3, "word_weights": words}
    yield Stream("vaers", reports, metric, vaers(folder, BASE_YEARS, YEARS, real))
    yield Stream("releases", recipe("coding.yaml", 32), accuracy_at_1(), releases(6, made))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("vaers", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument(
        "--quick", action="store_true", help="a few rows: shows that it runs, measures nothing"
    )
    parser.add_argument("--stream", choices=("vaers", "releases"))
    parser.add_argument("--replay", type=float, help="instead of the recipe's")
    parser.add_argument("--rate", type=float, help="instead of the recipe's")
    parser.add_argument("--no-words", action="store_true", help="none beside the network of the reports")
    parser.add_argument("--plot", type=Path, help="an SVG file")
    given = parser.parse_args()
    changes = {name: value for name in ("replay", "rate") if (value := getattr(given, name)) is not None}
    given.work.mkdir(parents=True, exist_ok=True)
    for stream in streams(given.vaers, given.quick, changes, not given.no_words):
        if given.stream in (None, stream.name):
            arms = " / ".join(ARMS)
            print(HEADING.format(name=stream.name, metric=stream.metric.name.replace("_", " "), arms=arms))
            print("\n" + verdict(run(stream, given.work)), flush=True)
    if given.plot:
        given.plot.write_bytes(plot(given.work))


if __name__ == "__main__":
    main()
