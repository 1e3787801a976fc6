"""Metrics of answers that are sets: labels and answers are codes with a space between.

>>> import pandas as pd
>>> rows = pd.DataFrame({"label": ["a b", "c"], "answer": ["a", "b c"], "ranked": [("a", "c"), ("c", "b")]})
>>> round(micro_f1()(rows), 3), round(macro_f1()(rows), 3), precision_at_5()(rows)
(0.667, 0.667, 0.2)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pvcore.evaluation.metrics import Bools, Floats, Metric, ratio
from pvcore.records import Example

if TYPE_CHECKING:
    import pandas as pd

NOTHING = "none"
"""An empty set as a person reads it."""


def micro_f1() -> Metric:
    """2 TP / (2 TP + FP + FN) over all pairs of a row and a code."""

    def parts(frame: pd.DataFrame) -> tuple[Floats, Floats]:
        pairs = _sets(frame)
        shared = np.array([2 * len(label & answer) for label, answer in pairs], float)
        return shared, np.array([len(label) + len(answer) for label, answer in pairs], float)

    return Metric("micro_f1", ratio(parts), parts=parts)


def macro_f1() -> Metric:
    """The mean over all codes that are in a label or an answer of the F1 of each.

    A code that a resample does not hold counts for nothing in it.
    """
    return Metric("macro_f1", lambda f: float(_macro(f)(np.ones((1, len(f))))[0]), weighted=_macro)


def precision_at_5() -> Metric:
    """The share of the first five of `ranked` that are in the label. At most the mean of min(5, codes) / 5."""

    def parts(frame: pd.DataFrame) -> tuple[Floats, Floats]:
        pairs = zip(frame["label"], frame["ranked"], strict=True)
        hits = np.array([len(set(label.split()) & set(ranked[:5])) for label, ranked in pairs], float)
        return hits, np.full(len(frame), 5.0)

    return Metric("precision_at_5", ratio(parts), parts=parts, columns=("label", "ranked"))


def members(rows: Sequence[Example], codes: Sequence[str]) -> Bools:
    """Whether a row's label holds a code, shape (rows, codes); codes that are none of these do not count."""
    column = {code: number for number, code in enumerate(codes)}
    found = np.zeros((len(rows), len(codes)), bool)
    for number, row in enumerate(rows):
        found[number, [column[code] for code in row.label.split() if code in column]] = True
    return found


def best_cut(scores: NDArray[Any], right: Bools) -> float | None:
    """Half-way between two scores, where taking all above has the best F1; None where nothing is right."""
    if not right.any():
        return None
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(right[order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + right.sum())
    f1[:-1][ranked[:-1] == ranked[1:]] = 0  # equal scores are taken together
    best = int(f1.argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else ranked[best]
    return float(ranked[best] + below) / 2


def _sets(frame: pd.DataFrame) -> list[tuple[set[str], set[str]]]:
    return [(set(a.split()), set(b.split())) for a, b in zip(frame["label"], frame["answer"], strict=True)]


def _macro(frame: pd.DataFrame) -> Callable[[Floats], Floats]:
    from scipy.sparse import csr_array

    pairs = _sets(frame)
    column = {
        code: n for n, code in enumerate(sorted({c for label, answer in pairs for c in label | answer}))
    }
    cells: dict[str, list[tuple[int, int]]] = {"both": [], "either": []}
    for row, (label, answer) in enumerate(pairs):
        cells["both"] += [(row, column[code]) for code in label & answer]
        cells["either"] += [(row, column[code]) for chosen in (label, answer) for code in chosen]

    def table(places: list[tuple[int, int]]) -> csr_array:
        rows, columns = zip(*places, strict=True) if places else ((), ())
        return csr_array((np.ones(len(places)), (rows, columns)), shape=(len(frame), len(column)))

    both, either = table(cells["both"]), table(cells["either"])

    def values(weights: Floats) -> Floats:
        total = weights @ either
        with np.errstate(invalid="ignore", divide="ignore"):
            f1 = np.where(total > 0, 2 * (weights @ both) / total, 0.0)
            value: Floats = f1.sum(axis=1) / (total > 0).sum(axis=1)
        return value

    return values
