"""Triage and ddi in both families: an encoder with a layer of its own, a causal model by the likelihood of labels."""

from __future__ import annotations

import random

import pytest

from pvcore.annotations.generate_pairs import generate_pairs
from pvcore.inference.predict import load
from pvcore.problems import PROBLEMS
from pvcore.records import Example

TOLD = {
    "non-expedited": "a mild rash at home",
    "expedited 15 days": "an unexpected hospital stay",
    "expedited 7 days": "an unexpected death in the study",
}


def reports(count: int, seed: int) -> list[Example]:
    """Rows of three classes that a tiny model of random weights can tell apart."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        label = chance.choice(list(TOLD))
        name = f"{seed}-{number}"
        made.append(Example(f"e{name}", f"c{name}", f"{TOLD[label]} on day {number % 7}", label, f"k{name}"))
    return made


def pairs(count: int, seed: int) -> list[Example]:
    cases, said = generate_pairs(n=count, seed=seed, drugs=60)
    labels = {a.case_id: PROBLEMS["ddi"].labels[a.value["interaction"]] for a in said}
    return [
        Example(f"e{seed}{c.case_id}", c.case_id, c.narrative, labels[c.case_id], f"{seed}{c.case_id}")
        for c in cases
    ]


@pytest.mark.parametrize("family", ["encoder", "causal"])
def test_three_classes_without_a_positive_one(tiny_base, tiny_phi3, specify, train, family):
    base = tiny_base if family == "encoder" else tiny_phi3
    asked = specify(base, "triage", family, training__epochs=6 if family == "encoder" else 3)
    held = reports(30, 2)
    result = train(asked, reports(90, 1), held, base=base, threads=1)
    model = load(result.adapter, base)
    assert model.card.labels == PROBLEMS["triage"].labels and model.card.threshold is None
    found = model.predict(held, threads=1)
    assert all(p.answer == p.ranked[0][0] and p.score == p.ranked[0][1] and len(p.ranked) == 3 for p in found)
    assert sum(p.answer == e.label for p, e in zip(found, held, strict=True)) > 20
    assert result.tune["under_triage"] <= 0.5 and result.tune["weighted_kappa"] > 0.4


@pytest.mark.parametrize("family", ["encoder", "causal"])
def test_pairs_have_a_threshold(tiny_base, tiny_phi3, specify, train, family):
    base = tiny_base if family == "encoder" else tiny_phi3
    asked = specify(
        base, "ddi", family, training__epochs=1, text__max_tokens=96 if family == "encoder" else 640
    )
    result = train(asked, pairs(48, 1), pairs(24, 2), base=base, threads=1)
    model = load(result.adapter, base)
    assert model.card.positive == "interaction" and 0 < model.card.threshold < 1
    assert {"average_precision", "roc_auc"} <= set(result.tune)
    answers = model.predict(pairs(24, 2), threads=1)
    assert {p.answer for p in answers} <= set(PROBLEMS["ddi"].labels)
