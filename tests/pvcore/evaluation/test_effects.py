"""A dictionary's effect and a model's on the same cases: what each is, that they add up, what is left out."""

from __future__ import annotations

import dataclasses
import json

import pandas as pd
import pytest

from pvcore.evaluation import metrics
from pvcore.evaluation.compare import frame
from pvcore.evaluation.effects import Release, told_apart
from pvcore.evaluation.report import Effects
from pvcore.records import Example, Prediction

METRICS = {"accuracy": metrics.accuracy(), "recall": metrics.recall("a")}


def rows(labels: str, answers: str, start: int = 0) -> pd.DataFrame:
    cases = [Example(f"e{n:03d}", f"c{n}", "", label, f"k{n}") for n, label in enumerate(labels, start)]
    given = zip(cases, answers, strict=True)
    return frame(cases, [Prediction(c.example_id, answer, 0.5) for c, answer in given])


def apart(old: pd.DataFrame, new: pd.DataFrame, candidate: pd.DataFrame, **more: int) -> Effects:
    return told_apart(
        Release("90.0", METRICS), Release("90.1", METRICS), old, new, candidate,
        headline=["accuracy", "recall"], confidence=0.95, resamples=200, seed=1, **more,
    )  # fmt: skip


def test_both_effects_add_up_and_stand_in_words() -> None:
    # 40 cases: the release moves 10 of the labels to b; the champion goes on saying a, the candidate has learned.
    found = apart(
        rows("a" * 40, "a" * 40),
        rows("a" * 30 + "b" * 10, "a" * 40),
        rows("a" * 30 + "b" * 10, "a" * 30 + "b" * 8 + "a" * 2),
    )
    accuracy = found.results[0]
    assert (found.cases, found.relabelled, found.old, found.new) == (40, 10, "90.0", "90.1")
    values = [e.value for e in (accuracy.champion_old, accuracy.champion_new, accuracy.candidate_new)]
    assert values == [1.0, 0.75, 0.95]
    assert accuracy.dictionary.value == pytest.approx(-0.25) and accuracy.model.value == pytest.approx(0.2)
    assert accuracy.dictionary.high < 0 < accuracy.model.low
    assert (
        "from 1.000 to 0.750 by the dictionary alone" in found.words
        and "10 of them have another label" in found.words
    )
    assert Effects.from_json(json.loads(json.dumps(dataclasses.asdict(found)))) == found


def test_nothing_that_differs_is_still_weak_proof() -> None:
    same = rows("a" * 30, "a" * 30)
    effect = apart(same, same, same).results[0].dictionary
    assert (
        effect.value == 0 and effect.low < -0.05 and effect.high > 0.05
    )  # Tango's interval, not the bootstrap's


def test_only_cases_with_both_labels_count() -> None:
    new = rows("b" * 40, "a" * 40)
    found = apart(rows("a" * 10, "a" * 10), new, rows("b" * 40, "b" * 40), only_old=3)
    assert (found.cases, found.only_old, found.only_new) == (10, 3, 30)
    assert [e.metric for e in found.results] == ["accuracy", "recall"]
    assert found.results[1].champion_new.value is None and found.results[1].dictionary.value is None
    none = apart(rows("", ""), new, new)
    assert none.results == () and none.cases == 0 and "nothing to compare" in none.words
