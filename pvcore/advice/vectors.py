"""Texts as vectors of words: what two reports have in common, without any model.

TF-IDF of words, reduced by a truncated SVD (latent semantic analysis, Deerwester et al. 1990) and scaled to
length 1, so that a product of two is their cosine. The same texts give the same vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DIMENSIONS = 64


def vectors(texts: Sequence[str]) -> Floats:
    """Shape (texts, at most DIMENSIONS). A text without any known word is a vector of zeros."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not texts:
        return np.zeros((0, 1))
    words = TfidfVectorizer(sublinear_tf=True, stop_words="english", min_df=1 if len(texts) < 50 else 2)
    try:
        table = words.fit_transform(texts)
    except ValueError:  # no text has a word
        return np.zeros((len(texts), 1))
    size = min(DIMENSIONS, min(table.shape) - 1)
    with np.errstate(divide="ignore", invalid="ignore"):  # equal texts have no variance to explain
        found = TruncatedSVD(size, random_state=0).fit_transform(table) if size >= 1 else table.toarray()
    length = np.linalg.norm(found, axis=1, keepdims=True)
    scaled: Floats = np.divide(found, length, out=np.zeros_like(found), where=length > 0)
    return scaled
