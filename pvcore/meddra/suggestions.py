"""Ranked terms for a person to choose from, where no rule decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from pvcore.meddra.likeness import Likeness

Nearest = Callable[[Sequence[str], pd.DataFrame], Sequence[Sequence[str]]]
"""Texts and the current LLTs (llt_code, llt_name) -> for every text codes, nearest first: an embedding model."""
LIKE = 0.5
"""From this cosine of character n-grams on, a term is like a text by its letters."""


def rank(
    texts: Sequence[str], terms: pd.DataFrame, *, top: int = 5, nearest: Nearest | None = None
) -> list[list[str]]:
    """Codes of the likeliest terms for every text: those as like as LIKE by their letters, then those
    that `nearest` finds, then the less like.
    """
    if not texts:
        return []
    lexical = Likeness(terms).scored(texts, top=top)
    if nearest is None:
        return [[code for code, _ in found] for found in lexical]
    ranked = []
    for found, near in zip(lexical, nearest(texts, terms), strict=True):
        like = [code for code, cosine in found if cosine >= LIKE]
        ranked.append(list(dict.fromkeys([*like, *near, *(code for code, _ in found)]))[:top])
    return ranked
