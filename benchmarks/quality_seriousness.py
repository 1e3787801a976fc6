"""Seriousness on real VAERS reports by time: the recipe beside TF-IDF, on the same cases.

    python benchmarks/quality_seriousness.py VAERS_FOLDER [--rows 2000 all] [--seeds 5] [--test 3000] [--threads 2]
    python benchmarks/quality_seriousness.py VAERS_FOLDER --cuts 96 128 256 512 [--test 3000]

VAERS_FOLDER holds the zips of 1990 to 2003. Rows come from the newest years up to 2001 that hold enough of
them, another draw for each seed; 2002 chooses the threshold, 2003 is the test. Above 2,000 rows one seed is
run. What was trained and scored is kept below --work by the digest of its specification, and a run that was
cut off goes on from its last checkpoint. Intervals are 95% by case (percentile bootstrap) of the mean over the seeds,
± is the standard deviation between the seeds.
"network" is the recipe's adapter without the words beside it (training.word_weights), where the recipe has them.
--cuts trains no model: it says what a bound on the tokens leaves of the reports, and what TF-IDF makes of the rest.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from quality_parts import rows_digest, table, write

from pvcore.annotations import batch
from pvcore.evaluation import metrics
from pvcore.evaluation.baseline import tfidf
from pvcore.problems.seriousness import LABELS, POSITIVE
from pvcore.records import Example, digest
from pvcore.training.specification import Specification
from pvcore.training.thresholds import best_threshold

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "pvcore" / "recipes" / "vaers" / "seriousness.yaml"
FIRST, LAST, TUNE, TEST = 1990, 2001, 2002, 2003
HELD_SEED = 99
MANY_SEEDS = 2_000
"""Up to so many rows chance decides too much for one seed to say anything."""
METRICS = (
    metrics.roc_auc(POSITIVE, "AUC"),
    metrics.average_precision(POSITIVE, "AP"),
    metrics.f1(POSITIVE, "F1"),
)
Scores = dict[str, list[float]]
"""Split (tune, test) -> P(serious) of each of its cases."""
Say = Callable[[str], None]


def read_year(folder: Path, year: int, work: Path) -> list[Example]:
    """The labelled reports of a year, read once and kept."""
    kept = work / f"reports-{year}.json"
    if not kept.is_file():
        found = batch.read(folder / f"{year}VAERSData.zip")
        serious = {a.case_id: a.value["serious"] for a in found.annotations if a.problem == "seriousness"}
        table = [(c.case_id, c.narrative, serious[c.case_id]) for c in found.cases if c.case_id in serious]
        write(kept, table)
    rows = json.loads(kept.read_text("utf-8"))
    return [Example(name, name, text, LABELS[serious], name) for name, text, serious in rows]


def draw(years: dict[int, list[Example]], size: int | None, seed: int) -> list[Example]:
    """`size` rows by chance from the newest years that hold so many together; all rows for None."""
    pool: list[Example] = []
    for year in sorted(years, reverse=True):
        pool += years[year]
        if size is not None and len(pool) >= size:
            break
    return some(pool, size, seed)


def some(rows: Sequence[Example], size: int | None, seed: int) -> list[Example]:
    """`size` of the rows in an order by chance, the same for the same seed; all, if fewer."""
    order = list(rows)
    random.Random(seed).shuffle(order)
    return order[:size]


def by_words(train: Sequence[Example], held: dict[str, list[Example]], work: Path) -> Scores:
    """TF-IDF with logistic regression, as the platform's gate has it."""
    kept = work / f"words-{digest([rows_digest(rows) for rows in (train, *held.values())])}.json"
    if not kept.is_file():
        texts = [row.text for rows in held.values() for row in rows]
        scores = tfidf([r.text for r in train], [r.label for r in train], texts, positive=POSITIVE).tolist()
        write(kept, {"tune": scores[: len(held["tune"])], "test": scores[len(held["tune"]) :]})
    found: Scores = json.loads(kept.read_text("utf-8"))
    return found


def by_recipe(
    recipe: dict[str, Any],
    train: Sequence[Example],
    held: dict[str, list[Example]],
    *,
    seed: int,
    threads: int,
    work: Path,
    alone: bool = False,
) -> Scores:
    """The recipe trained from its base through `pvcore.training.train`, and asked about every held-out case.

    `alone` leaves out the words beside the network.
    """
    from pvcore.inference.base import resolve_base
    from pvcore.inference.predict import load
    from pvcore.training import train as training

    settings = {key: recipe[key] for key in ("base", "quantisation", "lora", "text", "training", "mixture")}
    asked = Specification("seriousness", recipe["family"], settings, dataset=rows_digest(train), seed=seed)
    part = ["network"] if alone else []
    kept = (
        work / f"scores-{digest([asked.digest, *part, *(rows_digest(rows) for rows in held.values())])}.json"
    )
    if not kept.is_file():
        base = resolve_base(recipe["base"]["source"], recipe["base"]["digest"])
        adapter = work / f"adapter-{asked.digest}"
        if not adapter.is_dir():
            # The benchmark chooses its threshold itself, as for TF-IDF, so no tune split is given here.
            training.train(asked, {"train": train}, base=base, workdir=work, output=adapter, threads=threads)
        model = load(adapter, base)
        if alone:
            model.word_weights = None
        write(kept, {s: [p.score for p in model.predict(r, threads=threads)] for s, r in held.items()})
    found: Scores = json.loads(kept.read_text("utf-8"))
    return found


def frame(held: dict[str, list[Example]], scores: Scores) -> pd.DataFrame:
    """The evaluation frame of the test split, answered at the tune split's best threshold."""
    at = best_threshold(scores["tune"], [row.label == POSITIVE for row in held["tune"]])
    table = pd.DataFrame({"label": [row.label for row in held["test"]], "score": scores["test"]})
    return table.assign(answer=np.where(table["score"] >= at, POSITIVE, LABELS[0]))


def cuts(options: argparse.Namespace, recipe: dict[str, Any]) -> list[str]:
    """What each bound on the tokens leaves of a report: the encoder's reading, judged by TF-IDF on the same words."""
    from pvcore.inference.base import resolve_base
    from pvcore.inference.model import load_tokenizer
    from pvcore.inference.text import encode, shorten

    tokenizer = load_tokenizer(resolve_base(recipe["base"]["source"], recipe["base"]["digest"]))
    special = tokenizer.num_special_tokens_to_add(pair=False)
    years = {LAST: read_year(options.folder, LAST, options.work)}
    train = draw(years, options.rows[0], 0)
    test = some(read_year(options.folder, TEST, options.work), options.test, HELD_SEED)
    truth = [row.label == POSITIVE for row in test]
    lines = ["| max_tokens | tokens a report | cut | of the serious | TF-IDF AP |", "|---|---|---|---|---|"]
    for bound in options.cuts:
        read = [encode(tokenizer, row.text, bound) for row in test]
        cut = np.array([bool(item.notes) for item in read])
        texts = [[shorten(tokenizer, row.text, bound - special)[0] for row in rows] for rows in (train, test)]
        scores = tfidf(texts[0], [row.label for row in train], texts[1], positive=POSITIVE)
        table = pd.DataFrame({"label": [row.label for row in test], "score": scores})
        length = np.mean([len(item.ids) for item in read])
        lines.append(
            f"| {bound} | {length:.0f} | {cut.mean():.1%} | {cut[truth].mean():.1%} | {METRICS[1](table):.3f} |"
        )
    return lines


def changed(recipe: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """The recipe with values of its own set: training.epochs=3."""
    for change in changes:
        name, _, value = change.partition("=")
        section, _, key = name.partition(".")
        recipe = {**recipe, section: {**recipe[section], key: yaml.safe_load(value)}}
    return recipe


def measure(options: argparse.Namespace, recipe: dict[str, Any], say: Say) -> list[str]:
    """Train and score everything that was asked for; the lines of the table."""
    years = {year: read_year(options.folder, year, options.work) for year in range(FIRST, LAST + 1)}
    tune, test = (read_year(options.folder, year, options.work) for year in (TUNE, TEST))
    held = {"tune": some(tune, options.tune, HELD_SEED), "test": some(test, options.test, HELD_SEED)}
    made: dict[str, list[pd.DataFrame]] = {}
    against = []
    for size in options.rows:
        seeds = options.seeds if size is not None and size <= MANY_SEEDS else 1
        rows = f"{size:,} rows" if size is not None else "all rows"
        ours, theirs = f"recipe, {rows}", f"TF-IDF, {rows}"
        sides = (
            {ours: False, f"network, {rows}": True}
            if recipe["training"].get("word_weights")
            else {ours: False}
        )
        against += [(side, theirs) for side in sides]
        made |= {name: [] for name in (*sides, theirs)}
        for seed in range(seeds):
            train = draw(years, size, seed)
            words = by_words(train, held, options.work)
            made[theirs].append(frame(held, words))
            for side, alone in sides.items():
                scores = by_recipe(
                    recipe, train, held, seed=seed, threads=options.threads, work=options.work, alone=alone
                )
                made[side].append(frame(held, scores))
            say(
                f"{rows}, seed {seed}: AP {METRICS[1](made[ours][-1]):.3f} beside {METRICS[1](made[theirs][-1]):.3f}"
            )
    if None not in options.rows:
        made["TF-IDF, all rows"] = [frame(held, by_words(draw(years, None, 0), held, options.work))]
    share = np.mean([row.label == POSITIVE for row in held["test"]])
    sizes = {split: f"{len(rows):,}" for split, rows in held.items()}
    head = f"{sizes['test']} reports of {TEST}, {share:.1%} serious; threshold from {sizes['tune']} of {TUNE}"
    return [head, "", *table(made, METRICS, against, options.resamples)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--rows", nargs="+", default=[2000], type=lambda v: None if v == "all" else int(v), metavar="N|all"
    )
    parser.add_argument("--seeds", type=int, default=5, help=f"up to {MANY_SEEDS} rows; 1 above")
    parser.add_argument("--tune", type=int, help="reports of 2002 (default all)")
    parser.add_argument("--test", type=int, help="reports of 2003 (default all)")
    parser.add_argument("--cuts", type=int, nargs="+", metavar="TOKENS")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--set", nargs="+", default=[], metavar="SECTION.KEY=VALUE", help="change the recipe")
    parser.add_argument("--work", type=Path, default=Path(".pv/quality-seriousness"))
    options = parser.parse_args()
    recipe = changed(yaml.safe_load(options.recipe.read_text("utf-8")), options.set)
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("torch", "transformers", "peft", "scikit-learn")
    )
    print(f"CPython {platform.python_version()}, {packages}", flush=True)
    lines = (
        cuts(options, recipe)
        if options.cuts
        else measure(options, recipe, lambda line: print(line, flush=True))
    )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
