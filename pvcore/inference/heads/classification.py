"""A linear layer over an encoder's text: the classes' probabilities in one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pvcore.inference.heads.head import NEW_HEADS, Answer, Head
from pvcore.inference.heads.labels import decided
from pvcore.inference.scoring import Floats, in_blocks, softmax
from pvcore.inference.text import Encoded, encode

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.inference.predict import Model


def probabilities(model: Model, texts: Sequence[str]) -> tuple[NDArray[np.float64], list[Encoded]]:
    """Probabilities of the labels, shape (texts, labels), and the texts as they were put."""
    asked = [encode(model.tokenizer, value, model.card.max_tokens) for value in texts]
    return class_probabilities(model.network, model.tokenizer, asked), asked


def answers(model: Model, texts: Sequence[str], terms: pd.DataFrame | None) -> list[Answer]:
    """The label that the probabilities and the card's threshold decide for each text."""
    return decided(model, *probabilities(model, texts))


def class_probabilities(network: Any, tokenizer: Any, encoded: Sequence[Encoded]) -> NDArray[np.float64]:
    """Probabilities, shape (texts, labels), each row from its own text alone."""
    return softmax(in_blocks(network, tokenizer, encoded, lambda ids, mask: network(ids, mask).logits))


def head_inputs(network: Any, tokenizer: Any, encoded: Sequence[Encoded]) -> Floats:
    """What the classification head gets to see of each text, shape (texts, hidden size)."""
    head = classifier(network)
    seen: list[Any] = []
    hook = head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    try:

        def run(ids: Any, mask: Any) -> Any:
            seen.clear()
            network(ids, mask)
            return seen[0]

        return in_blocks(network, tokenizer, encoded, run)
    finally:
        hook.remove()


def classifier(network: Any) -> Any:
    """The linear layer that PEFT trains whole on top of a sequence classifier."""
    ends = tuple(f".{name}.modules_to_save.default" for name in NEW_HEADS)
    return network.get_submodule(next(n for n, _ in network.named_modules() if n.endswith(ends)))


CLASSIFICATION = Head(
    name="classification",
    task="SEQ_CLS",
    auto="AutoModelForSequenceClassification",
    answers=answers,
    probabilities=probabilities,
    layer=True,
)
