"""What the guardrails see: texts unlike the training data, confidence before and after calibration, and abstention.

    PV_SHARED=<folder with data/> python benchmarks/guardrails.py [--rows 300] [--data vaers coding generated phee]

Trains the shipped recipe for two epochs on `--rows` rows, in one thread, and asks it about held-out rows of the same
source and about strangers: sentences of case reports (PHEE) and the source's own words in random order. `phee` learns
to mark drugs and reactions in such sentences and is also asked about them with a denied event behind each. Without
PV_SHARED there is no VAERS and no PHEE. The guardrails of terms alone: guardrail_terms.py.
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
from quality_extraction import sentences
from sklearn.metrics import roc_auc_score

from pvcore.annotations import batch
from pvcore.annotations.generate import generate_cases
from pvcore.evaluation.compare import frame
from pvcore.evaluation.reliability import calibration_error, risk_coverage
from pvcore.evaluation.spans import REACTION, read
from pvcore.inference.base import resolve_base
from pvcore.inference.guardrails import UNLIKE, UNSUPPORTED, UNSURE, GuardrailPolicy
from pvcore.inference.heads.head import named
from pvcore.inference.predict import Model, load
from pvcore.meddra.generate import Size, generate
from pvcore.problems.seriousness import LABELS
from pvcore.records import Example, Prediction, digest
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


def vaers(file: Path, count: int) -> Source:
    found = batch.read(file)
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


def phee(file: Path, count: int | None = None) -> list[Example]:
    """Sentences of a PHEE file, `count` of them by digest, one of an abstract."""
    rows = sorted(sentences(file), key=lambda row: digest(row.example_id))
    return list({row.cluster: row for row in rows}.values())[:count]


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


def strangers(source: Source, others: Sequence[str]) -> dict[str, list[str]]:
    """Texts that are none of the source's, by what they are."""
    chance = random.Random(1)
    words = [word for row in source.rows for word in row.text.split()]
    mixed = [" ".join(chance.choices(words, k=len(row.text.split()))) for row in source.rows[:STRANGERS]]
    return {"its words at random": mixed, **({"PHEE sentences": others[:STRANGERS]} if others else {})}


def show(source: Source, count: int, others: Sequence[str]) -> Model:
    rows, rest = source.rows[:count], source.rows[count:]
    tune, test = rest[:TUNE], rest[TUNE : TUNE + TEST]
    model = trained(source, rows, tune)
    answers = model.predict(test, terms=source.terms, threads=1)
    print(f"\n{source.name}: {len(rows)} rows, {len(tune)} tune, {len(test)} test")
    for name, texts in strangers(source, others).items():
        asked = [(f"x{n}", text) for n, text in enumerate(texts)]
        far = model.predict(asked, terms=source.terms, threads=1)
        ours, theirs = distance(answers), distance(far)
        area = roc_auc_score(np.r_[np.zeros(len(ours)), np.ones(len(theirs))], np.r_[ours, theirs])
        print(
            f"  unlike, {name:20} AUROC {area:.3f}; flagged {flagged(far):.1%} of them, "
            f"{flagged(answers):.1%} of the held-out rows"
        )
    table = frame(test, answers)
    raw = {a.example_id: dict(a.ranked)[a.said] for a in answers}
    before = table.assign(confidence=table["example_id"].map(raw))
    for name, one in (("as scored", before), ("calibrated", table)):
        right = (one["said"] == one["label"]).to_numpy()
        covered, risk = risk_coverage(one["confidence"].to_numpy(float), right)
        at = [risk[np.searchsorted(covered, share - 1e-9)] for share in COVERAGES]
        shown = ", ".join(f"{share:.0%}: {value:.3f}" for share, value in zip(COVERAGES, at, strict=True))
        error = calibration_error()(one)
        print(f"  {name:10} calibration error {error:.3f}; risk at coverage {shown}; AURC {risk.mean():.3f}")
    if any(c.name == UNSURE for a in answers for c in a.guardrails):
        shares = [f"{wrong(test, answers, raised):.1%}" for raised in (True, False)]
        print(f"  unsure token: flagged {flagged(answers, UNSURE):.1%} of the held-out rows; wrong are {shares[0]} of "
              f"them, {shares[1]} of the others")  # fmt: skip
    print(f"  calibration: {json.dumps(model.card.calibration)}", flush=True)
    return model


def wrong(test: Sequence[Example], answers: Sequence[Prediction], raised: bool) -> float:
    some = [
        answer.said != row.label
        for row, answer in zip(test, answers, strict=True)
        if raised == any(c.name == UNSURE for c in answer.raised)
    ]
    return float(np.mean(some)) if some else float("nan")


def denials(model: Model, rows: Sequence[Example]) -> None:
    """Each text with a denied event of the next row behind it: how often that is marked, and then withheld."""
    events = [named(row.text, read(row.label).spans).events for row in rows]
    asked, places = [], []
    for row, theirs in zip(rows, events[1:] + events[:1], strict=True):
        if theirs and theirs[0].lower() not in row.text.lower():
            asked.append((row.example_id, f"{row.text} There was no {theirs[0]}."))
            places.append(len(row.text) + len(" There was no "))
    plain = GuardrailPolicy(unsupported="warn")
    marked = caught = whole = 0
    for answer, place in zip(model.predict(asked, threads=1, policy=plain), places, strict=True):
        late = [s for s in read(answer.answer).spans if s.label == REACTION and s.parts[-1][1] > place]
        marked += bool(late)
        whole += any(s.parts[0][0] == place for s in late)
        caught += bool(late) and any(c.name == UNSUPPORTED for c in answer.raised)
    print(
        f"  a denied event behind {len(asked)} texts: marked in {marked} answers, of which {caught} are withheld"
    )
    print(f"    (in {whole} of them from its first word on)", flush=True)


def distance(answers: Sequence[Prediction]) -> np.ndarray:
    return np.array([check.value for a in answers for check in a.guardrails if check.name == UNLIKE])


def flagged(answers: Sequence[Prediction], name: str = UNLIKE) -> float:
    return float(np.mean([any(c.name == name for c in a.raised) for a in answers]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--data", nargs="+", default=["vaers", "coding", "generated"])
    asked = parser.parse_args()
    data = Path(os.environ["PV_SHARED"], "data") if "PV_SHARED" in os.environ else None
    count = asked.rows + TUNE + TEST
    others = [row.text for row in sentences(data / "phee" / "dev.json")] if data else []
    for name in asked.data:
        if name in ("coding", "generated"):
            show(invented("coding" if name == "coding" else "seriousness", count), asked.rows, others)
        elif data and name == "vaers":
            show(vaers(data / "vaers" / "1995VAERSData.zip", count), asked.rows, others)
        elif data and name == "phee":
            source = Source("extraction, PHEE", "extraction", phee(data / "phee" / "train.json", count))
            model = show(source, asked.rows, [])
            denials(model, phee(data / "phee" / "dev.json", TEST))


if __name__ == "__main__":
    main()
