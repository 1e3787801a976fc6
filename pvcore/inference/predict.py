"""A trained adapter as something to ask: the same question has the same bytes of an answer.

>>> model = load(adapter, base)                                       # doctest: +SKIP
>>> model.predict([("case-1", "She died of hepatic failure.")])[0].answer    # doctest: +SKIP
'serious'
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pvcore.errors import TrainingError
from pvcore.inference import backend, scoring
from pvcore.inference.base import base_digest, beside_digests
from pvcore.inference.card import Card
from pvcore.inference.model import load_adapter, load_base, load_tokenizer
from pvcore.inference.text import ROWS, Encoded, encode
from pvcore.problems import problem
from pvcore.records import Example, Prediction, digest

if TYPE_CHECKING:
    import pandas as pd

RANKED = 5
CLOSE = 0.05
"""Nearer than this to the threshold (or to the runner-up), a prediction says that it is not sure."""

Question = Example | tuple[str, str]


@dataclass
class Model:
    """An adapter on its base, ready to answer. `predict` is all there is to it."""

    card: Card
    network: Any
    tokenizer: Any
    _terms: dict[str, tuple[list[str], np.ndarray]] = field(default_factory=dict, repr=False)

    def predict(
        self,
        questions: Sequence[Question],
        *,
        terms: pd.DataFrame | None = None,
        version: str = "",
        dictionary: str | None = None,
        threads: int | None = None,
    ) -> list[Prediction]:
        """One prediction a question (an Example or (id, text)), in their order.

        An answer depends on its own text (and the terms) only: not on order, number or company.
        `terms` (llt_code, llt_name) are what a coding model may answer; `version` and `dictionary`
        are written into the predictions. Raises TrainingError for a coding model without terms.
        """
        pairs = [(q.example_id, q.text) if isinstance(q, Example) else q for q in questions]
        with backend.deterministic(threads):
            if self.card.head == "embedding":
                if terms is None:
                    raise TrainingError("coding needs the terms of a dictionary: predict(..., terms=...)")
                found = self._rank(pairs, terms)
            else:
                found = self._classify(pairs)
        return [
            Prediction(name, answer, score, ranked, asked.input_digest, version, dictionary, notes)
            for (name, _), (answer, score, ranked, asked, notes) in zip(pairs, found, strict=True)
        ]

    def scores(self, texts: Sequence[str]) -> tuple[np.ndarray, list[Encoded]]:
        """Probabilities of the labels, shape (texts, labels), and the texts as they were put."""
        card = self.card
        if card.head == "classification":
            asked = [encode(self.tokenizer, value, card.max_tokens) for value in texts]
            return scoring.class_probabilities(self.network, self.tokenizer, asked), asked
        longest = max(len(scoring.completion(self.tokenizer, label)) for label in card.labels)
        prompt = problem(card.problem).prompt
        asked = [
            scoring.encode_prompt(self.tokenizer, prompt, value, card.max_tokens, longest) for value in texts
        ]
        return scoring.label_probabilities(self.network, self.tokenizer, asked, card.labels), asked

    def _classify(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[Any, ...]]:
        probabilities, asked = self.scores([text for _, text in pairs])
        return [
            (*decide(self.card, row), item, item.notes + _unsure(self.card, row))
            for row, item in zip(probabilities, asked, strict=True)
        ]

    def _rank(self, pairs: Sequence[tuple[str, str]], terms: pd.DataFrame) -> list[tuple[Any, ...]]:
        codes, vectors = self._embedded(terms)
        asked = [encode(self.tokenizer, text, self.card.max_tokens) for _, text in pairs]
        queries = scoring.embeddings(self.network, self.tokenizer, asked)
        results = []
        for start in range(0, len(asked), ROWS):
            # No BLAS: what it makes of a row can depend on the row's place in the matrix (seen with OpenBLAS's
            # Haswell kernel). Here every similarity is one sum over its own two vectors.
            similarity = np.einsum("qd,nd->qn", queries[start : start + ROWS], vectors)
            for row, item in zip(similarity, asked[start : start + ROWS], strict=False):
                best = _best(row, codes)
                close = len(best) > 1 and best[0][1] - best[1][1] < CLOSE / 2
                notes = (*item.notes, "two terms nearly as near") if close else item.notes
                results.append((best[0][0], best[0][1], best, item, notes))
        return results

    def _embedded(self, terms: pd.DataFrame) -> tuple[list[str], np.ndarray]:
        table = sorted(zip(terms["llt_code"].astype(str), terms["llt_name"].astype(str), strict=True))
        if not table:
            raise TrainingError("coding needs the terms of a dictionary: the table of terms is empty")
        key = digest(table)
        if key not in self._terms:
            asked = [encode(self.tokenizer, name, self.card.max_tokens) for _, name in table]
            vectors = scoring.embeddings(self.network, self.tokenizer, asked)
            self._terms.clear()  # one dictionary at a time: 80,000 terms take 120 MB
            self._terms[key] = [code for code, _ in table], vectors
        return self._terms[key]


def load(adapter: Path, base: Path) -> Model:
    """The model of an adapter's folder on its base, both checked. Raises TrainingError.

    Weights, configuration and tokenizer of the base must be those that the adapter was trained on.
    """
    card = Card.read(adapter)
    found = base_digest(base)
    if found != card.base_digest:
        raise TrainingError(f"{adapter} was trained on a base {card.base_digest}, {base} is {found}")
    beside = beside_digests(base)
    if beside != dict(card.base_files):
        names = sorted({n for n, d in set(beside.items()) ^ set(card.base_files.items())})
        raise TrainingError(f"{base}: {', '.join(names)} differ from those that {adapter} was trained with")
    network = load_base(base, head=card.head, labels=card.labels, bits=card.bits, compute=card.compute)
    return Model(card, load_adapter(network, adapter), load_tokenizer(base))


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


def _best(row: np.ndarray, codes: Sequence[str]) -> tuple[tuple[str, float], ...]:
    # Equal similarities go by code: the codes are sorted, and the sort is stable.
    order = np.argsort(-row, kind="stable")[:RANKED]
    return tuple((codes[i], float(row[i])) for i in order)
