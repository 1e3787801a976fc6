"""Metrics over an evaluation frame, in a form that a bootstrap can recompute thousands of times.

A frame holds one row per held-out example with the columns `label`, `answer`, `score` and, for
rankings, `ranked` (tuple of labels, best first). A metric that its rows do not define (recall
without a positive, for instance) is NaN, never 0 or 1: the gate then says what is missing.

    >>> import pandas as pd
    >>> rows = pd.DataFrame({"label": ["serious", "non-serious"], "answer": ["serious", "serious"]})
    >>> accuracy()(rows), recall("serious")(rows), specificity("serious")(rows)
    (0.5, 1.0, 0.0)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Rows = Callable[["pd.DataFrame"], Bools]
Parts = Callable[["pd.DataFrame"], tuple[Floats, Floats]]
Weighted = Callable[["pd.DataFrame"], Callable[[Floats], Floats]]


@dataclass(frozen=True)
class Metric:
    """A named number computed from an evaluation frame.

    `kind` "proportion": the share of the rows in `applies` (all, if None) that are `correct`; two
    models can then be compared row by row (McNemar). Everything else is "general".

    A bootstrap needs the metric under many weightings of the same rows. It takes the fastest of
    what a metric offers: `parts` (numerator and denominator a row, for ratios of sums), `weighted`
    (prepares a frame once, then maps weights of shape (resamples, rows) to values of shape
    (resamples,)), else `function` on repeated rows, which is slow but always right.

    `support(frame)` is the number of rows that carry the information: those in the denominator, or
    the smaller class for metrics over the ranking of two classes.
    """

    name: str
    function: Callable[[pd.DataFrame], float]
    kind: Literal["proportion", "general"] = "general"
    higher_is_better: bool = True
    correct: Rows | None = None
    applies: Rows | None = None
    parts: Parts | None = None
    weighted: Weighted | None = None
    support: Callable[[pd.DataFrame], int] = len
    columns: tuple[str, ...] = ("label", "answer")

    def __call__(self, frame: pd.DataFrame) -> float:
        """The metric's value, or NaN where the rows do not define it. KeyError without its columns."""
        return float(self.function(frame))


def proportion(name: str, correct: Rows, applies: Rows | None = None, **options: object) -> Metric:
    """The share of the rows in `applies` (a property of the label alone) that are `correct`."""

    def parts(frame: pd.DataFrame) -> tuple[Floats, Floats]:
        inside = np.ones(len(frame), bool) if applies is None else applies(frame)
        return (correct(frame) & inside).astype(float), inside.astype(float)

    def support(frame: pd.DataFrame) -> int:
        return len(frame) if applies is None else int(applies(frame).sum())

    return Metric(
        name=name, function=ratio(parts), kind="proportion", correct=correct, applies=applies,
        parts=parts, support=support, **options,  # type: ignore[arg-type]
    )  # fmt: skip


def accuracy(name: str = "accuracy") -> Metric:
    """Share of rows whose answer is the label."""
    return proportion(name, lambda frame: _column(frame, "label") == _column(frame, "answer"))


def recall(positive: str, name: str = "recall") -> Metric:
    """Sensitivity: share of the truly positive rows that are answered so."""
    return proportion(name, _is("answer", positive), _is("label", positive))


def specificity(positive: str, name: str = "specificity") -> Metric:
    """Share of the truly negative rows that are answered as something else than positive.

    An answer that was withheld ("") is none: somebody has to look.
    """

    def left_alone(frame: pd.DataFrame) -> Bools:
        given = _column(frame, "answer")
        return np.asarray((given != positive) & (given != ""), dtype=bool)

    return proportion(name, left_alone, _is_not("label", positive))


def precision(positive: str, name: str = "precision") -> Metric:
    """Share of the rows answered as positive that are so. NaN if none is.

    General, not a proportion: its denominator depends on the model, so rows do not pair.
    """

    def parts(frame: pd.DataFrame) -> tuple[Floats, Floats]:
        said = _is("answer", positive)(frame)
        return (said & _is("label", positive)(frame)).astype(float), said.astype(float)

    return Metric(name, ratio(parts), parts=parts, support=lambda f: int(_is("answer", positive)(f).sum()))


def f1(positive: str, name: str = "f1") -> Metric:
    """Harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN)."""

    def parts(frame: pd.DataFrame) -> tuple[Floats, Floats]:
        said, true = _is("answer", positive)(frame), _is("label", positive)(frame)
        return 2.0 * (said & true).astype(float), said.astype(float) + true.astype(float)

    return Metric(name, ratio(parts), parts=parts, support=lambda f: int(_is("label", positive)(f).sum()))


def average_precision(positive: str, name: str = "average_precision") -> Metric:
    """Area under the precision-recall steps of `score`; equal scores count as one step.

    The definition of scikit-learn's `average_precision_score`. NaN without a positive row.
    """
    return _over_scores(name, positive, _average_precision)


def roc_auc(positive: str, name: str = "roc_auc") -> Metric:
    """Probability that a positive row scores above a negative one, ties counted half (Mann-Whitney)."""
    return _over_scores(name, positive, _roc_auc)


def accuracy_at(k: int, name: str | None = None) -> Metric:
    """Share of rows whose label is among the first `k` of `ranked`."""

    def correct(frame: pd.DataFrame) -> Bools:
        pairs = zip(frame["label"], frame["ranked"], strict=True)
        return np.fromiter((label in ranked[:k] for label, ranked in pairs), bool, len(frame))

    return proportion(name or f"accuracy_at_{k}", correct, columns=("label", "ranked"))


def accuracy_at_1() -> Metric:
    """Share of rows whose label is the first of `ranked`."""
    return accuracy_at(1)


def accuracy_at_5() -> Metric:
    """Share of rows whose label is among the first five of `ranked`."""
    return accuracy_at(5)


def mapped_accuracy(name: str, mapping: Mapping[str, str] | Callable[[str], str | None]) -> Metric:
    """Accuracy after mapping label and answer to something coarser (LLT code to PT code).

    An answer that the mapping does not know is wrong; so is every row whose label it does not know.
    """
    look = mapping.get if isinstance(mapping, Mapping) else mapping

    def correct(frame: pd.DataFrame) -> Bools:
        pairs = zip(frame["label"], frame["answer"], strict=True)
        found = ((look(label), look(answer)) for label, answer in pairs)
        return np.fromiter((a is not None and a == b for a, b in found), bool, len(frame))

    return proportion(name, correct)


def pt_accuracy(pt_of: Mapping[str, str] | Callable[[str], str | None]) -> Metric:
    """Share of rows coded to an LLT of the right Preferred Term. `pt_of` maps LLT code to PT code."""
    return mapped_accuracy("pt_accuracy", pt_of)


def answered(frame: pd.DataFrame) -> Bools:
    """Which rows have an answer that no guardrail withheld; "" is one where answers are sets."""
    return np.asarray(~frame["stopped"].to_numpy(dtype=bool), dtype=bool)


def _column(frame: pd.DataFrame, name: str) -> NDArray[np.object_]:
    return frame[name].to_numpy(dtype=object)


def _is(column: str, value: str) -> Rows:
    return lambda frame: np.asarray(_column(frame, column) == value, dtype=bool)


def _is_not(column: str, value: str) -> Rows:
    return lambda frame: np.asarray(_column(frame, column) != value, dtype=bool)


def ratio(parts: Parts) -> Callable[[pd.DataFrame], float]:
    """A metric's function from its numerators and denominators: the ratio of their sums."""

    def function(frame: pd.DataFrame) -> float:
        numerator, denominator = parts(frame)
        total = denominator.sum()
        return float(numerator.sum() / total) if total else float("nan")

    return function


def _over_scores(name: str, positive: str, kernel: Callable[[Floats, Floats], Floats]) -> Metric:
    """A metric of how `score` ranks the rows, from weights of positives and negatives a tie group."""

    def weighted(frame: pd.DataFrame) -> Callable[[Floats], Floats]:
        score = frame["score"].to_numpy(dtype=float)
        order = np.argsort(-score, kind="stable")
        true = _is("label", positive)(frame)[order]
        # The first row of each group of equal scores: within a group there is no order to use.
        starts = np.flatnonzero(np.r_[True, np.diff(score[order]) != 0]) if len(score) else np.zeros(0, int)

        def values(weights: Floats) -> Floats:
            if not len(order):
                return np.full(len(weights), np.nan)
            inside = weights[:, order]
            positives = np.add.reduceat(inside * true, starts, axis=1)
            return kernel(positives, np.add.reduceat(inside, starts, axis=1) - positives)

        return values

    def support(frame: pd.DataFrame) -> int:
        count = int(_is("label", positive)(frame).sum())
        return min(count, len(frame) - count)

    return Metric(
        name,
        lambda frame: float(weighted(frame)(np.ones((1, len(frame))))[0]),
        weighted=weighted,
        support=support,
        columns=("label", "score"),
    )


def _average_precision(positives: Floats, negatives: Floats) -> Floats:
    found = np.cumsum(positives, axis=1)
    seen = found + np.cumsum(negatives, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        at_step = np.where(seen > 0, found / seen, 0.0)
        value: Floats = (positives * at_step).sum(axis=1) / found[:, -1]
    return value


def _roc_auc(positives: Floats, negatives: Floats) -> Floats:
    # Groups come best first, so what lies below a group is all negatives minus those seen so far.
    total = negatives.sum(axis=1)
    below = total[:, None] - np.cumsum(negatives, axis=1)
    won = (positives * (below + negatives / 2)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        value: Floats = won / (positives.sum(axis=1) * total)
    return value
