"""Metrics of sets agree with scikit-learn's, and with themselves on resamples."""

from __future__ import annotations

import doctest
import random

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from sklearn.preprocessing import MultiLabelBinarizer

from pvcore.evaluation import sets


def rows(count: int, seed: int) -> pd.DataFrame:
    chance, codes = random.Random(seed), list("abcdefgh")

    def some() -> str:
        return " ".join(sorted(chance.sample(codes, chance.randint(0, 4))))

    ranked = [tuple(chance.sample(codes, 6)) for _ in range(count)]
    return pd.DataFrame(
        {"label": [some() for _ in range(count)], "answer": [some() for _ in range(count)], "ranked": ranked}
    )


def test_the_worked_example():
    found = doctest.testmod(sets)
    assert found.attempted and not found.failed


def test_f1_is_that_of_scikit_learn():
    frame = rows(60, 1)
    pairs = [[text.split() for text in frame[column]] for column in ("label", "answer")]
    binary = MultiLabelBinarizer().fit(pairs[0] + pairs[1])
    label, answer = (binary.transform(values) for values in pairs)
    assert sets.micro_f1()(frame) == pytest.approx(f1_score(label, answer, average="micro"))
    assert sets.macro_f1()(frame) == pytest.approx(f1_score(label, answer, average="macro"))


def test_a_resample_by_weights_is_the_metric_of_the_repeated_rows():
    frame, draw = rows(25, 2), np.random.default_rng(3)
    picked = draw.integers(0, len(frame), (5, len(frame)))
    weights = np.stack([np.bincount(row, minlength=len(frame)) for row in picked]).astype(float)
    metric = sets.macro_f1()
    by_rows = [metric(frame.iloc[row]) for row in picked]
    assert metric.weighted(frame)(weights) == pytest.approx(by_rows)


def test_precision_at_five_counts_the_first_five():
    frame = pd.DataFrame(
        {"label": ["a b", "f"], "answer": ["", ""], "ranked": [tuple("bcdea"), tuple("abcdef")]}
    )
    assert sets.precision_at_5()(frame) == pytest.approx(2 / 10)


def test_nothing_coded_and_nothing_answered_is_not_defined():
    frame = pd.DataFrame({"label": [""], "answer": [""], "ranked": [()]})
    assert np.isnan(sets.micro_f1()(frame)) and np.isnan(sets.macro_f1()(frame))


def f1(scores, right, cut) -> float:
    said = scores >= cut
    return 2 * (said & right).sum() / (said.sum() + right.sum())


def test_the_cut_has_the_best_f1_that_any_cut_has():
    chance = random.Random(1)
    for _ in range(50):
        scores = np.array([chance.randint(0, 12) / 12 for _ in range(20)])
        right = np.array([chance.random() < 0.3 for _ in scores])
        right[0] = True
        best = max(f1(scores, right, cut) for cut in np.unique(scores))
        assert f1(scores, right, sets.best_cut(scores, right)) == pytest.approx(best)
    assert sets.best_cut(np.array([0.3]), np.array([False])) is None
