"""Metrics of the further findings of a case, such as the seriousness criteria, each met or not.

Each is asked over the rows of which it is known whether they meet it. A model that does not answer a
criterion never says that it is met, so its recall is 0 and its ranking no better than chance.

    >>> import pandas as pd
    >>> rows = pd.DataFrame({
    ...     "criteria": [{"death": True}, {"death": True}, {"death": False}, {}],
    ...     "criteria_scores": [{"death": 0.9}, {"death": 0.2}, {"death": 0.4}, {"death": 0.9}],
    ...     "met": [("death",), (), (), ("death",)],
    ... })
    >>> {m.name: round(m(rows), 2) for m in criteria_metrics(["death"]) if "death" in m.name}
    {'death_average_precision': 0.83, 'death_recall': 0.5, 'death_precision': 1.0}
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pvcore.evaluation import metrics
from pvcore.evaluation.metrics import Bools, Floats, Metric, Rows
from pvcore.records import CRITERIA

if TYPE_CHECKING:
    import pandas as pd

MET, NOT = "met", "not met"
FEW = 5
"""With fewer met rows a criterion has no part in a mean: one row more would turn the mean over."""
OF_ONE = (metrics.average_precision(MET), metrics.recall(MET), metrics.precision(MET))
MEANS = {"average_precision": "criteria_average_precision", "recall": "criteria_recall"}
"""Metric of a criterion -> the name of its mean over the criteria."""
_VIEWS: dict[int, dict[str, tuple[pd.DataFrame, Bools]]] = {}
"""Id of a frame that is in use -> its views by criterion."""


def criteria_metrics(criteria: Sequence[str]) -> list[Metric]:
    """The means over all criteria, then average precision, recall and precision of each."""
    means = [
        _mean(mean, [lifted(metric, name) for name in criteria])
        for metric in OF_ONE
        if (mean := MEANS.get(metric.name))
    ]
    return [*means, *(lifted(metric, name) for name in criteria for metric in OF_ONE)]


def name_of(criterion: str, metric: str) -> str:
    """What a metric of one criterion is called."""
    return f"{criterion}_{metric}"


def is_of_one(metric: str) -> bool:
    """Whether a metric of this name is one of a single seriousness criterion."""
    return any(metric == name_of(name, one.name) for name in CRITERIA for one in OF_ONE)


def view(frame: pd.DataFrame, criterion: str) -> tuple[pd.DataFrame, Bools]:
    """The rows that know of a criterion, as a frame of MET and NOT; and which of all rows these are.

    Kept as long as the frame is, which nobody may change: every metric of a criterion asks for it again and again.
    """
    if id(frame) not in _VIEWS:
        weakref.finalize(frame, _VIEWS.pop, id(frame), None)
        _VIEWS[id(frame)] = {}
    views = _VIEWS[id(frame)]
    if criterion not in views:
        views[criterion] = _view(frame, criterion)
    return views[criterion]


def _view(frame: pd.DataFrame, criterion: str) -> tuple[pd.DataFrame, Bools]:
    import pandas as pd

    known = np.fromiter((criterion in row for row in frame["criteria"]), bool, len(frame))
    rows = frame.loc[known, ["criteria", "criteria_scores", "met"]].itertuples(index=False)
    said = [
        (
            MET if truth[criterion] else NOT,
            MET if criterion in met else NOT,
            float(scores.get(criterion, 0.0)),
        )
        for truth, scores, met in rows
    ]
    return pd.DataFrame(said, columns=["label", "answer", "score"]), known


def lifted(metric: Metric, criterion: str) -> Metric:
    """A metric of MET and NOT as one of an evaluation frame: rows that do not know have no part in it."""

    def rows(inner: Rows | None) -> Rows | None:
        def inside(frame: pd.DataFrame) -> Bools:
            part, known = view(frame, criterion)
            found = np.zeros(len(frame), bool)
            found[known] = inner(part)  # type: ignore[misc]
            return found

        return None if inner is None else inside

    def parts(frame: pd.DataFrame) -> tuple[Floats, Floats]:
        part, known = view(frame, criterion)
        spread = np.zeros((2, len(frame)))
        spread[:, known] = metric.parts(part)  # type: ignore[misc]
        return spread[0], spread[1]

    def weighted(frame: pd.DataFrame) -> Callable[[Floats], Floats]:
        part, known = view(frame, criterion)
        values = metric.weighted(part)  # type: ignore[misc]
        return lambda weights: values(weights[:, known])

    return dataclasses.replace(
        metric,
        name=name_of(criterion, metric.name),
        function=lambda frame: metric.function(view(frame, criterion)[0]),
        correct=rows(metric.correct),
        applies=rows(metric.applies),
        parts=parts if metric.parts else None,
        weighted=weighted if metric.weighted else None,
        support=lambda frame: metric.support(view(frame, criterion)[0]),
        columns=("criteria", "criteria_scores", "met"),
    )


def _mean(name: str, members: Sequence[Metric]) -> Metric:
    """The mean over the criteria that at least FEW rows meet; NaN where there is none."""

    def counted(frame: pd.DataFrame) -> list[Metric]:
        return [m for m in members if m.support(frame) >= FEW]

    def weighted(frame: pd.DataFrame) -> Callable[[Floats], Floats]:
        inner = [_values(metric, frame) for metric in counted(frame)]

        def values(weights: Floats) -> Floats:
            if not inner:
                return np.full(len(weights), np.nan)
            found: Floats = np.mean([value(weights) for value in inner], axis=0)
            return found

        return values

    return Metric(
        name,
        lambda frame: float(weighted(frame)(np.ones((1, len(frame))))[0]),
        weighted=weighted,
        support=lambda frame: min((m.support(frame) for m in counted(frame)), default=0),
        columns=("criteria", "criteria_scores", "met"),
    )


def _values(metric: Metric, frame: pd.DataFrame) -> Callable[[Floats], Floats]:
    if metric.weighted is not None:
        return metric.weighted(frame)
    numerator, denominator = metric.parts(frame)  # type: ignore[misc]

    def values(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Floats = (weights @ numerator) / (weights @ denominator)
        return found

    return values
