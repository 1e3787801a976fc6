"""Probabilities of criteria -> what a prediction says of them beside its label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pvcore.inference.card import Card
from pvcore.inference.heads.head import Answer


def with_criteria(card: Card, answers: Sequence[Answer], probabilities: NDArray[np.float64]) -> list[Answer]:
    """The answers with the criteria that the model was able to learn, and those that are met.

    A criterion that is met though the label is not the positive one stands in the notes: both are what the
    model says, and a person has to look at it. `probabilities`: shape (answers, card.criteria).
    """
    return [_with(card, answer, row) for answer, row in zip(answers, probabilities, strict=True)]


def _with(card: Card, answer: Answer, row: NDArray[np.float64]) -> Answer:
    pairs = zip(card.criteria, map(float, row), strict=True)
    found = tuple((name, value) for name, value in pairs if name in card.thresholds)
    met = tuple(name for name, value in found if value >= card.thresholds[name])
    notes = answer.notes
    if card.positive is not None and answer.answer != card.positive:
        notes += tuple(f"{name} met, though {answer.answer}" for name in met)
    return answer._replace(criteria=found, met=met, notes=notes)
