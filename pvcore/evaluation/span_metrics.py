"""How far two answers mark the same: F1 of spans, exact and by overlap, and of relations.

The unit is a row's spans, and F1 is the same whichever side is the truth; a bootstrap draws rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pvcore.evaluation.metrics import Floats, Metric, ratio
from pvcore.evaluation.spans import Marked, Span, meet, read

if TYPE_CHECKING:
    import pandas as pd

Count = Callable[[Marked, Marked], tuple[float, float]]


def span_f1(label: str | None = None, *, overlap: bool = False) -> Metric:
    """F1 over all spans, or those of one label.

    Exact: all parts and the label agree. By overlap: a span counts that shares a character with one of
    its label on the other side; each side counts its own, because one may overlap several.
    """

    def count(truth: Marked, said: Marked) -> tuple[float, float]:
        ours, theirs = (
            {span for span in side.spans if label in (None, span.label)} for side in (truth, said)
        )
        right = _meeting(ours, theirs) + _meeting(theirs, ours) if overlap else 2 * len(ours & theirs)
        return right, len(ours) + len(theirs)

    name = f"{label.lower() if label else 'span'}_f1{'_overlap' if overlap else ''}"
    return _metric(name, count, lambda truth: any(label in (None, span.label) for span in truth.spans))


def relation_f1() -> Metric:
    """F1 of (drug, reaction) pairs over the rows whose label says which belong together; both spans exact."""

    def count(truth: Marked, said: Marked) -> tuple[float, float]:
        if truth.pairs is None:
            return 0, 0
        found = said.pairs or frozenset()
        return 2 * len(truth.pairs & found), len(truth.pairs) + len(found)

    return _metric("relation_f1", count, lambda truth: bool(truth.pairs))


def _metric(name: str, count: Count, informs: Callable[[Marked], bool]) -> Metric:
    def parts(frame: pd.DataFrame) -> tuple[Floats, Floats]:
        pairs = zip(frame["label"], frame["answer"], strict=True)
        found = np.array([count(read(label), read(answer)) for label, answer in pairs], float)
        found = found.reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def support(frame: pd.DataFrame) -> int:
        return sum(informs(read(label)) for label in frame["label"])

    return Metric(name, ratio(parts), parts=parts, support=support)


def _meeting(these: set[Span], those: set[Span]) -> int:
    return sum(any(a.label == b.label and meet(a, b) for b in those) for a in these)
