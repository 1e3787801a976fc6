"""What the guardrails see: texts unlike the training data, confidence before and after calibration, and abstention.

    PV_SHARED=<folder with data/> python benchmarks/guardrails.py [--rows 300] [--data vaers coding generated]

Trains the shipped recipe for two epochs on `--rows` rows, in one thread, and asks it about held-out rows of the same
source and about strangers: sentences of case reports (PHEE) and the source's own words in random order. Without
PV_SHARED there is no VAERS and no PHEE.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from sklearn.metrics import roc_auc_score

from pvcore.annotations import batch
from pvcore.annotations.generate import generate_cases
from pvcore.evaluation.compare import frame
from pvcore.evaluation.reliability import calibration_error, risk_coverage
from pvcore.inference.base import resolve_base
from pvcore.inference.guardrails import UNLIKE
from pvcore.inference.predict import Model, load
from pvcore.meddra.generate import Size, generate
from pvcore.problems.seriousness import LABELS
from pvcore.records import Example, Prediction
from pvcore.training.specification import Specification
from pvcore.training.train import train

TUNE, TEST, STRANGERS = 200, 400, 200
COVERAGES = (1.0, 0.9, 0.8, 0.5)


@dataclass(frozen=True)
class Source:
    """Labelled rows of one problem, in random order, and the terms that may be answered."""

    name: str
    problem: str
    rows: list[Example]
    terms: pd.DataFrame | None = None


def vaers(folder: Path, count: int) -> Source:
    found = batch.read(folder / "data" / "vaers" / "1995VAERSData.zip")
    serious = {a.case_id: a.value["serious"] for a in found.annotations if a.problem == "seriousness"}
    rows = [
        Example(c.case_id, c.case_id, c.narrative, LABELS[serious[c.case_id]], c.case_id)
        for c in found.cases
        if c.case_id in serious
    ]
    return Source("seriousness, VAERS 1995", "seriousness", random.Random(0).sample(rows, count))


def invented(problem: str, count: int) -> Source:
    with tempfile.TemporaryDirectory() as folder:
        dictionary = generate(Path(folder), version="90.0", seed=1, size=Size.small()).dictionary
    cases, said = generate_cases(
        dictionary, n=count, seed=1, prefix="S", brief=True, disagreement=0, duplicates=0
    )
    if problem == "coding":
        first: dict[tuple[str, str], Example] = {}
        for a in said:
            if a.problem == "coding" and "llt_code" in a.value:
                name = f"{a.case_id}:{a.target}"
                first[a.case_id, a.target] = Example(name, a.case_id, a.target, a.value["llt_code"], name)
        chosen = random.Random(0).sample(sorted(first.values(), key=lambda e: e.example_id), count)
        return Source("coding, generated", problem, chosen, dictionary.current_llts())
    serious = {a.case_id: a.value["serious"] for a in said if a.problem == problem}
    rows = [Example(c.case_id, c.case_id, c.narrative, LABELS[serious[c.case_id]], c.case_id) for c in cases]
    return Source("seriousness, generated", problem, rows)


def trained(source: Source, rows: Sequence[Example], tune: Sequence[Example]) -> Model:
    text = (resources.files("pvcore.recipes") / f"{source.problem}.yaml").read_text("utf-8")
    recipe: dict[str, Any] = yaml.safe_load(text)
    settings = {key: recipe[key] for key in ("base", "quantisation", "lora", "text", "training", "mixture")}
    settings["training"]["epochs"] = 2
    asked = Specification(source.problem, "encoder", settings, dataset="guardrails", seed=recipe["seed"])
    base = resolve_base(recipe["base"]["source"], recipe["base"]["digest"])
    with tempfile.TemporaryDirectory() as folder:
        made = train(
            asked,
            {"train": rows, "tune": tune},
            base=base,
            workdir=Path(folder, "w"),
            output=Path(folder, "a"),
            terms=source.terms,
            threads=1,
        )
        return load(made.adapter, base)


def strangers(source: Source, phee: Sequence[str]) -> dict[str, list[str]]:
    """Texts that are none of the source's, by what they are."""
    chance = random.Random(1)
    words = [word for row in source.rows for word in row.text.split()]
    mixed = [" ".join(chance.choices(words, k=len(row.text.split()))) for row in source.rows[:STRANGERS]]
    return {"its words at random": mixed, **({"PHEE sentences": phee[:STRANGERS]} if phee else {})}


def show(source: Source, count: int, phee: Sequence[str]) -> None:
    rows, rest = source.rows[:count], source.rows[count:]
    tune, test = rest[:TUNE], rest[TUNE : TUNE + TEST]
    model = trained(source, rows, tune)
    answers = model.predict(test, terms=source.terms, threads=1)
    print(f"\n{source.name}: {len(rows)} rows, {len(tune)} tune, {len(test)} test")
    for name, texts in strangers(source, phee).items():
        asked = [(f"x{n}", text) for n, text in enumerate(texts)]
        far = model.predict(asked, terms=source.terms, threads=1)
        ours, theirs = distance(answers), distance(far)
        area = roc_auc_score(np.r_[np.zeros(len(ours)), np.ones(len(theirs))], np.r_[ours, theirs])
        print(
            f"  unlike, {name:20} AUROC {area:.3f}; flagged {flagged(far):.1%} of them, "
            f"{flagged(answers):.1%} of the held-out rows"
        )
    table = frame(test, answers)
    raw = {a.example_id: dict(a.ranked)[a.answer] for a in answers}
    before = table.assign(confidence=table["example_id"].map(raw))
    for name, one in (("as scored", before), ("calibrated", table)):
        right = (one["said"] == one["label"]).to_numpy()
        covered, risk = risk_coverage(one["confidence"].to_numpy(float), right)
        at = [risk[np.searchsorted(covered, share - 1e-9)] for share in COVERAGES]
        shown = ", ".join(f"{share:.0%}: {value:.3f}" for share, value in zip(COVERAGES, at, strict=True))
        error = calibration_error()(one)
        print(f"  {name:10} calibration error {error:.3f}; risk at coverage {shown}; AURC {risk.mean():.3f}")
    print(f"  calibration: {json.dumps(model.card.calibration)}", flush=True)


def distance(answers: Sequence[Prediction]) -> np.ndarray:
    return np.array([check.value for a in answers for check in a.guardrails if check.name == UNLIKE])


def flagged(answers: Sequence[Prediction]) -> float:
    return float(np.mean([any(c.name == UNLIKE for c in a.raised) for a in answers]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--data", nargs="+", default=["vaers", "coding", "generated"])
    asked = parser.parse_args()
    shared = Path(os.environ["PV_SHARED"]) if "PV_SHARED" in os.environ else None
    phee = []
    if shared:
        lines = (shared / "data" / "phee" / "dev.json").read_text("utf-8").splitlines()
        phee = [json.loads(line)["context"] for line in lines]
    count = asked.rows + TUNE + TEST
    for name in asked.data:
        if name == "vaers" and shared:
            show(vaers(shared, count), asked.rows, phee)
        elif name != "vaers":
            show(invented("coding" if name == "coding" else "seriousness", count), asked.rows, phee)


if __name__ == "__main__":
    main()
