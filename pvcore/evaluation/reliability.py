"""How far a confidence can be trusted, and what it costs to answer less often.

    >>> import pandas as pd
    >>> rows = pd.DataFrame({"label": ["a", "a", "b", "b"], "answer": ["a", "a", "", "a"],
    ...                      "stopped": [False, False, True, False], "confidence": [0.9, 0.8, 0.4, 0.6]})
    >>> coverage()(rows), round(selective_accuracy()(rows), 3)
    (0.75, 0.667)

A withheld answer covers nothing, and counts as not right wherever all rows count. The risk of
a coverage is the share of wrong answers among the surest of that share (El-Yaniv & Wiener 2010, JMLR
11:1605); AURC is its mean over all coverages (Geifman et al. 2019).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pvcore.evaluation.metrics import Bools, Floats, Metric, answered, proportion

if TYPE_CHECKING:
    import pandas as pd

BINS = 10
"""Bins of equal width over the confidence, as Guo et al. 2017 draw them."""
POINTS = 100
"""Points of a risk-coverage curve that are kept."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """What a model's confidence is worth on held-out rows, withheld answers taken as they were said.

    `bins`: (mean confidence, share of right answers, rows) of each bin that has rows. `curve`:
    (coverage, risk), the surest answers first. `raised`: how often each guardrail did not pass,
    {name: {outcome: rows}}. `coverage` and `risk` are those under the policy; `risk` is None where
    nothing was answered.
    """

    bins: tuple[tuple[float, float, int], ...]
    curve: tuple[tuple[float, float], ...]
    calibration_error: float
    area: float
    coverage: float
    risk: float | None
    raised: Mapping[str, Mapping[str, int]]

    @staticmethod
    def from_json(value: Mapping[str, Any] | None) -> Reliability | None:
        """The value of a report's JSON, None in a report from before there were guardrails."""
        if value is None:
            return None
        bins = tuple((mean, share, rows) for mean, share, rows in value["bins"])
        curve = tuple((covered, risk) for covered, risk in value["curve"])
        return Reliability(**{**value, "bins": bins, "curve": curve})


def reliability(frame: pd.DataFrame) -> Reliability | None:
    """Measure a frame of `compare.frame`; None where a row has no confidence."""
    if frame.empty or not _measured(frame):
        return None
    frame = frame.sort_values("example_id", ignore_index=True)
    sure, right = frame["confidence"].to_numpy(float), _right(frame, "said")
    covered, risk = risk_coverage(sure, right)
    kept = sorted({*np.linspace(0, len(covered) - 1, min(POINTS, len(covered))).astype(int).tolist()})
    given = selective_accuracy()(frame)
    raised: dict[str, Counter[str]] = {}
    for checks in frame["raised"]:
        for name, outcome in checks:
            raised.setdefault(name, Counter())[outcome] += 1
    return Reliability(
        bins=_bins(sure, right),
        curve=tuple((float(covered[i]), float(risk[i])) for i in kept),
        calibration_error=calibration_error()(frame),
        area=float(risk.mean()),
        coverage=coverage()(frame),
        risk=None if np.isnan(given) else 1 - given,
        raised={name: dict(sorted(counts.items())) for name, counts in sorted(raised.items())},
    )


def risk_coverage(confidence: Floats, right: Bools) -> tuple[Floats, Floats]:
    """(coverage, risk) after each answer, the surest first; equal confidences share the risk of all of them.

    Shape (rows,) each. Among equals there is no order to use, so their errors are spread evenly.
    """
    order = np.argsort(-confidence, kind="stable")
    sorted_by, wrong = confidence[order], (~right[order]).astype(float)
    _, group = np.unique(-sorted_by, return_inverse=True)
    even = np.bincount(group, wrong) / np.bincount(group)
    count = np.arange(1, len(wrong) + 1)
    return count / len(wrong), np.cumsum(even[group]) / count


def coverage(name: str = "coverage") -> Metric:
    """Share of rows that are answered, none of a guardrail's withholding."""
    return proportion(name, answered, columns=("stopped",))


def selective_accuracy(name: str = "selective_accuracy") -> Metric:
    """Share of the given answers that are right. NaN where none is given."""

    def parts(frame: pd.DataFrame) -> tuple[Floats, Floats]:
        given = answered(frame).astype(float)
        return given * _right(frame, "answer"), given

    def value(frame: pd.DataFrame) -> float:
        hits, given = parts(frame)
        return float(hits.sum() / given.sum()) if given.sum() else float("nan")

    def support(frame: pd.DataFrame) -> int:
        return int(answered(frame).sum())

    return Metric(name, value, parts=parts, support=support, columns=("label", "answer", "stopped"))


def calibration_error(name: str = "calibration_error") -> Metric:
    """Expected calibration error: |confidence - share of right answers|, the mean over rows by bins.

    NaN where a row has no confidence. With few rows it is above 0 by chance alone.
    """

    def weighted(frame: pd.DataFrame) -> Callable[[Floats], Floats]:
        if not _measured(frame):
            return lambda weights: np.full(len(weights), np.nan)
        sure = frame["confidence"].to_numpy(float)
        gap = sure - _right(frame, "said")
        inside = np.eye(BINS)[_bin(sure)]

        def values(weights: Floats) -> Floats:
            total = weights.sum(axis=1)
            return np.abs((weights * gap) @ inside).sum(axis=1) / np.where(total, total, np.nan)

        return values

    return Metric(
        name,
        lambda frame: float(weighted(frame)(np.ones((1, len(frame))))[0]),
        higher_is_better=False,
        weighted=weighted,
        columns=("label", "said", "confidence"),
    )


METRICS: Mapping[str, Metric] = {
    metric.name: metric for metric in (coverage(), selective_accuracy(), calibration_error())
}
"""What every problem is measured by beside its own metrics; policy.yaml may ask for them."""


def _measured(frame: pd.DataFrame) -> bool:
    return "confidence" in frame and not bool(frame["confidence"].isna().any())


def _right(frame: pd.DataFrame, column: str) -> Bools:
    found: Bools = frame[column].to_numpy(dtype=object) == frame["label"].to_numpy(dtype=object)
    return found.astype(bool)


def _bin(sure: Floats) -> np.ndarray:
    return np.clip((sure * BINS).astype(int), 0, BINS - 1)


def _bins(sure: Floats, right: Bools) -> tuple[tuple[float, float, int], ...]:
    of = _bin(sure)
    found = ((sure[of == i], right[of == i]) for i in range(BINS))
    return tuple((float(s.mean()), float(r.mean()), len(s)) for s, r in found if len(s))
