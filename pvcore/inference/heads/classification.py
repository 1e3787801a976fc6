"""A linear layer over an encoder's text: the probabilities of classes and criteria in one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvcore.inference.heads.criteria import with_criteria
from pvcore.inference.heads.head import NEW_HEADS, Answer, Head, Judged
from pvcore.inference.heads.labels import decided
from pvcore.inference.scoring import Floats, in_blocks, mean_state, sigmoid, softmax
from pvcore.inference.text import Encoded
from pvcore.inference.windows import pooled, put
from pvcore.inference.word_weights import as_read, with_words

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.inference.predict import Model


def probabilities(model: Model, texts: Sequence[str]) -> tuple[NDArray[np.float64], list[Encoded]]:
    """Probabilities of the labels, shape (texts, labels), and the texts as they were put."""
    found = judged(model, texts)
    return found.labels, found.asked


def judged(model: Model, texts: Sequence[str]) -> Judged:
    """Probabilities of labels and criteria. A criterion's own logit says how likely it is to be met."""
    return _read(model, texts)[0]


def answers(model: Model, texts: Sequence[str], terms: pd.DataFrame | None) -> list[Answer]:
    """The label that the probabilities and the card's threshold decide for each text."""
    found, features = _read(model, texts)
    decisions = with_criteria(model.card, decided(model, found.labels, found.asked), found.criteria)
    return [item._replace(features=row) for item, row in zip(decisions, features, strict=True)]


class _Heard(NamedTuple):
    """What the network says of a text: probabilities of labels and criteria, features, and the text as put."""

    labels: NDArray[np.float64]
    criteria: NDArray[np.float64]
    features: Floats
    asked: Encoded


def _read(model: Model, texts: Sequence[str]) -> tuple[Judged, Floats]:
    """Probabilities with the texts as put, and features; those of a text's windows are pooled.

    Words beside the network (pvcore.inference.word_weights) read the whole text. By maximum a criterion is that of the
    window which meets it most, wherever the label was decided.
    """
    card = model.card
    heard = model.once(texts, partial(_asked, model))
    labels = np.array([row.labels for row in heard]).reshape(len(heard), len(card.labels))
    criteria = np.array([row.criteria for row in heard]).reshape(len(heard), len(card.criteria))
    features = np.array([row.features for row in heard], np.float32)
    asked = as_read(model, texts, [row.asked for row in heard])
    return Judged(*with_words(model, texts, labels, criteria), asked), features


def _asked(model: Model, texts: Sequence[str]) -> list[_Heard]:
    card = model.card
    parts = [put(model.tokenizer, value, card) for value in texts]
    found, features = read_off(model.network, model.tokenizer, [part for own in parts for part in own])
    classes, most = len(card.labels), card.pool == "max"
    by = card.labels.index(card.positive) if most and card.positive else None
    labels = pooled(softmax(found[:, :classes]), parts, by)
    columns = [
        pooled(column[:, None], parts, 0 if most else None) for column in sigmoid(found[:, classes:]).T
    ]
    criteria = np.hstack([np.zeros((len(texts), 0)), *columns])
    return [*map(_Heard, labels, criteria, pooled(features, parts), (own[0] for own in parts))]


def read_off(network: Any, tokenizer: Any, encoded: Sequence[Encoded]) -> tuple[Floats, Floats]:
    """The layer's outputs, shape (texts, outputs), and what it saw, shape (texts, hidden size), from one pass.

    Each row is from its own text alone.
    """
    import torch

    layer = classifier(network)

    def run(ids: Any, mask: Any) -> Any:
        seen = state(network, ids, mask)
        return torch.cat([layer(seen), seen], dim=1)

    both = in_blocks(network, tokenizer, encoded, run)
    outputs = layer.out_features
    return both[:, :outputs] if len(both) else np.zeros((0, outputs), np.float32), both[:, outputs:]


def states(network: Any, tokenizer: Any, encoded: Sequence[Encoded]) -> Floats:
    """What the layer gets to see of each text, shape (texts, hidden size)."""
    return in_blocks(network, tokenizer, encoded, lambda ids, mask: state(network, ids, mask))


def state(network: Any, ids: Any, mask: Any) -> Any:
    """The mean of each text's last hidden states, shape (texts, hidden size), in float32.

    Not the first token's: sentence encoders are trained to say a text in this mean (Reimers & Gurevych 2019), and
    guardrails measure from the same vector. From 2,000 reports of VAERS both learned equally well.
    """
    encoder = network.get_base_model().base_model
    return mean_state(encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask).float()


def logits(network: Any, ids: Any, mask: Any) -> Any:
    """The layer's outputs, shape (texts, outputs): labels, then criteria."""
    return classifier(network)(state(network, ids, mask))


def classifier(network: Any) -> Any:
    """The linear layer that PEFT trains whole on top of a sequence classifier."""
    children = dict(network.get_base_model().named_children())
    return next(children[name] for name in NEW_HEADS if name in children).modules_to_save["default"]


CLASSIFICATION = Head(
    name="classification",
    task="SEQ_CLS",
    auto="AutoModelForSequenceClassification",
    answers=answers,
    probabilities=probabilities,
    judged=judged,
    layer=True,
    pooling="mean",
)
