"""Probabilities of labels -> an answer: what all heads that choose among labels share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pvcore.inference.card import Card
from pvcore.inference.heads.head import Answer
from pvcore.inference.text import Encoded

if TYPE_CHECKING:
    from pvcore.inference.predict import Model

CLOSE = 0.05
"""Nearer than this to the threshold, a prediction says that it is not sure."""


def decided(model: Model, probabilities: NDArray[np.float64], asked: Sequence[Encoded]) -> list[Answer]:
    """The answer to each row of label probabilities."""
    return [
        Answer(*decide(model.card, row), item, item.notes + _unsure(model.card, row))
        for row, item in zip(probabilities, asked, strict=True)
    ]


def decide(card: Card, probabilities: np.ndarray) -> tuple[str, float, tuple[tuple[str, float], ...]]:
    """(answer, score, ranked) of one row of label probabilities.

    The score is the probability of the positive label, or of the best one where none is named.
    """
    ranked = sorted(
        zip(card.labels, map(float, probabilities), strict=True), key=lambda pair: (-pair[1], pair[0])
    )
    if card.positive is None:
        return ranked[0][0], ranked[0][1], tuple(ranked)
    score = float(probabilities[card.labels.index(card.positive)])
    if card.threshold is None:
        return ranked[0][0], score, tuple(ranked)
    others = [label for label, _ in ranked if label != card.positive]
    return (card.positive if score >= card.threshold else others[0]), score, tuple(ranked)


def _unsure(card: Card, probabilities: np.ndarray) -> tuple[str, ...]:
    if card.positive is None or card.threshold is None:
        return ()
    distance = abs(float(probabilities[card.labels.index(card.positive)]) - card.threshold)
    return (f"within {CLOSE} of the threshold",) if distance < CLOSE else ()
