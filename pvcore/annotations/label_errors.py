"""Which labels are likely wrong: confident learning (Northcutt, Jiang, Chuang 2021, JAIR 70), by cleanlab.

The probabilities must be of models that did not see the label (out of fold); who makes them is the
caller's affair, since a room for annotations knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvcore.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Suspect:
    """A label that a model doubts: `quality` is P(given), low is doubtful; `likely` if it is taken for an error."""

    index: int
    given: str
    suggested: str
    quality: float
    likely: bool


def rank(
    labels: Sequence[str],
    probabilities: NDArray[np.float64] | Sequence[Sequence[Any]],
    classes: Sequence[str],
) -> list[Suspect]:
    """All labels, the most doubtful first.

    `probabilities` has shape (labels, classes), columns in the order of `classes`. Raises ConfigError where
    a class has no label or a shape does not fit: then no threshold can be told from the data.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    counts = {name: sum(label == name for label in labels) for name in classes}
    if scores.shape != (len(labels), len(classes)) or sum(counts.values()) != len(labels) or len(classes) < 2:
        raise ConfigError(
            f"label errors: {len(labels)} labels of {counts} do not fit probabilities of shape {scores.shape}."
        )
    if missing := [name for name, number in counts.items() if not number]:
        raise ConfigError(f"label errors: no case is labelled {', '.join(missing)}. Add some of each class.")
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    given = np.array([classes.index(label) for label in labels])
    likely = find_label_issues(given, scores, filter_by="both", n_jobs=1)
    # not adjusted by the classes' mean confidence: that found fewer planted errors (docs/consistency.md)
    quality = get_label_quality_scores(given, scores, method="self_confidence")
    best = scores.argmax(axis=1)
    order = np.lexsort((np.arange(len(given)), quality))
    return [
        Suspect(int(i), labels[i], classes[int(best[i])], round(float(quality[i]), 6), bool(likely[i]))
        for i in order
    ]
