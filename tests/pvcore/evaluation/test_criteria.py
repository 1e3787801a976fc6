"""Metrics of criteria: over the rows that know them, as scikit-learn and plain counting say."""

from __future__ import annotations

import gc
import random

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from pvcore.evaluation import criteria
from pvcore.evaluation.baseline import with_criteria
from pvcore.evaluation.compare import frame
from pvcore.evaluation.criteria import FEW, criteria_metrics, is_of_one, view
from pvcore.evaluation.paired import Resamples
from pvcore.problems import PROBLEMS
from pvcore.records import CRITERIA, Example, Prediction

METRICS = {m.name: m for m in criteria_metrics(CRITERIA)}


def rows(count: int = 80) -> pd.DataFrame:
    """Death is rare, hospitalisation common, disabling known of every second row, congenital anomaly never met."""
    chance = random.Random(5)
    rates = {"death": 0.1, "hospitalisation": 0.6, "disabling": 0.4, "congenital_anomaly": 0.0}
    made = []
    for number in range(count):
        truth = {n: chance.random() < r for n, r in rates.items() if n != "disabling" or number % 2}
        scores = {n: round(0.3 * truth.get(n, False) + chance.random(), 1) for n in rates}
        made.append((truth, scores, tuple(n for n, score in scores.items() if score >= 0.7)))
    return pd.DataFrame(made, columns=["criteria", "criteria_scores", "met"])


@pytest.mark.parametrize("name", ["death", "hospitalisation", "disabling"])
def test_values_are_those_of_the_rows_that_know(name):
    table = rows()
    known = table[[name in row for row in table["criteria"]]]
    truth = np.array([row[name] for row in known["criteria"]])
    said = np.array([name in met for met in known["met"]])
    scores = [row[name] for row in known["criteria_scores"]]
    expected = average_precision_score(truth, scores)
    assert METRICS[f"{name}_average_precision"](table) == pytest.approx(expected)
    assert METRICS[f"{name}_recall"](table) == pytest.approx((truth & said).sum() / truth.sum())
    assert METRICS[f"{name}_precision"](table) == pytest.approx((truth & said).sum() / said.sum())
    assert METRICS[f"{name}_recall"].support(table) == truth.sum()


def test_what_no_row_meets_or_knows_is_undefined():
    table = rows()
    for name in ("congenital_anomaly", "other"):
        assert np.isnan(METRICS[f"{name}_average_precision"](table))
        assert np.isnan(METRICS[f"{name}_recall"](table))
    assert np.isnan(METRICS["other_precision"](table))
    assert METRICS["congenital_anomaly_precision"](table) == 0.0  # said to be met, and never was


def test_the_mean_leaves_out_what_few_rows_meet():
    table = rows()
    few = METRICS["death_recall"].support(table)
    counted = [n for n in CRITERIA if METRICS[f"{n}_average_precision"].support(table) >= FEW]
    assert counted == ["death", "hospitalisation", "disabling"] and few >= FEW
    expected = np.mean([METRICS[f"{n}_average_precision"](table) for n in counted])
    assert METRICS["criteria_average_precision"](table) == pytest.approx(expected)
    deaths = np.cumsum([row["death"] for row in table["criteria"]])
    fewer = table[(deaths < FEW) | [not row["death"] for row in table["criteria"]]]
    expected = np.mean([METRICS[f"{n}_recall"](fewer) for n in counted[1:]])
    assert METRICS["criteria_recall"](fewer) == pytest.approx(expected)
    assert np.isnan(METRICS["criteria_recall"](table.head(2)))


@pytest.mark.parametrize("name", [name for name in METRICS if is_of_one(name)])
def test_resampling_is_repeating_rows(name):
    metric, table = METRICS[name], rows(40)
    draws = Resamples(np.arange(40), 40, 20, 3)
    repeated = [metric(table.iloc[np.repeat(np.arange(40), draw)]) for draw in draws.counts]
    assert draws.values(metric, table) == pytest.approx(repeated, nan_ok=True)


@pytest.mark.parametrize("kind", ["average_precision", "recall"])
def test_a_resampled_mean_is_that_of_the_same_criteria(kind):
    table, draws = rows(), Resamples(np.arange(80), 80, 20, 3)
    counted = ("death", "hospitalisation", "disabling")
    each = [draws.values(METRICS[f"{name}_{kind}"], table) for name in counted]
    assert draws.values(METRICS[f"criteria_{kind}"], table) == pytest.approx(np.mean(each, axis=0))


def test_a_model_that_answers_no_criterion_finds_none():
    asked = [Example(f"e{n}", f"c{n}", "", "serious", f"k{n}", criteria={"death": n < 6}) for n in range(24)]
    table = frame(asked, [Prediction(e.example_id, "serious", 1.0) for e in asked])
    assert METRICS["death_recall"](table) == 0.0 and np.isnan(METRICS["death_precision"](table))
    assert METRICS["death_average_precision"](table) == pytest.approx(6 / 24)
    assert METRICS["criteria_recall"](table) == 0.0


def test_names_of_one_criterion_are_told_from_the_others():
    ones = [name for name in PROBLEMS["seriousness"].metrics if is_of_one(name)]
    assert len(ones) == 3 * len(CRITERIA)
    assert not {"recall", "average_precision", "criteria_recall"} & set(ones)


def test_the_word_list_answers_what_it_saw_both_ways():
    train = [
        Example(f"t{n}", f"t{n}", "she died" if n % 2 else "a rash", "serious", f"t{n}",
                criteria={"death": n % 2 == 1, "other": False} if n < 8 else None)
        for n in range(10)
    ]  # fmt: skip
    test = [Example("a", "a", "he died", "serious", "a"), Example("b", "b", "rash", "serious", "b")]
    found = with_criteria([Prediction(e.example_id, "serious", 1.0) for e in test], train, test, CRITERIA)
    assert [p.met for p in found] == [("death",), ()]
    assert [name for name, _ in found[0].criteria] == ["death"]
    assert found[0].criteria[0][1] > 0.5 > found[1].criteria[0][1]


def test_a_criterion_is_looked_up_once_a_frame_and_forgotten_with_it():
    table = rows()
    number = id(table)
    assert view(table, "death")[0] is view(table, "death")[0]
    assert number in criteria._VIEWS
    del table
    gc.collect()
    assert number not in criteria._VIEWS
