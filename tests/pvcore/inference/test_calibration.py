from __future__ import annotations

import numpy as np
import pytest

from pvcore.inference.calibration import confidence, fit_logistic, fit_temperature


def ranked(p: float):
    pairs = [("yes", p), ("no", 1 - p)]
    return tuple(sorted(pairs, key=lambda pair: -pair[1]))


def test_the_temperature_of_an_overconfident_model_is_found():
    """Answers of logit z are right as often as a logit of z / 2.5 says."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 4, 4000)
    truth = rng.random(4000) < 1 / (1 + np.exp(-logits / 2.5))
    rows = [ranked(1 / (1 + np.exp(-z))) for z in logits]
    found = fit_temperature(rows, ["yes" if t else "no" for t in truth])
    assert found["temperature"] == pytest.approx(2.5, rel=0.1)
    sure = confidence(found, "yes", 0.9, ranked(0.9))
    assert 0.5 < sure < 0.9 and sure + confidence(found, "no", 0.1, ranked(0.9)) == pytest.approx(1)


def test_a_few_rows_that_are_all_right_make_nobody_certain():
    found = fit_temperature([ranked(0.9)] * 3, ["yes"] * 3)
    assert 0.3 < found["temperature"] < 1
    flat = fit_logistic([(0.9, ranked(0.9))] * 3, [True] * 3)
    assert confidence(flat, "x", 0.99, ()) == pytest.approx(0.8)  # (3 + 1) / (3 + 2)


def test_a_similarity_becomes_the_share_of_right_answers():
    rng = np.random.default_rng(2)
    scores = rng.random(3000)
    right = rng.random(3000) < 1 / (1 + np.exp(-(10 * scores - 6)))
    pairs = [(float(s), (("a", float(s)), ("b", float(s) - 0.1))) for s in scores]
    found = fit_logistic(pairs, right.tolist())
    for score in (0.3, 0.6, 0.9):
        expected = 1 / (1 + np.exp(-(10 * score - 6)))
        assert confidence(found, "a", score, (("a", score), ("b", score - 0.1))) == pytest.approx(
            expected, abs=0.06
        )


def test_certainty_does_not_overflow():
    assert (
        confidence({"kind": "temperature", "temperature": 0.05}, "no", 1.0, (("yes", 1.0), ("no", 0.0)))
        < 1e-9
    )
    sharp = {"kind": "logistic", "weights": [1e6, 0.0], "offset": 0.0}
    assert confidence(sharp, "a", -1.0, ()) == 0.0 and confidence(sharp, "a", 1.0, ()) == 1.0
