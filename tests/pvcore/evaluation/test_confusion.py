"""Metrics over a confusion matrix agree with scikit-learn, and with their own definition under weights."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as oracle

from pvcore.evaluation import confusion as c

ORDER = ("low", "middle", "high")


@pytest.fixture(params=range(3))
def frame(request: pytest.FixtureRequest) -> pd.DataFrame:
    rng = np.random.default_rng(request.param)
    label = rng.choice(ORDER, 120, p=(0.6, 0.3, 0.1))
    answer = np.where(rng.random(120) < 0.6, label, rng.choice(ORDER, 120))
    return pd.DataFrame({"label": label, "answer": answer})


def numbers(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return tuple(frame[name].map(ORDER.index).to_numpy() for name in ("label", "answer"))  # type: ignore[return-value]


def test_against_scikit_learn(frame):
    label, answer = numbers(frame)
    kappa = oracle.cohen_kappa_score(label, answer, weights="quadratic")
    assert c.weighted_kappa(ORDER)(frame) == pytest.approx(kappa)
    assert c.macro_f1(ORDER)(frame) == pytest.approx(oracle.f1_score(label, answer, average="macro"))


def test_too_low_and_too_high_are_counted_apart(frame):
    label, answer = numbers(frame)
    assert c.under_triage(ORDER)(frame) == pytest.approx((answer < label)[label > 0].mean())
    assert c.over_triage(ORDER)(frame) == pytest.approx((answer > label)[label < 2].mean())
    step = answer - label
    assert c.cost(ORDER, under=5)(frame) == pytest.approx(np.where(step < 0, -5 * step, step).mean() / 10)


def test_an_error_downwards_is_dearer():
    down = pd.DataFrame({"label": ["high"], "answer": ["middle"]})
    assert c.cost(ORDER, under=5)(down) == 5 * c.cost(ORDER, under=5)(
        down.rename(columns={"label": "answer", "answer": "label"})
    )


@pytest.mark.parametrize("metric", [c.weighted_kappa(ORDER), c.macro_f1(ORDER)], ids=lambda m: m.name)
def test_weights_mean_repeated_rows(frame, metric):
    weights = np.random.default_rng(9).integers(0, 4, size=(5, len(frame)))
    repeated = [metric(frame.loc[frame.index.repeat(row)]) for row in weights]
    assert metric.weighted(frame)(weights.astype(float)) == pytest.approx(repeated)


def test_precision_falls_with_the_prevalence():
    """Sensitivity 0.9 and specificity 0.9: balanced 0.9, at 2% by Bayes 0.018 / (0.018 + 0.098)."""
    right = ["yes"] * 10 + ["no"] * 10
    said = ["yes"] * 9 + ["no"] + ["no"] * 9 + ["yes"]
    rows = pd.DataFrame({"label": right, "answer": said})
    assert c.precision_at("yes", "no", prevalence=0.5, name="p")(rows) == pytest.approx(0.9)
    assert c.precision_at("yes", "no", prevalence=0.02, name="p")(rows) == pytest.approx(0.018 / 0.116)


def test_what_rows_do_not_define_is_nan():
    none = pd.DataFrame({"label": ["no", "no"], "answer": ["no", "no"]})
    assert math.isnan(c.precision_at("yes", "no", prevalence=0.02, name="p")(none))
    assert (
        math.isnan(c.weighted_kappa(("no", "yes"))(none))
        and c.weighted_kappa(("no", "yes")).support(none) == 0
    )
    assert math.isnan(c.under_triage(("no", "yes"))(none)) and not c.under_triage(ORDER).higher_is_better


def test_a_withheld_answer_is_no_class_and_weighs_as_the_worst_to_its_label():
    held = pd.DataFrame({"label": [*ORDER, "high"], "answer": ["low", "", "high", ""]})
    wrong = held.assign(answer=["low", "high", "high", "low"])
    assert c.under_triage(ORDER)(held) == c.over_triage(ORDER)(held) == 0.0
    assert c.cost(ORDER, under=5)(held) == pytest.approx(
        (0.5 + 1.0) / 4
    )  # as middle called low, high called low
    # low 1 of 1; middle missed; high 1 of 2, and nothing was called so wrongly
    assert c.macro_f1(ORDER)(held) == pytest.approx((1 + 0 + 2 / 3) / 3)
    assert c.macro_f1(ORDER)(held) > c.macro_f1(ORDER)(wrong)
    assert c.weighted_kappa(ORDER)(held.assign(answer="")) == 0.0
    found = c.precision_at("high", "low", prevalence=0.5, name="p")
    assert found(pd.DataFrame({"label": ["high", "low", "low"], "answer": ["high", "", "low"]})) == 1.0
    with pytest.raises(KeyError):
        c.under_triage(ORDER)(held.assign(label=""))
