"""The nearest term: a text and the names of the dictionary's terms as vectors of one encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pvcore.errors import TrainingError
from pvcore.inference.heads.head import Answer, Head
from pvcore.inference.nearest import nearest
from pvcore.inference.scoring import Floats, in_blocks, mean_state
from pvcore.inference.text import Encoded, encode
from pvcore.inference.windows import pooled, put
from pvcore.inference.wordings import LESS, NOTE, Wordings, distinct
from pvcore.records import Example

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.inference.predict import Model

RANKED = 5
CLOSE = 0.025
"""Two best terms nearer to each other than this are named as such."""


def answers(model: Model, texts: Sequence[str], terms: pd.DataFrame | None) -> list[Answer]:
    """The terms nearest to each text by cosine, each by its nearest name. Raises TrainingError without terms."""
    if terms is None:
        raise TrainingError("coding needs the terms of a dictionary: predict(..., terms=...)")
    codes, vectors, of = names(model, terms)
    own = len(codes)
    less = np.where(np.arange(len(of)) < own, 0.0, LESS)
    asked = [put(model.tokenizer, text, model.card)[0] for text in texts]
    queries = vectors_of(model, texts)
    results = []
    found = nearest(queries, vectors, RANKED, of=of, less=less)
    for query, item, best in zip(queries, asked, found, strict=True):
        ranked = tuple((codes[of[row]], similarity) for row, similarity in best)
        notes = item.notes
        if best[0][0] >= own:
            notes += (NOTE,)
        if len(ranked) > 1 and ranked[0][1] - ranked[1][1] < CLOSE:
            notes += ("two terms nearly as near",)
        results.append(Answer(*ranked[0], ranked, item, notes, features=query))
    return results


def names(model: Model, terms: pd.DataFrame) -> tuple[list[str], Floats, NDArray[np.int64]]:
    """Codes of the terms, sorted; vectors of all their names, shape (names, hidden size), the terms' own first; and
    the number of the term that each is a name of, shape (names,).
    """
    codes, vectors = embedded(model, terms)
    of = np.arange(len(codes))
    if model.wordings is None:
        return codes, vectors, of
    place = {code: number for number, code in enumerate(codes)}
    current = [row for row, code in enumerate(model.wordings.codes) if code in place]
    further = np.array([place[model.wordings.codes[row]] for row in current], np.int64)
    return codes, np.concatenate([vectors, model.wordings.vectors[current]]), np.concatenate([of, further])


def wordings(model: Model, rows: Sequence[Example]) -> Wordings:
    """What the rows call their terms, as the network sees it."""
    found = distinct(rows)
    return Wordings(tuple(code for _, code in found), vectors_of(model, [text for text, _ in found]))


def vectors_of(model: Model, texts: Sequence[str]) -> Floats:
    """Unit vectors of texts, shape (texts, hidden size)."""

    def ask(new: Sequence[str]) -> list[Floats]:
        parts = [put(model.tokenizer, text, model.card) for text in new]
        return list(pooled_embeddings(model.network, model.tokenizer, parts))

    found = model.once(texts, ask)
    return np.stack(found) if found else np.zeros((0, 1), np.float32)


def embedded(model: Model, terms: pd.DataFrame) -> tuple[list[str], Floats]:
    """Codes of the terms, sorted, and their vectors, shape (terms, hidden size).

    A vector is made once a name, and depends on nothing else: a new release costs its new names.
    """
    table = sorted(zip(terms["llt_code"].astype(str), terms["llt_name"].astype(str), strict=True))
    if not table:
        raise TrainingError("coding needs the terms of a dictionary: the table of terms is empty")
    new = sorted({name for _, name in table} - set(model.kept))
    asked = [encode(model.tokenizer, name, model.card.max_tokens) for name in new]
    model.kept.update(zip(new, embeddings(model.network, model.tokenizer, asked), strict=True))
    return [code for code, _ in table], np.stack([model.kept[name] for _, name in table])


def embeddings(network: Any, tokenizer: Any, encoded: Sequence[Encoded]) -> Floats:
    """Unit vectors, shape (texts, hidden size)."""
    return in_blocks(network, tokenizer, encoded, lambda ids, mask: embed(network, ids, mask))


def pooled_embeddings(network: Any, tokenizer: Any, parts: Sequence[Sequence[Encoded]]) -> Floats:
    """Unit vectors, shape (texts, hidden size): of a text's windows the mean, scaled to length 1 again."""
    found = embeddings(network, tokenizer, [part for own in parts for part in own])
    if len(found) == len(parts):
        return found
    vectors = pooled(found, parts)
    for row, own in enumerate(parts):
        if len(own) > 1:  # the others have length 1 already: scaled again they would depend on their company
            vectors[row] /= np.sqrt((vectors[row] ** 2).sum())
    return vectors


def embed(network: Any, ids: Any, mask: Any) -> Any:
    """Mean of the last hidden states over the text's tokens, scaled to length 1 (Reimers & Gurevych 2019)."""
    import torch

    mean = mean_state(network(input_ids=ids, attention_mask=mask).last_hidden_state, mask)
    return torch.nn.functional.normalize(mean, dim=-1)


EMBEDDING = Head(
    name="embedding", task="FEATURE_EXTRACTION", auto="AutoModel", answers=answers, pooling="mean"
)
