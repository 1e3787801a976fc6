"""Several reference sets, one by one and by both averages.

A mean over sets and a mean over pairs answer different questions, and a headline that takes one number
from each says neither (arXiv 2502.06890: sensitivity .978 is the mean over sets, accuracy .919 that over
pairs). So both stand side by side, with the size of each set: several have fewer than 20 pairs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pvcore.errors import GateError
from pvcore.evaluation.metrics import Metric

if TYPE_CHECKING:
    import pandas as pd

MEAN, WEIGHTED = "mean over sets", "mean weighted by pairs"


def summary(
    frames: Mapping[str, pd.DataFrame], metrics: Mapping[str, Metric], positive: str
) -> list[dict[str, Any]]:
    """A row a set, then one an average: set, pairs, positives, and each metric (None where it is not defined).

    A set that does not define a metric (specificity without a negative pair) is in neither average of it.
    Raises GateError without a set.
    """
    if not frames:
        raise GateError("there is no set to report")
    rows: list[dict[str, Any]] = [
        {
            "set": name,
            "pairs": len(frame),
            "positives": int((frame["label"] == positive).sum()),
            **{m: _defined(metric(frame)) for m, metric in metrics.items()},
        }
        for name, frame in frames.items()
    ]
    total = {"pairs": sum(r["pairs"] for r in rows), "positives": sum(r["positives"] for r in rows)}
    averages = [
        {"set": title, **total, **{m: _mean(rows, m, weighted) for m in metrics}}
        for title, weighted in ((MEAN, False), (WEIGHTED, True))
    ]
    return [*rows, *averages]


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _mean(rows: list[dict[str, Any]], metric: str, weighted: bool) -> float | None:
    said = [(row[metric], row["pairs"] if weighted else 1) for row in rows if row[metric] is not None]
    weight = sum(number for _, number in said)
    return sum(value * number for value, number in said) / weight if weight else None
