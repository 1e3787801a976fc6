"""Every term that a text mentions: the term's vector beside each token of the text, the nearest counts.

A narrative names several reactions, each in a few of its words, so its mean says little of any. The maximum
over tokens is ColBERT's late interaction (Khattab & Zaharia 2020) with one vector a term. A term that was
never trained on can be found, since its vector is made of its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pvcore.errors import TrainingError
from pvcore.evaluation.sets import best_cut
from pvcore.inference.heads.embedding import RANKED, embedded
from pvcore.inference.heads.head import Answer, Head
from pvcore.inference.scoring import Floats, in_blocks
from pvcore.inference.text import Encoded, encode
from pvcore.records import Example

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.inference.predict import Model

MIDDLE = 0.5
"""The similarity that training draws mentioned and other terms apart at, and the threshold without a tune split."""


def answers(model: Model, texts: Sequence[str], terms: pd.DataFrame | None) -> list[Answer]:
    """The codes at or above the card's threshold, in order and with a space between; "" for none.

    Raises TrainingError without terms.
    """
    codes, scores, asked = similarities(model, texts, terms)
    threshold = MIDDLE if model.card.threshold is None else model.card.threshold
    found = []
    for row, item in zip(scores, asked, strict=True):
        order = np.argsort(-row, kind="stable")[:RANKED]
        ranked = tuple((codes[i], float(row[i])) for i in order)
        answer = " ".join(codes[i] for i in np.flatnonzero(row >= threshold))
        found.append(Answer(answer, ranked[0][1], ranked, item, item.notes))
    return found


def similarities(
    model: Model, texts: Sequence[str], terms: pd.DataFrame | None
) -> tuple[list[str], Floats, list[Encoded]]:
    """Codes of the terms, their similarity to each text, shape (texts, terms), and the texts as put."""
    import torch

    if terms is None:
        raise TrainingError("coding needs the terms of a dictionary: predict(..., terms=...)")
    codes, vectors = embedded(model, terms)
    asked = [encode(model.tokenizer, text, model.card.max_tokens) for text in texts]
    columns = torch.from_numpy(vectors).to(next(model.network.parameters()).device)
    scores = in_blocks(
        model.network, model.tokenizer, asked, lambda ids, mask: beside(tokens(model.network, ids, mask), mask, columns)
    )  # fmt: skip
    return codes, scores, asked


def tokens(network: Any, ids: Any, mask: Any) -> Any:
    """The last hidden state of every token, scaled to length 1, shape (texts, tokens, hidden size)."""
    import torch

    hidden = network(input_ids=ids, attention_mask=mask).last_hidden_state
    return torch.nn.functional.normalize(hidden.float(), dim=-1)


def beside(states: Any, mask: Any, vectors: Any) -> Any:
    """The cosine of each term with the token nearest to it, shape (texts, terms)."""
    found = states @ vectors.T
    return found.masked_fill(mask.unsqueeze(-1) == 0, -1.0).amax(1)


def threshold(model: Model, rows: Sequence[Example], terms: pd.DataFrame | None) -> float:
    """The similarity at which the answers to `rows` have the best micro F1."""
    codes, scores, _ = similarities(model, [row.text for row in rows], terms)
    column = {code: number for number, code in enumerate(codes)}
    right = np.zeros(scores.shape, bool)
    for number, row in enumerate(rows):
        right[number, [column[code] for code in row.label.split() if code in column]] = True
    cut = best_cut(scores.ravel(), right.ravel())
    return MIDDLE if cut is None else cut


MENTIONS = Head(
    name="mentions", task="FEATURE_EXTRACTION", auto="AutoModel", answers=answers, pooling="mean",
    threshold=threshold,
)  # fmt: skip
