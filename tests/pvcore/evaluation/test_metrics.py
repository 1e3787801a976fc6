from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as oracle

from pvcore.evaluation import metrics as m

POSITIVE = "serious"
RANKED = (m.average_precision(POSITIVE), m.roc_auc(POSITIVE))


@pytest.fixture(params=range(4))
def frame(request: pytest.FixtureRequest) -> pd.DataFrame:
    """Random rows; scores are rounded so that there are ties."""
    rng = np.random.default_rng(request.param)
    rows = 157
    truth = rng.random(rows) < 0.3
    score = np.round(np.clip(0.4 * truth + 0.6 * rng.random(rows), 0, 1), 1 + request.param)
    names = np.array(["non-serious", POSITIVE])
    return pd.DataFrame(
        {"label": names[truth.astype(int)], "answer": names[(score >= 0.5).astype(int)], "score": score}
    )


@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        (m.accuracy(), lambda f: oracle.accuracy_score(f.label, f.answer)),
        (m.recall(POSITIVE), lambda f: oracle.recall_score(f.label, f.answer, pos_label=POSITIVE)),
        (m.specificity(POSITIVE), lambda f: oracle.recall_score(f.label, f.answer, pos_label="non-serious")),
        (m.precision(POSITIVE), lambda f: oracle.precision_score(f.label, f.answer, pos_label=POSITIVE)),
        (m.f1(POSITIVE), lambda f: oracle.f1_score(f.label, f.answer, pos_label=POSITIVE)),
        (RANKED[0], lambda f: oracle.average_precision_score(f.label == POSITIVE, f.score)),
        (RANKED[1], lambda f: oracle.roc_auc_score(f.label == POSITIVE, f.score)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_metrics_agree_with_scikit_learn(frame, metric, reference):
    assert metric(frame) == pytest.approx(reference(frame), abs=1e-12)


@pytest.mark.parametrize("metric", RANKED, ids=lambda x: x.name)
def test_weights_mean_repeated_rows(frame, metric):
    weights = np.random.default_rng(9).integers(0, 4, size=(5, len(frame)))
    repeated = [metric(frame.loc[frame.index.repeat(row)]) for row in weights]
    assert metric.weighted(frame)(weights.astype(float)) == pytest.approx(repeated, abs=1e-12)


@pytest.mark.parametrize("metric", [m.accuracy(), m.recall(POSITIVE), m.specificity(POSITIVE)])
def test_a_proportion_is_the_share_of_correct_rows(frame, metric):
    inside = np.ones(len(frame), bool) if metric.applies is None else metric.applies(frame)
    assert metric.kind == "proportion"
    assert metric(frame) == pytest.approx(metric.correct(frame)[inside].mean())
    assert metric.support(frame) == inside.sum()


def test_rankings_and_mapped_codes():
    frame = pd.DataFrame(
        {
            "label": ["1", "2", "3", "9"],
            "answer": ["1", "1", "4", "8"],
            "ranked": [("1", "2"), ("1", "2"), ("4", "5", "6", "7", "3"), ()],
        }
    )
    assert m.accuracy_at_1()(frame) == 0.25
    assert m.accuracy_at(2)(frame) == 0.5
    assert m.accuracy_at_5()(frame) == 0.75
    # 1 and 2 share a PT, 3 and 4 do not; 8 and 9 are not in the dictionary, which is not agreement.
    assert m.pt_accuracy({"1": "a", "2": "a", "3": "b", "4": "c"})(frame) == 0.5
    assert m.pt_accuracy({"1": "a", "2": "a", "3": "b", "4": "c"}.get)(frame) == 0.5


@pytest.mark.parametrize(
    "metric",
    [m.recall(POSITIVE), m.precision(POSITIVE), m.f1(POSITIVE), *RANKED],
    ids=lambda x: x.name,
)
def test_what_the_rows_do_not_define_is_nan(metric):
    negatives = pd.DataFrame({"label": ["n", "n"], "answer": ["n", "n"], "score": [0.1, 0.2]})
    assert math.isnan(metric(negatives))
    assert math.isnan(metric(negatives.iloc[:0]))
    assert metric.support(negatives) == 0
