"""Where LoRA sits and how fast it learns: the seriousness recipe varied, on invented narratives.

    python benchmarks/recipe_sweep.py [--rows 840]

Trains the recipe in pvcore/recipes with other targets and rates on the same rows, and prints AUC, average precision
and seconds on the same 1,000 unseen narratives, with TF-IDF beside them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from sklearn.metrics import average_precision_score, roc_auc_score

from pvcore.annotations.generate import generate_cases
from pvcore.evaluation.baseline import tfidf
from pvcore.inference.base import resolve_base
from pvcore.inference.predict import load
from pvcore.meddra.generate import Size, generate
from pvcore.problems.seriousness import LABELS
from pvcore.records import Example
from pvcore.training.specification import Specification
from pvcore.training.train import train

ATTENTION, ALL = ["query", "value"], ["query", "key", "value", "dense"]
VARIANTS = ((ATTENTION, 5e-4), (ATTENTION, 1.5e-3), (ALL, 5e-4), (ALL, 1.5e-3), (ALL, 3e-3))
TUNE, TEST = 140, 1000


def narratives(number: int) -> list[Example]:
    with tempfile.TemporaryDirectory() as folder:
        truth = generate(Path(folder), version="90.0", seed=1, size=Size.small())
    cases, said = generate_cases(
        truth.dictionary, n=number, seed=1, prefix="S", brief=True, disagreement=0, duplicates=0
    )
    serious = {a.case_id: a.value["serious"] for a in said if a.problem == "seriousness"}
    return [Example(c.case_id, c.case_id, c.narrative, LABELS[serious[c.case_id]], c.case_id) for c in cases]


def trained(recipe: dict[str, Any], rows: list[Example], tune: list[Example], test: list[Example]) -> Any:
    """(scores, seconds of training)."""
    settings = {key: recipe[key] for key in ("base", "quantisation", "lora", "text", "training", "mixture")}
    asked = Specification("seriousness", "encoder", settings, dataset="sweep", seed=recipe["seed"])
    base = resolve_base(recipe["base"]["source"], recipe["base"]["digest"])
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        place = Path(folder)
        train(asked, {"train": rows, "tune": tune}, base=base, workdir=place / "w", output=place / "a")
        seconds = time.monotonic() - started
        return [p.score for p in load(place / "a", base).predict(test)], seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=840)
    size = parser.parse_args().rows
    rows = narratives(size + TUNE + TEST)
    test, tune, rows = rows[-TEST:], rows[size : size + TUNE], rows[:size]
    truth = [e.label == "serious" for e in test]

    def show(name: str, scores: Any, seconds: float) -> None:
        auc, precision = roc_auc_score(truth, scores), average_precision_score(truth, scores)
        print(f"{name:36} {auc:.3f}  {precision:.3f}  {seconds:5.0f}", flush=True)

    print(f"{size} rows, {TEST} test{'':17} AUC    AP     seconds")
    words = tfidf([e.text for e in rows], [e.label for e in rows], [e.text for e in test], positive="serious")
    show("TF-IDF", words, 0)
    recipe = yaml.safe_load((resources.files("pvcore.recipes") / "seriousness.yaml").read_text("utf-8"))
    for targets, rate in VARIANTS:
        varied = {
            **recipe,
            "lora": {**recipe["lora"], "targets": targets},
            "training": {**recipe["training"], "learning_rate": rate},
        }
        show(f"{'+'.join(targets)} at {rate:g}", *trained(varied, rows, tune, test))


if __name__ == "__main__":
    main()
