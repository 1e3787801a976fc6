"""Every term that a text mentions: the term's vector beside each stretch of the text, the nearest counts.

A narrative names several reactions, each in a few of its words, so its mean says little of any. The maximum
over tokens is ColBERT's late interaction (Khattab & Zaharia 2020) with one vector a term; the vector of a term is
the mean of its name's tokens, so it is held against means of up to LONGEST tokens in a row, too. A term that was
never trained on can be found, since its vector is made of its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pvcore.errors import TrainingError
from pvcore.evaluation.sets import best_cut, members
from pvcore.inference.heads.embedding import RANKED, embedded
from pvcore.inference.heads.head import Answer, Head
from pvcore.inference.scoring import Floats, in_blocks
from pvcore.inference.text import Encoded, encode
from pvcore.records import Example

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.inference.predict import Model

LONGEST = 6
"""Tokens of the longest stretch: most names of terms have as many or fewer."""
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
    """The last hidden state of every token, shape (texts, tokens, hidden size)."""
    return network(input_ids=ids, attention_mask=mask).last_hidden_state.float()


def beside(states: Any, mask: Any, vectors: Any) -> Any:
    """The cosine of each term with the stretch of tokens nearest to it, shape (texts, terms).

    `vectors` have length 1, and padding stands behind a text. Stretches of one length after the other, so that a
    large dictionary needs the memory of one.
    """
    import torch

    found, total = None, states
    for length in range(1, min(LONGEST, states.shape[1]) + 1):
        if length > 1:
            total = total[:, :-1] + states[:, length - 1 :]
        near = torch.nn.functional.normalize(total, dim=-1) @ vectors.T
        whole = mask[:, length - 1 :].unsqueeze(-1) != 0
        best = near.masked_fill(~whole, -1.0).amax(1)
        found = best if found is None else torch.maximum(found, best)
    return found


def threshold(model: Model, rows: Sequence[Example], terms: pd.DataFrame | None) -> float:
    """The similarity at which the answers to `rows` have the best micro F1."""
    codes, scores, _ = similarities(model, [row.text for row in rows], terms)
    cut = best_cut(scores.ravel(), members(rows, codes).ravel())
    return MIDDLE if cut is None else cut


MENTIONS = Head(
    name="mentions", task="FEATURE_EXTRACTION", auto="AutoModel", answers=answers, pooling="mean",
    threshold=threshold,
)  # fmt: skip
