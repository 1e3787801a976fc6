"""How sure an answer is: a score turned into the probability that the answer is right.

Probabilities of labels are divided by one temperature (Guo et al. 2017, "On Calibration of Modern Neural
Networks"). Every other score, and its lead over the second answer, goes through a logistic curve (Platt
1999). Both are fitted on held-out rows; answers and their order do not change.

>>> confidence({"kind": "temperature", "temperature": 2.0}, "a", 0.8, (("a", 0.8), ("b", 0.2)))
0.6666666666666666
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ranked = Sequence[tuple[str, float]]
SMALLEST = 1e-12
"""A probability is not taken for smaller than this."""
STRENGTH = 100.0
"""Inverse penalty of the logistic curve: with few rows it stays flat."""


def confidence(calibration: Mapping[str, Any], answer: str, score: float, ranked: Ranked) -> float:
    """P(the answer is right) by a calibration that `fit` made."""
    if calibration["kind"] == "temperature":
        logs = {label: _log(p) / calibration["temperature"] for label, p in ranked}
        top = max(logs.values())
        return math.exp(logs[answer] - top) / sum(math.exp(value - top) for value in logs.values())
    weights = calibration["weights"]
    at = calibration["offset"] + sum(w * x for w, x in zip(weights, _evidence(score, ranked), strict=True))
    return 1 / (1 + math.exp(-at)) if at >= 0 else math.exp(at) / (1 + math.exp(at))


def fit_temperature(rows: Sequence[Ranked], labels: Sequence[str]) -> dict[str, Any]:
    """The temperature that makes the labels of held-out rows most probable."""
    logs = np.array([[_log(p) for _, p in ranked] for ranked in rows])
    truth = np.array([[label == name for name, _ in r] for r, label in zip(rows, labels, strict=True)])
    return {"kind": "temperature", "temperature": best_temperature(logs, truth)[0]}


def best_temperature(logs: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """(temperature, loss) where the labels that are true are most probable. Shapes (rows, labels).

    log T has a standard normal prior, worth about one row: a few rows that are all right do not make the
    model certain.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        scaled = logs / math.exp(log_temperature)
        top = scaled.max(axis=1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(scaled - top).sum(axis=1))
        return float((total - scaled[truth]).sum() + log_temperature**2 / 2)

    found = minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded", options={"xatol": 1e-6})
    return math.exp(float(found.x)), float(found.fun)


def fit_logistic(rows: Sequence[tuple[float, Ranked]], right: Sequence[bool]) -> dict[str, Any]:
    """The curve from (score, lead) to the share of right answers; flat where all or none are right."""
    if all(right) or not any(right):
        share = (sum(right) + 1) / (len(right) + 2)  # Laplace's rule of succession
        return {"kind": "logistic", "weights": [0.0, 0.0], "offset": math.log(share / (1 - share))}
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        fitted = LogisticRegression(C=STRENGTH, max_iter=1000).fit(
            np.array([_evidence(score, ranked) for score, ranked in rows]), np.array(right)
        )
    return {
        "kind": "logistic",
        "weights": [float(weight) for weight in fitted.coef_[0]],
        "offset": float(fitted.intercept_[0]),
    }


def _evidence(score: float, ranked: Ranked) -> tuple[float, float]:
    """The score, and how far it is ahead of the second answer."""
    return score, ranked[0][1] - ranked[1][1] if len(ranked) > 1 else 0.0


def _log(probability: float) -> float:
    return math.log(max(probability, SMALLEST))
