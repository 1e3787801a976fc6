"""Fitting the words beside a network (pvcore.inference.word_weights), and how much they have to say."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from pvcore.inference.calibration import SMALLEST, best_temperature
from pvcore.inference.predict import Model
from pvcore.inference.word_weights import WordWeights, counts, features, mean, said
from pvcore.records import Example
from pvcore.training.labels import by_class

SHARE = 0.5
"""Of the words without a tune split to choose it on."""
SHARES = tuple(number / 10 for number in range(10))
"""What it is chosen among: words alone would leave the network unheard."""
FEW = 100
"""From so many rows on a word counts that two of them have; in fewer every one does."""


def add(model: Model, known: Sequence[Example], tune: Sequence[Example]) -> None:
    """Give a model the words of known rows, and their share; of words without a say nothing is kept."""
    model.word_weights = fit(known, model.card.labels)
    share = best_share(model, tune)
    model.card = dataclasses.replace(model.card, word_share=share)
    if not share:
        model.word_weights = None


def fit(rows: Sequence[Example], labels: Sequence[str]) -> WordWeights | None:
    """TF-IDF of words and word pairs, then logistic regression; None where the rows are all alike or no word counts.

    As the gate's baseline has it (pvcore.evaluation.baseline), but classes are not weighted, so that its
    probabilities mean the same as the network's. It depends on the rows and not on their order.
    """
    from sklearn.linear_model import LogisticRegression
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
    with threadpool_limits(1):
        found = LogisticRegression(C=10.0, max_iter=1000).fit(features(counted, places, rarity), truth)
    weights, offsets = by_class(found)
    return WordWeights(
        found.classes_.astype(np.int32), places, rarity,
        weights.astype(np.float32), offsets.astype(np.float32),
    )  # fmt: skip


def best_share(model: Model, tune: Sequence[Example]) -> float:
    """The share of SHARES with which the tune split's labels are most probable, the smallest of equals.

    Each at its best temperature: how sure an answer sounds is calibrated afterwards, and a network that is too sure of
    itself would give the words more than they know. SHARE without tune rows, 0 without words.
    """
    words = model.word_weights
    if words is None or model.head.probabilities is None:
        return 0.0
    if not tune:
        return SHARE
    texts = [row.text for row in tune]
    network, _ = model.head.probabilities(model, texts)
    by_words = said(words, texts)
    truth = np.array([[row.label == label for label in model.card.labels] for row in tune])

    def loss(share: float) -> float:
        both = mean(network, by_words, words.labels, share)
        return best_temperature(np.log(np.maximum(both, SMALLEST)), truth)[1]

    return min(SHARES, key=loss)
