"""Cases that a policy does not tolerate in a slice: one is enough, so no statistic stands between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pvcore.evaluation.metrics import Bools, Metric, answered
from pvcore.evaluation.policy import SliceRule

if TYPE_CHECKING:
    import pandas as pd


def intolerable(
    rule: SliceRule | None, metrics: Sequence[Metric], candidate: pd.DataFrame, champion: pd.DataFrame | None
) -> tuple[str, ...]:
    """Ids of the cases of a slice that its rule's zero tolerance forbids, sorted; () where it asks for none.

    Both frames hold the slice's rows in one order. Right is what the rule's metric counts as right where it
    counts rows (recall looks at the positive ones alone), else an answer that is the label. An answer that was
    withheld is neither right nor wrong.
    """
    if rule is None or rule.zero_tolerance is None:
        return ()
    metric = next((metric for metric in metrics if metric.name == rule.metric), None)
    forbidden = _wrong(metric, candidate)
    if rule.zero_tolerance == "newly_wrong":
        if champion is None:
            return ()
        forbidden &= answered(champion) & _right(metric, champion)
    return tuple(sorted(set(candidate["case_id"][forbidden])))


def _right(metric: Metric | None, rows: pd.DataFrame) -> Bools:
    if metric is None or metric.kind != "proportion" or metric.correct is None:
        return np.asarray(
            rows["label"].to_numpy(dtype=object) == rows["answer"].to_numpy(dtype=object), dtype=bool
        )
    good = metric.correct(rows) == metric.higher_is_better
    return np.asarray(good if metric.applies is None else good & metric.applies(rows), dtype=bool)


def _wrong(metric: Metric | None, rows: pd.DataFrame) -> Bools:
    counted = np.ones(len(rows), bool)
    if metric is not None and metric.kind == "proportion" and metric.applies is not None:
        counted = metric.applies(rows)
    return np.asarray(answered(rows) & counted & ~_right(metric, rows), dtype=bool)
