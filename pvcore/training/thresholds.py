"""From which probability an answer counts: chosen on the tune split, for the label and for every criterion."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from pvcore.inference.card import Card
from pvcore.inference.predict import Model
from pvcore.records import Example


def best_threshold(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """The threshold of the best F1: half-way between two neighbouring scores, the lowest of equals.

    0.5 where the rows do not hold both classes.
    """
    if all(positive) or not any(positive):
        return 0.5
    pairs = sorted(zip(scores, positive, strict=True), reverse=True)
    total, hits, best = sum(positive), 0, (-1.0, 0.5)
    for number, (score, true) in enumerate(pairs, 1):
        hits += true
        below = pairs[number][0] if number < len(pairs) else 0.0
        value = 2 * hits / (number + total)
        if score > below and value >= best[0]:
            best = (value, (score + below) / 2)
    return best[1]


def learnable(card: Card, rows: Sequence[Example], parent: Path | None) -> Card:
    """The card with a threshold of 0.5 for every criterion that can be answered.

    That is one which the parent answers, or which `rows` show both met and not met: where nobody said that
    a criterion is met, a model would only learn to deny it.
    """
    before = Card.read(parent).thresholds if parent is not None else {}
    seen = {(name, met) for row in rows for name, met in (row.criteria or {}).items()}
    found = [name for name in card.criteria if name in before or {(name, False), (name, True)} <= seen]
    return dataclasses.replace(card, thresholds=dict.fromkeys(found, 0.5))


def with_thresholds(model: Model, tune: Sequence[Example]) -> Card:
    """The model's card with the threshold of each criterion that `tune` chooses among the rows that know it."""
    card, judged = model.card, model.head.judged
    if not card.thresholds or judged is None or not tune:
        return card
    scores = judged(model, [row.text for row in tune]).criteria
    chosen = {}
    for name in card.thresholds:
        column = scores[:, card.criteria.index(name)].tolist()
        known = [(score, row.criteria[name]) for score, row in zip(column, tune, strict=True)
                 if row.criteria and name in row.criteria]  # fmt: skip
        chosen[name] = best_threshold([score for score, _ in known], [met for _, met in known])
    return dataclasses.replace(card, thresholds=chosen)
