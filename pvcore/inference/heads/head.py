"""What a head is: a way in which a network's answer to a text is read off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvcore.inference.text import Encoded

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.inference.predict import Model


NEW_HEADS = ("classifier", "score")
"""What transformers names the new head of a sequence classifier."""


class Answer(NamedTuple):
    """An answer with its score, the ranking (label, score) best first, the text as put, and remarks."""

    answer: str
    score: float
    ranked: tuple[tuple[str, float], ...]
    asked: Encoded
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Head:
    """How a kind of problem is put to a family of models.

    `task` is PEFT's name for it, `auto` the class of transformers that loads the base. `layer` says
    that a new layer stands on the base: it is not quantised and is trained whole. `answers` gives one
    answer a text, `probabilities` those of the card's labels, shape (texts, labels), for heads that
    choose among labels.
    """

    name: str
    task: str
    auto: str
    answers: Callable[[Model, Sequence[str], pd.DataFrame | None], list[Answer]]
    probabilities: Callable[[Model, Sequence[str]], tuple[NDArray[np.float64], list[Encoded]]] | None = None
    layer: bool = False
    pooling: str | None = None

    @property
    def causal(self) -> bool:
        """Whether the base is a language model that answers in its own words."""
        return self.task == "CAUSAL_LM"
