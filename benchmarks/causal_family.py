"""The causal family on real data: a base of 135 million parameters answers three problems in their three ways.

    python benchmarks/causal_family.py BASE [--vaers FOLDER] [--phee FOLDER] [--tac FILE] [--rows 200] [--asked 100]

BASE is the folder of the recipe smollm2-135m (docs/reference/recipes.md says how it is made), or another causal base.
Each problem is trained on --rows rows and asked about --asked others, beside the gate's yardstick fitted to the same
rows: seriousness (VAERS; its labels weighed in one pass), extraction (PHEE; quotations under a grammar of the text),
coding (mentions of TAC 2017 among all PTs of the corpus; a trie of the terms).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pandas as pd
import yaml
from quality_coding import mentions
from quality_extraction import sentences
from quality_seriousness import HELD_SEED, LAST, TEST, read_year, some

from pvcore.evaluation.baseline import nearest_terms, tfidf_predictions
from pvcore.evaluation.compare import frame
from pvcore.evaluation.lexicon import lexicon
from pvcore.inference.base import base_digest
from pvcore.inference.predict import load
from pvcore.problems import PROBLEMS
from pvcore.problems.seriousness import LABELS
from pvcore.records import Example, Prediction, digest
from pvcore.training.settings import sections
from pvcore.training.specification import Specification
from pvcore.training.train import train

RECIPE = "bases/smollm2-135m.yaml"
Baseline = Callable[[Sequence[Example], Sequence[Example]], list[Prediction]]


@dataclass(frozen=True)
class Task:
    """Rows to learn from and others to answer, and what is to be beaten on them."""

    problem: str
    train: list[Example]
    asked: list[Example]
    yardstick: str
    baseline: Baseline
    max_tokens: int
    terms: pd.DataFrame | None = None


def seriousness(folder: Path, rows: int, asked: int) -> Task:
    with tempfile.TemporaryDirectory() as work:
        learned, held = (read_year(folder, year, Path(work)) for year in (LAST, TEST))
    return Task("seriousness", some(learned, rows, 0), some(held, asked, HELD_SEED), "TF-IDF", words, 160)


def words(learned: Sequence[Example], asked: Sequence[Example]) -> list[Prediction]:
    return tfidf_predictions(learned, asked, positive=LABELS[1], negative=LABELS[0])


def extraction(folder: Path, rows: int, asked: int) -> Task:
    learned, held = (sentences(folder / name) for name in ("train.json", "dev.json"))
    held = [row for row in held if row.cluster not in {other.cluster for other in learned}]
    learned, held = (
        sorted(found, key=lambda r: digest(r.example_id))[:n] for found, n in ((learned, rows), (held, asked))
    )
    return Task("extraction", learned, held, "word list", lexicon, 256)


def coding(file: Path, rows: int, asked: int) -> Task:
    """Every fifth drug label is held out."""
    found, terms = mentions(file)
    drugs = sorted({row.cluster for row in found}, key=digest)[::5]
    made = sorted(found, key=lambda row: digest(row.example_id))
    learned = [row for row in made if row.cluster not in drugs][:rows]
    pairs = list(zip(terms["llt_code"], terms["llt_name"], strict=True))
    return Task(
        "coding", learned, [row for row in made if row.cluster in drugs][:asked], "nearest by letters",
        lambda rows, asked: nearest_terms(pairs, rows, asked), 64, terms,
    )  # fmt: skip


def measure(task: Task, base: Path, epochs: int, threads: int) -> None:
    problem = PROBLEMS[task.problem]
    recipe = yaml.safe_load((resources.files("pvcore.recipes") / RECIPE).read_text("utf-8"))
    settings = {key: recipe[key] for key in ("base", "quantisation", "lora", "text", "training")}
    settings["base"] = {"source": str(base), "digest": base_digest(base)}
    settings["text"]["max_tokens"] = task.max_tokens
    settings["training"] |= {"epochs": epochs, "checkpoint_every": 10_000}
    asked = Specification(
        task.problem, "causal", sections(settings).model_dump(mode="json"), "0" * 64, recipe["seed"]
    )
    with tempfile.TemporaryDirectory() as scratch:
        done = train(
            asked, {"train": task.train}, base=base, workdir=Path(scratch, "work"), terms=task.terms,
            output=Path(scratch, "adapter"), threads=threads,
        )  # fmt: skip
        model = load(done.adapter, base)
        started = time.monotonic()
        answers = model.predict(task.asked, terms=task.terms, threads=threads)
        seconds = (time.monotonic() - started) / len(task.asked)
    ours = frame(task.asked, answers, problem.judged)
    theirs = frame(task.asked, task.baseline(task.train, task.asked), problem.judged)
    print(
        f"\n{task.problem}: {len(task.train)} rows in {done.seconds:.0f} s, loss {done.curve[0][1]:.3f} -> "
        f"{done.curve[-1][1]:.3f}; {len(task.asked)} asked, {seconds:.2f} s each; "
        f"{sum(a.stopped for a in answers)} withheld"
    )
    print(f"| {task.problem} | base, trained | {task.yardstick} |\n|---|---:|---:|")
    for name, metric in problem.metrics.items():
        print(f"| {name} | {metric(ours):.3f} | {metric(theirs):.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", type=Path)
    parser.add_argument("--vaers", type=Path, metavar="FOLDER")
    parser.add_argument("--phee", type=Path, metavar="FOLDER")
    parser.add_argument("--tac", type=Path, metavar="FILE")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--asked", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    for make, place in ((coding, options.tac), (extraction, options.phee), (seriousness, options.vaers)):
        if place:
            measure(make(place, options.rows, options.asked), options.base, options.epochs, options.threads)


if __name__ == "__main__":
    main()
