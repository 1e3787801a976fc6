"""Metrics of a confusion matrix: ordered classes that err in two directions, and rare positives.

An answer that was withheld ("") has a column of its own. It is not right, it is no class that was called, and neither
too low nor too high: somebody has to look. Where an error has a weight, it weighs as the worst answer to its label.

>>> import pandas as pd
>>> order = ("non-expedited", "expedited 15 days", "expedited 7 days")
>>> rows = pd.DataFrame({"label": order, "answer": (order[0], order[0], order[2])})
>>> under_triage(order)(rows), over_triage(order)(rows)
(0.5, 0.0)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pvcore.evaluation.metrics import Bools, Floats, Metric, proportion

if TYPE_CHECKING:
    import pandas as pd

Kernel = Callable[[Floats], Floats]
"""Confusion matrices, shape (resamples, labels, labels and withheld), to values, shape (resamples,); NaN: undefined."""


def under_triage(order: Sequence[str], name: str = "under_triage") -> Metric:
    """Of the rows that are more urgent than the first of `order`, the share answered as less urgent than they are."""
    place = _places(order)
    return proportion(
        name,
        lambda frame: place(frame, "answer") < place(frame, "label"),
        lambda frame: place(frame, "label") > 0,
        higher_is_better=False,
    )


def over_triage(order: Sequence[str], name: str = "over_triage") -> Metric:
    """Of the rows that are less urgent than the last of `order`, the share answered as more urgent than they are."""
    place, withheld = _places(order), len(order)

    def higher(frame: pd.DataFrame) -> Bools:
        answer = place(frame, "answer")
        return np.asarray((answer > place(frame, "label")) & (answer < withheld), dtype=bool)

    return proportion(
        name, higher, lambda frame: place(frame, "label") < len(order) - 1, higher_is_better=False
    )


def cost(order: Sequence[str], *, under: float, over: float = 1.0, name: str = "cost") -> Metric:
    """Mean cost of an answer: `under` a class that it is too low, `over` a class that it is too high.

    As a share of the dearest answer there is, so that 0 is perfect and 1 is every row answered at its worst.
    One that was withheld costs as much as the dearest to its label.
    """
    place = _places(order)
    above = _above(order)
    costs = _with_withheld(
        np.where(above < 0, -above * under, above * over) / (max(under, over) * (len(order) - 1))
    )

    def parts(frame: pd.DataFrame) -> tuple[Floats, Floats]:
        return costs[place(frame, "label"), place(frame, "answer")], np.ones(len(frame))

    def mean(frame: pd.DataFrame) -> float:
        return float(parts(frame)[0].mean()) if len(frame) else float("nan")

    return Metric(name, mean, higher_is_better=False, parts=parts)


def weighted_kappa(order: Sequence[str], name: str = "weighted_kappa") -> Metric:
    """Agreement beyond chance, a confusion weighing as the square of its distance (Cohen 1968).

    One that was withheld is as far off as the farthest class. Its support is the rows outside of the commonest class.
    """
    far = _with_withheld(_above(order) ** 2)

    def kernel(counts: Floats) -> Floats:
        total = counts.sum(axis=(1, 2))
        chance = counts.sum(axis=2)[:, :, None] * counts.sum(axis=1)[:, None, :]
        with np.errstate(invalid="ignore", divide="ignore"):
            expected = (far * chance).sum(axis=(1, 2)) / total
            value: Floats = np.where(expected > 0, 1 - (far * counts).sum(axis=(1, 2)) / expected, np.nan)
        return value

    def support(frame: pd.DataFrame) -> int:
        return len(frame) - int(frame["label"].value_counts().max()) if len(frame) else 0

    return over_confusion(name, order, kernel, support)


def macro_f1(labels: Sequence[str], name: str = "macro_f1") -> Metric:
    """Mean F1 of the classes that occur among labels or answers: a rare one counts as much as a common one."""

    def kernel(counts: Floats) -> Floats:
        right = np.diagonal(counts, axis1=1, axis2=2)
        either = counts.sum(axis=1)[:, :-1] + counts.sum(axis=2)
        there = either > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            each = np.where(there, 2 * right / either, 0.0)
            value: Floats = each.sum(axis=1) / there.sum(axis=1)
        return value

    return over_confusion(name, labels, kernel)


def precision_at(positive: str, negative: str, *, prevalence: float, name: str) -> Metric:
    """Precision where `prevalence` of all are positive, from sensitivity and specificity (Bayes).

    A benchmark with as many positives as negatives says little of use: at a prevalence of 2% a specificity
    of 0.9 leaves nine false alarms in ten. NaN without both classes or where nothing is called positive.
    """

    def kernel(counts: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            wrong, right = (counts[:, i, 1] / counts[:, i, :].sum(axis=1) for i in (0, 1))
            value: Floats = right * prevalence / (right * prevalence + wrong * (1 - prevalence))
        return value

    return over_confusion(name, (negative, positive), kernel)


def over_confusion(
    name: str, labels: Sequence[str], kernel: Kernel, support: Callable[[pd.DataFrame], int] | None = None
) -> Metric:
    """A metric of the confusion matrix of `labels`; its support is the smallest class that there is, unless given."""
    place, rows, columns = _places(labels), len(labels), len(labels) + 1

    def weighted(frame: pd.DataFrame) -> Callable[[Floats], Floats]:
        cells = np.zeros((len(frame), rows * columns))
        cells[np.arange(len(frame)), place(frame, "label") * columns + place(frame, "answer")] = 1.0
        return lambda weights: kernel((weights @ cells).reshape(-1, rows, columns))

    def smallest(frame: pd.DataFrame) -> int:
        return int(frame["label"].value_counts().min()) if len(frame) else 0

    def once(frame: pd.DataFrame) -> float:
        return float(weighted(frame)(np.ones((1, len(frame))))[0])

    return Metric(name, once, weighted=weighted, support=support or smallest)


def _above(order: Sequence[str]) -> Floats:
    """How many classes an answer (column) lies above a label (row)."""
    steps = np.arange(len(order), dtype=float)
    return np.asarray(steps[None, :] - steps[:, None])


def _with_withheld(table: Floats) -> Floats:
    """Weights by label and answer, with the column of withheld answers: each as the worst of its label."""
    return np.c_[table, table.max(axis=1)]


def _places(order: Sequence[str]) -> Callable[[pd.DataFrame, str], np.ndarray]:
    """The position of each row's label or answer in `order`, after the last for an answer that was withheld.

    Raises KeyError for one that is neither.
    """
    labels = {label: place for place, label in enumerate(order)}
    known = {"label": labels, "answer": {**labels, "": len(order)}}
    return lambda frame, column: np.array([known[column][value] for value in frame[column]], dtype=np.int64)
