"""Reference sets: each, both averages; and what popularity alone answers."""

from __future__ import annotations

import pandas as pd
import pytest

from pvcore.errors import GateError
from pvcore.evaluation import metrics
from pvcore.evaluation.external import MEAN, WEIGHTED, summary
from pvcore.evaluation.popularity import popularity
from pvcore.records import Example


def frame(*pairs: str) -> pd.DataFrame:
    """Label and answer of each row as two letters: y for yes, n for no."""
    names = {"y": "yes", "n": "no"}
    return pd.DataFrame([(names[a], names[b]) for a, b in pairs], columns=["label", "answer"])


def test_the_two_averages_differ():
    sets = {"small": frame("yy", "ny"), "large": frame(*["yn"] * 3, *["nn"] * 5)}
    rows = summary(sets, {"accuracy": metrics.accuracy(), "recall": metrics.recall("yes")}, "yes")
    assert [(row["set"], row["pairs"], row["positives"]) for row in rows] == [
        ("small", 2, 1), ("large", 8, 3), (MEAN, 10, 4), (WEIGHTED, 10, 4),
    ]  # fmt: skip
    assert [row["accuracy"] for row in rows] == pytest.approx([0.5, 0.625, 0.5625, 0.6])
    assert [row["recall"] for row in rows] == pytest.approx([1.0, 0.0, 0.5, 0.2])


def test_a_set_that_does_not_define_a_metric_is_in_no_average():
    sets = {"all positive": frame("yy", "yy"), "mixed": frame("yy", "ny")}
    rows = summary(sets, {"specificity": metrics.specificity("yes")}, "yes")
    assert [row["specificity"] for row in rows] == [None, 0.0, 0.0, 0.0]
    with pytest.raises(GateError, match="no set"):
        summary({}, {}, "yes")


def pair(name: str, label: str = "yes") -> Example:
    return Example(name, name, name, label, name)


def test_popularity_knows_names_only():
    train = [pair("a+b"), pair("c+d"), pair("c+e", "no")]
    asked = [pair("a+d"), pair("b+c"), pair("a+e"), pair("x+y")]
    found = popularity(train, asked, drugs=lambda e: tuple(e.text.split("+")), positive="yes", negative="no")
    assert [p.answer for p in found] == ["yes", "yes", "no", "no"]
    assert [p.score for p in found] == [1.0, 0.5, 0.0, 0.0]
