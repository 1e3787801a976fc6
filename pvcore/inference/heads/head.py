"""What a head is: a way in which a network's answer to a text is read off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvcore.evaluation.spans import DRUG, REACTION, Span, ordered
from pvcore.inference.text import Encoded
from pvcore.meddra.matching import exact
from pvcore.records import Example

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.inference.predict import Model


NEW_HEADS = ("classifier", "score")
"""What transformers names the new head of a classifier of texts or tokens."""


class Named(NamedTuple):
    """The drugs and the adverse events that an answer names, as texts in any spelling; each part of a term that
    stands in several is one of its own.
    """

    drugs: tuple[str, ...]
    events: tuple[str, ...]


def named(text: str, spans: Iterable[Span]) -> Named:
    """The terms that are marked in a text, in the order of their places; a sign without a word is none."""
    found: dict[str, dict[str, None]] = {DRUG: {}, REACTION: {}}
    for span in ordered(spans):
        parts = (text[start:end] for start, end in span.parts)
        found[span.label] |= dict.fromkeys(part for part in parts if exact(part))
    return Named(tuple(found[DRUG]), tuple(found[REACTION]))


class Answer(NamedTuple):
    """An answer with its score, the ranking (label, score) best first, the text as put, and remarks.

    `criteria` and `met` are those of a Prediction. What guardrails look at, where a head has it: `features`,
    shape (hidden size,), what the network made of the text, or else `parts`, what it was put in where that was
    not `asked`; `tokens`, the probabilities of what it said piece by piece; `named`, the terms it said.
    """

    answer: str
    score: float
    ranked: tuple[tuple[str, float], ...]
    asked: Encoded
    notes: tuple[str, ...]
    features: NDArray[Any] | None = None
    parts: tuple[Encoded, ...] = ()
    tokens: tuple[float, ...] = ()
    named: Named | None = None
    criteria: tuple[tuple[str, float], ...] = ()
    met: tuple[str, ...] = ()


class Judged(NamedTuple):
    """Probabilities of the card's labels, shape (texts, labels), and criteria, (texts, criteria); the texts as put."""

    labels: NDArray[np.float64]
    criteria: NDArray[np.float64]
    asked: list[Encoded]


@dataclass(frozen=True)
class Head:
    """How a kind of problem is put to a family of models.

    `task` is PEFT's name for it, `auto` the class of transformers that loads the base. `layer` says
    that a new layer stands on the base: it is not quantised and is trained whole. `answers` gives one
    answer a text, `probabilities` those of the card's labels, shape (texts, labels), for heads that
    choose among labels; `judged` says the same with the card's criteria. `threshold` chooses the card's on
    the tune split, for heads that choose sets. `tags` are what a new layer says of each label, where it says
    more than one thing. `pooling` is how a text's states become one vector, where they do: the base's own way is
    taken off then.
    """

    name: str
    task: str
    auto: str
    answers: Callable[[Model, Sequence[str], pd.DataFrame | None], list[Answer]]
    probabilities: Callable[[Model, Sequence[str]], tuple[NDArray[np.float64], list[Encoded]]] | None = None
    judged: Callable[[Model, Sequence[str]], Judged] | None = None
    threshold: Callable[[Model, Sequence[Example], pd.DataFrame | None], float] | None = None
    layer: bool = False
    pooling: str | None = None
    tags: tuple[str, ...] = ()

    def outputs(self, labels: Sequence[str]) -> tuple[str, ...]:
        """The names of a new layer's outputs: the labels, or each label with each tag."""
        return tuple(f"{tag}-{label}" for label in labels for tag in self.tags) or tuple(labels)

    @property
    def vectors(self) -> bool:
        """Whether it makes vectors of a dictionary's terms."""
        return self.task == "FEATURE_EXTRACTION"

    @property
    def causal(self) -> bool:
        """Whether the base is a language model that answers in its own words."""
        return self.task == "CAUSAL_LM"
