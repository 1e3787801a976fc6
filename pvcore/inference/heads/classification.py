"""A linear layer over an encoder's text: the probabilities of classes and criteria in one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pvcore.inference.heads.criteria import with_criteria
from pvcore.inference.heads.head import Answer, Head, Judged
from pvcore.inference.heads.labels import decided
from pvcore.inference.scoring import Floats, in_blocks, sigmoid, softmax
from pvcore.inference.text import Encoded, encode

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.inference.predict import Model


def probabilities(model: Model, texts: Sequence[str]) -> tuple[NDArray[np.float64], list[Encoded]]:
    """Probabilities of the labels, shape (texts, labels), and the texts as they were put."""
    found = judged(model, texts)
    return found.labels, found.asked


def judged(model: Model, texts: Sequence[str]) -> Judged:
    """Probabilities of labels and criteria. A criterion's own logit says how likely it is to be met."""
    asked = [encode(model.tokenizer, value, model.card.max_tokens) for value in texts]
    found, classes = logits(model.network, model.tokenizer, asked), len(model.card.labels)
    return Judged(softmax(found[:, :classes]), sigmoid(found[:, classes:]), asked)


def answers(model: Model, texts: Sequence[str], terms: pd.DataFrame | None) -> list[Answer]:
    """The label that the probabilities and the card's threshold decide for each text."""
    found = judged(model, texts)
    return with_criteria(model.card, decided(model, found.labels, found.asked), found.criteria)


def logits(network: Any, tokenizer: Any, encoded: Sequence[Encoded]) -> Floats:
    """The layer's outputs, shape (texts, outputs), each row from its own text alone."""
    found = in_blocks(network, tokenizer, encoded, lambda ids, mask: network(ids, mask).logits)
    return found if len(encoded) else np.zeros((0, network.config.num_labels), np.float32)


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
    names = [n for n, m in network.named_modules() if n.endswith("modules_to_save.default")]
    return network.get_submodule(names[0])


CLASSIFICATION = Head(
    name="classification",
    task="SEQ_CLS",
    auto="AutoModelForSequenceClassification",
    answers=answers,
    probabilities=probabilities,
    judged=judged,
    layer=True,
)
