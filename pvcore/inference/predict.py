"""A trained adapter as something to ask: the same question has the same bytes of an answer.

>>> model = load(adapter, base)                                       # doctest: +SKIP
>>> model.predict([("case-1", "She died of hepatic failure.")])[0].answer    # doctest: +SKIP
'serious'
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pvcore.errors import TrainingError
from pvcore.inference import backend, guardrails, word_weights, wordings
from pvcore.inference.base import base_digest, beside_digests
from pvcore.inference.card import Card
from pvcore.inference.guardrails import GuardrailPolicy
from pvcore.inference.heads import HEADS, Head
from pvcore.inference.model import load_adapter, load_base, load_tokenizer
from pvcore.inference.scoring import one_at_a_time
from pvcore.inference.word_weights import WordWeights
from pvcore.inference.wordings import Wordings
from pvcore.records import Example, Prediction, Question

if TYPE_CHECKING:
    import pandas as pd


Heard = TypeVar("Heard")


@dataclass
class Model:
    """An adapter on its base, ready to answer. `predict` is all there is to it.

    `kept` is what a head may keep between calls, such as the vectors of a dictionary's terms; it goes
    stale when the network is trained on. `prototypes` are unit vectors of training texts, shape (texts,
    hidden size), None for an adapter without guardrails. `wordings` are further names of terms,
    `word_weights` the words that are heard beside the network.
    """

    card: Card
    network: Any
    tokenizer: Any
    kept: dict[str, Any] = field(default_factory=dict, repr=False)
    prototypes: NDArray[np.float64] | None = field(default=None, repr=False)
    wordings: Wordings | None = field(default=None, repr=False)
    word_weights: WordWeights | None = field(default=None, repr=False)
    _heard: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def head(self) -> Head:
        """How answers are read off the network."""
        return HEADS[self.card.head]

    @contextlib.contextmanager
    def remembering(self) -> Iterator[None]:
        """Inside, a head that reads each text by itself asks the network once a text: it must not change there."""
        self._heard = {}
        try:
            yield
        finally:
            self._heard = None

    def once(self, texts: Sequence[str], ask: Callable[[Sequence[str]], Sequence[Heard]]) -> list[Heard]:
        """What `ask` says of each text; while `remembering` it is asked about new ones alone."""
        if self._heard is None:
            return list(ask(texts))
        new = [text for text in dict.fromkeys(texts) if text not in self._heard]
        self._heard.update(zip(new, ask(new), strict=True))
        return [self._heard[text] for text in texts]

    def predict(
        self,
        questions: Sequence[Example | Question | tuple[str, str]],
        *,
        terms: pd.DataFrame | None = None,
        version: str = "",
        dictionary: str | None = None,
        threads: int | None = None,
        policy: GuardrailPolicy | None = None,
        exact: bool = False,
    ) -> list[Prediction]:
        """One prediction a question (an Example, a Question or its id and text), in their order.

        An answer depends on its own text (and the terms) only: not on order, number or company. On a
        device where rows of one block can influence each other `exact` gives the same, one text at a
        time; the two ways may differ in the last digits of a score.
        `terms` (llt_code, llt_name) are what a coding model may answer; `version` and `dictionary`
        are written into the predictions. `policy` says what guardrails withhold (default:
        GuardrailPolicy()). Raises TrainingError for a coding model without terms.
        """
        asked = [
            Question(q.example_id, q.text, q.given) if isinstance(q, Example) else Question(*q)
            for q in questions
        ]
        texts = [question.text for question in asked]
        with backend.deterministic(threads), one_at_a_time(exact):
            found = self.head.answers(self, texts, terms)
            # The text of a set is a narrative, which no term's name looks like.
            verbatims = terms is not None and self.head.threshold is None
            names = _names(terms, {answer.answer for answer in found}) if verbatims else {}
            checks = guardrails.checked(self, asked, found, names, policy or GuardrailPolicy())
        made = []
        for question, got, (sure, passed) in zip(asked, found, checks, strict=True):
            stopped = any(check.outcome == "withhold" for check in passed)
            made.append(
                Prediction(
                    example_id=question.example_id,
                    answer="" if stopped else got.answer,
                    score=got.score,
                    ranked=got.ranked,
                    input_digest=got.asked.input_digest,
                    version=version,
                    dictionary=dictionary,
                    notes=(*got.notes, *(("one text at a time",) if exact else ())),
                    confidence=sure,
                    guardrails=passed,
                    withheld=got.answer if stopped else "",
                    criteria=got.criteria,
                    met=() if stopped else got.met,
                )
            )
        return made


def _names(terms: pd.DataFrame, codes: Collection[str]) -> dict[str, str]:
    """Names of those terms that were answered."""
    pairs = zip(terms["llt_code"].astype(str), terms["llt_name"].astype(str), strict=True)
    return {code: name for code, name in pairs if code in codes}


def load(adapter: Path, base: Path) -> Model:
    """The model of an adapter's folder on its base, both checked. Raises TrainingError.

    Weights, configuration and tokenizer of the base must be those that the adapter was trained on, and its head
    must still read a text as it did then.
    """
    card = Card.read(adapter)
    if card.head not in HEADS:
        raise TrainingError(f"{adapter}: its head {card.head!r} is of a later pv. Update pv.")
    if card.pooling != (pooling := HEADS[card.head].pooling):
        raise TrainingError(
            f"{adapter} is of a pv that pooled a text's states otherwise (pooling {card.pooling}, now {pooling}): "
            "its answers would mean nothing, and no candidate can be judged beside it. Begin a new workspace."
        )
    found = base_digest(base)
    if found != card.base_digest:
        raise TrainingError(f"{adapter} was trained on a base {card.base_digest}, {base} is {found}")
    beside = beside_digests(base)
    if beside != dict(card.base_files):
        names = sorted({n for n, d in set(beside.items()) ^ set(card.base_files.items())})
        raise TrainingError(f"{base}: {', '.join(names)} differ from those that {adapter} was trained with")
    network = load_base(base, head=card.head, labels=card.outputs, bits=card.bits, compute=card.compute)
    return Model(
        card,
        load_adapter(network, adapter),
        load_tokenizer(base),
        prototypes=guardrails.load_prototypes(adapter, card.prototypes),
        wordings=wordings.load(adapter, card.wordings),
        word_weights=word_weights.load(adapter, card.word_weights),
    )
