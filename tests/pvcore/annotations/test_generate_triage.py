"""Invented reports for triage: deterministic, and what is said of them stands in them."""

from __future__ import annotations

import pytest

from pvcore.annotations.agreement import consensus
from pvcore.annotations.generate_triage import EXPECTED, generate_triage
from pvcore.meddra.generate import Truth
from pvcore.problems.triage import fault


def test_the_same_arguments_give_the_same_records(truth: Truth) -> None:
    made = generate_triage(truth.dictionary, n=60, seed=1, prefix="T")
    assert made == generate_triage(truth.dictionary, n=60, seed=1, prefix="T")
    assert made != generate_triage(truth.dictionary, n=60, seed=2, prefix="T")
    assert made[0] == generate_triage(truth.dictionary, n=90, seed=1, prefix="T")[0][:60]


def test_what_is_said_stands_in_the_report(truth: Truth) -> None:
    cases, said = generate_triage(
        truth.dictionary, n=200, seed=1, prefix="T", disagreement=0.0, annotators=("a",)
    )
    assert not [a for a in said if fault(a.value)]
    for case, a in zip(cases, said, strict=True):
        text = case.narrative
        told = {kind for kind in (True, False) if any(t in text for t in _phrases(kind, case.drugs[0].name))}
        assert told == {a.value["expected"]}
        assert ("pregnan" in text) >= ("pregnancy" in a.value["special"])
        assert ("paediatric" in a.value["special"]) == (case.age_years < 18)


def _phrases(kind: bool, drug: str) -> list[str]:
    return [text.format(drug=drug) for text in EXPECTED[kind]]


def test_annotators_disagree_as_often_as_asked(truth: Truth) -> None:
    _, said = generate_triage(truth.dictionary, n=400, seed=1, prefix="T", disagreement=0.1)
    assert len(consensus(said).disagreements) / 400 == pytest.approx(0.1, abs=0.04)
