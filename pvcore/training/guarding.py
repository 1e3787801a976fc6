"""Guardrails are calibrated on rows that were not trained on, through the code that will apply them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pvcore.inference.calibration import fit_logistic, fit_temperature
from pvcore.inference.card import Card
from pvcore.inference.guardrails import distances, features, unit
from pvcore.inference.heads import Answer
from pvcore.inference.predict import Model
from pvcore.problems import PROBLEMS
from pvcore.records import Example
from pvcore.training.mixture import sample

if TYPE_CHECKING:
    import pandas as pd

PROTOTYPES = 256
"""Training texts that are kept as vectors, each stratum by its share."""
SHARE = 0.02
"""Held-out texts that may lie beyond a threshold."""


def calibrated(
    model: Model, rows: Sequence[Example], tune: Sequence[Example], terms: pd.DataFrame | None, seed: int
) -> tuple[Card, Any]:
    """The card with its guardrails calibrated, and the vectors of training texts for them.

    Shape (at most PROTOTYPES, hidden size), float32; None, and the card as it was, without tune rows:
    what was never calibrated says so in each prediction.
    """
    if not tune:
        return model.card, None
    chosen = sample(rows, PROTOTYPES, seed)
    # Only the texts count here, so one term is enough: a whole dictionary takes minutes to embed.
    one = None if terms is None else terms.iloc[:1]
    prototypes = features(model, model.head.answers(model, [row.text for row in chosen], one))
    found = model.head.answers(model, [row.text for row in tune], terms)
    model.prototypes = unit(prototypes)
    far = [value for value in distances(model, found) if value is not None]
    tokens = [-min(answer.tokens) for answer in found if answer.tokens]
    card = dataclasses.replace(
        model.card,
        calibration=_calibration(model, found, tune),
        unlike={"threshold": upper_limit(far, SHARE), "share": SHARE, "rows": len(far)},
        unsure=-upper_limit(tokens, SHARE) if tokens else None,
    )
    return card, prototypes


def upper_limit(values: Sequence[float], share: float) -> float:
    """The limit that a new value of the same kind exceeds with probability `share` at most.

    The order statistic of split conformal prediction (Vovk et al. 2005); with fewer than 1 / share values
    it is the largest, and the probability that of being larger than all of them.
    """
    place = min(math.ceil((len(values) + 1) * (1 - share)), len(values))
    return float(np.sort(np.array(values))[place - 1])


def _calibration(model: Model, found: Sequence[Answer], tune: Sequence[Example]) -> dict[str, Any]:
    if model.head.probabilities is not None:
        return fit_temperature([answer.ranked for answer in found], [row.label for row in tune])
    judged = PROBLEMS[model.card.problem].judged
    right = [judged(row.label, a.answer) == row.label for a, row in zip(found, tune, strict=True)]
    return fit_logistic([(answer.score, answer.ranked) for answer in found], right)
