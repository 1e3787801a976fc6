"""The six seriousness criteria on invented narratives: the recipe beside TF-IDF, by average precision.

    python benchmarks/criteria.py [--rows 840] [--threads 1]

Trains pvcore/recipes/seriousness.yaml on `--rows` narratives whose criteria are known, chooses the thresholds on 160
others, and asks 1,000 more. Prints, for each criterion, how many of these meet it, average precision beside TF-IDF's,
and recall and precision at the threshold; then the flag itself, trained with the criteria and without.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import pandas as pd
import yaml

from pvcore.annotations.generate import generate_cases
from pvcore.evaluation.baseline import tfidf_predictions, with_criteria
from pvcore.evaluation.compare import frame
from pvcore.evaluation.criteria import name_of
from pvcore.inference.base import resolve_base
from pvcore.inference.predict import load
from pvcore.meddra.generate import Size, generate
from pvcore.problems.seriousness import LABELS, SERIOUSNESS, judged
from pvcore.records import CRITERIA, Example
from pvcore.training.settings import sections
from pvcore.training.specification import Specification
from pvcore.training.train import train

TUNE, TEST = 160, 1000


def narratives(number: int) -> list[Example]:
    """Brief narratives with the label and the criteria that they were made to say."""
    with tempfile.TemporaryDirectory() as folder:
        truth = generate(Path(folder), version="90.0", seed=1, size=Size.small())
    cases, said = generate_cases(
        truth.dictionary, n=number, seed=1, prefix="C", brief=True, disagreement=0, duplicates=0
    )
    values = {a.case_id: a.value for a in said if a.problem == "seriousness"}
    return [
        Example(
            c.case_id, c.case_id, c.narrative, LABELS[values[c.case_id]["serious"]], c.case_id,
            criteria=judged(values[c.case_id]),
        )
        for c in cases
    ]  # fmt: skip


def recipe_answers(
    rows: Sequence[Example], tune: Sequence[Example], asked: Sequence[Example], threads: int
) -> tuple[pd.DataFrame, float]:
    """The evaluation frame of `asked` after training on `rows`, and the seconds of the training."""
    recipe = yaml.safe_load((resources.files("pvcore.recipes") / "seriousness.yaml").read_text("utf-8"))
    settings = {key: recipe[key] for key in ("base", "quantisation", "lora", "text", "training", "mixture")}
    base = resolve_base(recipe["base"]["source"], recipe["base"]["digest"])
    plain = sections(settings).model_dump(mode="json")
    specification = Specification("seriousness", recipe["family"], plain, "0" * 64, recipe["seed"])
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        result = train(
            specification, {"train": rows, "tune": tune}, base=base, workdir=place / "work",
            output=place / "adapter", threads=threads,
        )  # fmt: skip
        answers = load(result.adapter, base).predict(asked, threads=threads)
        return frame(asked, answers), result.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=840)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    started = time.monotonic()
    made = narratives(options.rows + TUNE + TEST)
    test, tune, rows = made[:TEST], made[TEST : TEST + TUNE], made[TEST + TUNE :]
    found, seconds = recipe_answers(rows, tune, test, options.threads)
    silent = [[dataclasses.replace(row, criteria=None) for row in part] for part in (rows, tune)]
    alone, _ = recipe_answers(*silent, test, options.threads)
    answers = tfidf_predictions(rows, test, positive=LABELS[1], negative=LABELS[0])
    words = frame(test, with_criteria(answers, rows, test, CRITERIA))

    print(f"{len(rows)} narratives trained on ({seconds:.0f} s), {len(test)} asked")
    print(f"{'':20} {'met':>5} {'met':>5}  average precision    at the threshold")
    print(
        f"{'criterion':20} {'train':>5} {'asked':>5} {'recipe':>8} {'TF-IDF':>8}  {'recall':>8} {'precision':>9}"
    )
    for name in CRITERIA:
        ranked, recall, precision = (
            SERIOUSNESS.metrics[name_of(name, one)] for one in ("average_precision", "recall", "precision")
        )
        met = sum((row.criteria or {}).get(name, False) for row in rows)
        print(
            f"{name:20} {met:5} {recall.support(found):5} {ranked(found):8.3f} {ranked(words):8.3f}  "
            f"{recall(found):8.3f} {precision(found):9.3f}"
        )
    mean, recall = (SERIOUSNESS.metrics[f"criteria_{one}"] for one in ("average_precision", "recall"))
    print(f"{'mean':32} {mean(found):8.3f} {mean(words):8.3f}  {recall(found):8.3f}")
    flag, auc = SERIOUSNESS.metrics["average_precision"], SERIOUSNESS.metrics["roc_auc"]
    print(f"\n{'the flag':32} {'average precision':>17} {'ROC AUC':>8}")
    for title, table in (("with the criteria", found), ("without", alone), ("TF-IDF", words)):
        print(f"{title:32} {flag(table):17.3f} {auc(table):8.3f}")
    contradicted = sum(bool(met) for met in found.loc[found["answer"] == LABELS[0], "met"])
    print(f"\n{contradicted} of {len(found)} answers: non-serious, with a criterion met (noted)")
    print(f"{time.monotonic() - started:.0f} s in all")


if __name__ == "__main__":
    main()
