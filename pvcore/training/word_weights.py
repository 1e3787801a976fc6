"""Fitting the words beside a network (pvcore.inference.word_weights), and how much they have to say."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvcore.inference.calibration import SMALLEST, best_temperature
from pvcore.inference.predict import Model
from pvcore.inference.word_weights import WordWeights, counts, features, mean, mean_odds, said
from pvcore.records import Example
from pvcore.training.labels import by_class

SHARE = 0.5
"""Of the words without a tune split to choose it on."""
SHARES = tuple(number / 10 for number in range(10))
"""What it is chosen among: words alone would leave the network unheard."""
FEW = 100
"""From so many rows on a word counts that two of them have; in fewer every one does."""


def add(model: Model, known: Sequence[Example], tune: Sequence[Example]) -> None:
    """Give a model the words of known rows, and their shares; of words without a say nothing is kept."""
    card = model.card
    answered = {number: name for number, name in enumerate(card.criteria) if name in card.thresholds}
    words, share, criteria_share = fit(known, card.labels, answered), 0.0, 0.0
    if words is not None:
        by_labels, by_criteria = said(words, [row.text for row in tune])
        share = best_share(model, words, by_labels, tune)
        criteria_share = best_criteria_share(model, words, by_criteria, tune)
    model.card = dataclasses.replace(card, word_share=share, criteria_share=criteria_share)
    model.word_weights = heard(words, share, criteria_share)


def fit(
    rows: Sequence[Example], labels: Sequence[str], criteria: Mapping[int, str] = MappingProxyType({})
) -> WordWeights | None:
    """TF-IDF of words and word pairs, then logistic regression; None where the rows are all alike or no word counts.

    As the gate's baseline has it (pvcore.evaluation.baseline), but classes are not weighted, so that its
    probabilities mean the same as the network's. `criteria` (by the card's numbers) that rows show both met and not met
    have a regression over the rows that know them. It depends on the rows and not on their order.
    """
    from threadpoolctl import threadpool_limits

    ordered = sorted(rows, key=lambda row: row.example_id)
    truth = np.array([labels.index(row.label) for row in ordered])
    if len(set(truth.tolist())) < 2:
        return None
    counted = counts([row.text for row in ordered])
    among = np.bincount(counted.indices, minlength=counted.shape[1])
    places = np.flatnonzero(among > (1 if len(ordered) >= FEW else 0)).astype(np.int32)
    if not len(places):
        return None
    rarity = (np.log((1 + len(ordered)) / (1 + among[places])) + 1).astype(np.float32)
    given = features(counted, places, rarity)
    with threadpool_limits(1):
        found = _regression().fit(given, truth)
        further = _criteria(ordered, given, criteria)
    weights, offsets = by_class(found)
    return WordWeights(
        found.classes_.astype(np.int32), places, rarity,
        weights.astype(np.float32), offsets.astype(np.float32),
        np.array([number for number, _, _ in further], np.int32),
        np.array([weights for _, weights, _ in further], np.float32).reshape(-1, len(places)),
        np.array([offset for _, _, offset in further], np.float32),
    )  # fmt: skip


def _regression() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10.0, max_iter=1000)


def _criteria(
    rows: Sequence[Example], given: Any, criteria: Mapping[int, str]
) -> list[tuple[int, NDArray[np.float64], float]]:
    """(number, weights, offset) of each criterion that rows show both met and not met; `given`: the rows' features."""
    found = []
    for number, name in criteria.items():
        known = [at for at, row in enumerate(rows) if name in (row.criteria or {})]
        met = np.array([(rows[at].criteria or {})[name] for at in known], bool)
        if len(met) and met.any() and not met.all():
            fitted = _regression().fit(given[known], met)
            found.append((number, fitted.coef_[0], float(fitted.intercept_[0])))
    return found


def heard(words: WordWeights | None, share: float, criteria_share: float) -> WordWeights | None:
    """The words that have a say: those of the labels, of the criteria, both or none."""
    if words is None or not (share or criteria_share):
        return None
    if not share:
        words = words._replace(labels=words.labels[:0], weights=words.weights[:0], offsets=words.offsets[:0])
    if not criteria_share:
        words = words._replace(
            criteria=words.criteria[:0],
            criteria_weights=words.criteria_weights[:0],
            criteria_offsets=words.criteria_offsets[:0],
        )
    return words


def best_share(
    model: Model, words: WordWeights, by_words: NDArray[np.float64], tune: Sequence[Example]
) -> float:
    """The share of SHARES with which the tune split's labels are most probable, the smallest of equals.

    `model` is the network alone; `by_words` are the words' probabilities of the labels, shape (tune, words.labels).

    Each at its best temperature: how sure an answer sounds is calibrated afterwards, and a network that is too sure of
    itself would give the words more than they know. SHARE without tune rows.
    """
    if model.head.probabilities is None:
        return 0.0
    if not tune:
        return SHARE
    network, _ = model.head.probabilities(model, [row.text for row in tune])
    truth = np.array([[row.label == label for label in model.card.labels] for row in tune])

    def loss(share: float) -> float:
        both = mean(network, by_words, words.labels, share)
        return best_temperature(np.log(np.maximum(both, SMALLEST)), truth)[1]

    return min(SHARES, key=loss)


def best_criteria_share(
    model: Model, words: WordWeights, by_words: NDArray[np.float64], tune: Sequence[Example]
) -> float:
    """As `best_share`, of the criteria that the words know: one share for all, over the tune rows that know each."""
    judged = model.head.judged
    if judged is None or not len(words.criteria):
        return 0.0
    names = [model.card.criteria[number] for number in words.criteria]
    known = [[at for at, row in enumerate(tune) if name in (row.criteria or {})] for name in names]
    if not any(known):
        return SHARE
    network = judged(model, [row.text for row in tune]).criteria
    truth = [
        np.array([(tune[at].criteria or {})[name] for at in rows], bool)
        for name, rows in zip(names, known, strict=True)
    ]

    def loss(share: float) -> float:
        both = mean_odds(network, by_words, words.criteria, share)[:, words.criteria]
        return sum(_surprise(both[rows, column], truth[column]) for column, rows in enumerate(known) if rows)

    return min(SHARES, key=loss)


def _surprise(met: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Negative log-likelihood of a criterion's truth under probabilities that it is met, at their best temperature."""
    both = np.stack([1 - met, met], axis=1)
    return best_temperature(np.log(np.maximum(both, SMALLEST)), np.stack([~truth, truth], axis=1))[1]
