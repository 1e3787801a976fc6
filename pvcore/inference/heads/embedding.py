"""The nearest term: a text and the dictionary's terms as vectors of one encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pvcore.errors import TrainingError
from pvcore.inference.heads.head import Answer, Head
from pvcore.inference.scoring import Floats, in_blocks, mean_state
from pvcore.inference.text import ROWS, Encoded, encode
from pvcore.inference.windows import pooled, put
from pvcore.records import digest

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.inference.predict import Model

RANKED = 5
CLOSE = 0.025
"""Two best terms nearer to each other than this are named as such."""


def answers(model: Model, texts: Sequence[str], terms: pd.DataFrame | None) -> list[Answer]:
    """The terms nearest to each text by cosine. Raises TrainingError without terms."""
    if terms is None:
        raise TrainingError("coding needs the terms of a dictionary: predict(..., terms=...)")
    codes, vectors = embedded(model, terms)
    parts = [put(model.tokenizer, text, model.card) for text in texts]
    asked = [own[0] for own in parts]
    queries = pooled_embeddings(model.network, model.tokenizer, parts)
    results = []
    for start in range(0, len(asked), ROWS):
        # No BLAS: what it makes of a row can depend on the row's place in the matrix (seen with OpenBLAS's
        # Haswell kernel). Here every similarity is one sum over its own two vectors.
        block = slice(start, start + ROWS)
        similarity = np.einsum("qd,nd->qn", queries[block], vectors)
        for row, item, query in zip(similarity, asked[block], queries[block], strict=True):
            best = _best(row, codes)
            close = len(best) > 1 and best[0][1] - best[1][1] < CLOSE
            notes = (*item.notes, "two terms nearly as near") if close else item.notes
            results.append(Answer(*best[0], best, item, notes, features=query))
    return results


def embedded(model: Model, terms: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """Codes of the terms, sorted, and their vectors, shape (terms, hidden size); made once a dictionary."""
    table = sorted(zip(terms["llt_code"].astype(str), terms["llt_name"].astype(str), strict=True))
    if not table:
        raise TrainingError("coding needs the terms of a dictionary: the table of terms is empty")
    key = digest(table)
    if key not in model.kept:
        asked = [encode(model.tokenizer, name, model.card.max_tokens) for _, name in table]
        vectors = embeddings(model.network, model.tokenizer, asked)
        model.kept.clear()  # one dictionary at a time: 80,000 terms take 120 MB
        model.kept[key] = [code for code, _ in table], vectors
    found: tuple[list[str], np.ndarray] = model.kept[key]
    return found


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


def _best(row: np.ndarray, codes: Sequence[str]) -> tuple[tuple[str, float], ...]:
    # Equal similarities go by code: the codes are sorted, and the sort is stable.
    order = np.argsort(-row, kind="stable")[:RANKED]
    return tuple((codes[i], float(row[i])) for i in order)


EMBEDDING = Head(
    name="embedding", task="FEATURE_EXTRACTION", auto="AutoModel", answers=answers, pooling="mean"
)
