"""Words beside a network: what each word and pair of words of a text says for itself of labels and criteria.

A network that learned from a few thousand texts misses words that few of them have; a list of weights knows those, and
nothing of what stands between words. Together they are right more often than either (docs/benchmarks/quality.md), and
the list is made anew from all rows in seconds, which a network is not. A word stands in it as its place in a hash
(Weinberger et al. 2009, arXiv 0902.2206), from 100 rows on only where two have it: the adapter holds no text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvcore.inference.base import file_digest
from pvcore.inference.calibration import SMALLEST
from pvcore.inference.card import beside
from pvcore.inference.scoring import sigmoid, softmax
from pvcore.inference.text import Encoded
from pvcore.records import digest

if TYPE_CHECKING:
    from pvcore.inference.predict import Model

FILE = "word_weights.safetensors"
"""Places, rarities and weights, beside the adapter; no other program reads it."""
PLACES = 2**20
"""Of the hash, a million: 124,273 narratives of VAERS have 217,359 words and word pairs that two of them have."""
AT_ONCE = 1000
"""Texts of which the words are held at the same time: eight times the texts themselves."""


class WordWeights(NamedTuple):
    """Weights of words and word pairs: `labels`, the numbers of the card's labels that rows had, in order; `places` of
    the hash that count, sorted, and their `rarity` (inverse document frequency), shape (places,); `weights`, shape
    (labels, places), and `offsets`, shape (labels,), of a multinomial logistic regression. `criteria` are the numbers
    of the card's criteria that the words know, in order, each with a regression of its own: shapes (criteria, places)
    and (criteria,).
    """

    labels: NDArray[np.int32]
    places: NDArray[np.int32]
    rarity: NDArray[np.float32]
    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]
    criteria: NDArray[np.int32]
    criteria_weights: NDArray[np.float32]
    criteria_offsets: NDArray[np.float32]


def counts(texts: Sequence[str]) -> Any:
    """How often each text has what stands at each place of the hash: sparse, shape (texts, PLACES)."""
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(
        ngram_range=(1, 2), n_features=PLACES, alternate_sign=False, norm=None, dtype=np.float64
    ).transform(texts)


def features(counted: Any, places: NDArray[np.int32], rarity: NDArray[np.float32]) -> Any:
    """TF-IDF of counts: 1 + log of a count times the rarity, rows of length one. Sparse, shape (texts, places)."""
    from sklearn.preprocessing import normalize

    found = counted[:, places].tocsr()
    found.data = 1 + np.log(found.data)
    return normalize(found.multiply(rarity.astype(np.float64)).tocsr(), copy=False)


def with_words(
    model: Model, texts: Sequence[str], labels: NDArray[np.float64], criteria: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The network's probabilities of labels, shape (texts, labels), and criteria, (texts, criteria), with the words'
    say in the card's shares.

    Each row depends on its own text alone.
    """
    words, card = model.word_weights, model.card
    if words is None or not texts or not (card.word_share or card.criteria_share):
        return labels, criteria
    by_labels, by_criteria = said(words, texts)
    if card.word_share:
        labels = mean(labels, by_labels, words.labels, card.word_share)
    if card.criteria_share:
        criteria = mean_odds(criteria, by_criteria, words.criteria, card.criteria_share)
    return labels, criteria


def as_read(model: Model, texts: Sequence[str], asked: Sequence[Encoded]) -> list[Encoded]:
    """The texts as they were put: named by the whole of them where words have a say, for those read what was cut."""
    if model.word_weights is None or not (model.card.word_share or model.card.criteria_share):
        return list(asked)
    return [
        replace(item, input_digest=digest(text.encode())) for item, text in zip(asked, texts, strict=True)
    ]


def said(words: WordWeights, texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities of the labels that rows of the words had, shape (texts, words.labels), and of the criteria that
    they know, (texts, words.criteria).
    """
    weights = np.concatenate([words.weights, words.criteria_weights]).T.astype(np.float64)
    parts = [texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE)]
    found = [features(counts(part), words.places, words.rarity) @ weights for part in parts]
    scores = np.concatenate([np.zeros((0, weights.shape[1])), *found])
    classes = len(words.labels)
    # In one piece: else the number of criteria decides in which order eight labels are summed.
    by_labels = np.ascontiguousarray(scores[:, :classes]) + words.offsets
    labels = softmax(by_labels) if classes else np.zeros((len(texts), 0))
    return labels, sigmoid(scores[:, classes:] + words.criteria_offsets)


def mean(
    network: NDArray[np.float64], words: NDArray[np.float64], labels: NDArray[np.int32], share: float
) -> NDArray[np.float64]:
    """The weighted mean of both logarithms as probabilities, shape of `network`.

    `words` says something of the columns `labels` alone; the others keep the network's probability.
    """
    # Rows in one piece, as `take` leaves them: else their company decides in which order eight labels are summed.
    own = np.take(network, labels, axis=1)
    logs = (1 - share) * np.log(np.maximum(own, SMALLEST)) + share * np.log(np.maximum(words, SMALLEST))
    result = network.copy()
    result[:, labels] = softmax(logs) * own.sum(axis=1, keepdims=True)
    return result


def mean_odds(
    network: NDArray[np.float64], words: NDArray[np.float64], criteria: NDArray[np.int32], share: float
) -> NDArray[np.float64]:
    """The weighted mean of both log-odds as probabilities, shape of `network`; `words` say something of the columns
    `criteria` alone.
    """
    result = network.copy()
    result[:, criteria] = sigmoid((1 - share) * _odds(network[:, criteria]) + share * _odds(words))
    return result


def _odds(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    kept = np.clip(probabilities, SMALLEST, 1 - SMALLEST)
    found: NDArray[np.float64] = np.log(kept) - np.log1p(-kept)
    return found


def save(found: WordWeights, folder: Path) -> str:
    """Write them into an adapter's folder; returns the SHA-256 of the file."""
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(v) for name, v in found._asdict().items()}, folder / FILE)
    return file_digest(folder / FILE)


def load(folder: Path, expected: str | None) -> WordWeights | None:
    """An adapter's word weights; None where its card names none. Raises TrainingError as `beside` does."""
    from safetensors.numpy import load_file

    if expected is None:
        return None
    found = load_file(beside(folder, FILE, expected))
    nothing = {  # an adapter of before knows the labels alone
        "criteria": np.zeros(0, np.int32),
        "criteria_weights": np.zeros((0, len(found["places"])), np.float32),
        "criteria_offsets": np.zeros(0, np.float32),
    }
    return WordWeights(**{**nothing, **found})
