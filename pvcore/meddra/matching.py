"""Names compared as a coder would: spelling, word order and empty words do not matter.

`key` makes two names equal that differ in nothing else; `Likeness` orders terms by likeness to a text
where no name is equal, for a person to choose from. Neither knows medicine.
"""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pvcore.meddra.vocabulary import american

_EMPTY = frozenset({"a", "an", "nos", "of", "the", "unspecified"})
_WORD = re.compile(r"[^\W_]+")
_FREE_ORDER = 3
"""Up to this many words their order is ignored: 'lung cancer with liver metastasis' and its converse
have the same words and are different diseases."""


def exact(text: str) -> str:
    """Case, accents, spaces and punctuation removed (Unicode 3.13, D146: compatibility caseless)."""
    if text.isascii():  # the same in a tenth of the time: ASCII has neither accents nor compatibility forms
        return " ".join(_WORD.findall(text.lower()))
    plain = unicodedata.normalize("NFD", text)
    for _ in range(2):  # a compatibility form can bring capitals back (U+2120 is 'SM'), so fold twice
        plain = unicodedata.normalize("NFKD", plain.casefold())
    return " ".join(_WORD.findall("".join(c for c in plain if not unicodedata.combining(c))))


def key(text: str) -> str:
    """Words in American spelling without the empty ones; short names in order of the alphabet."""
    words = _words(text)
    return " ".join(sorted(words) if len(words) <= _FREE_ORDER else words) or exact(text)


def _words(text: str) -> list[str]:
    return [word for word in american(exact(text)).split() if word not in _EMPTY]


class Likeness:
    """Cosines of TF-IDF over character n-grams (2-4, inside words) between texts and terms.

    `terms` has llt_code and llt_name. Scores are rounded to six digits and equal ones go by the lower
    code, so that the same input gives the same ranking on every machine.
    """

    def __init__(self, terms: pd.DataFrame) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer  # costs half a second to import

        terms = terms.sort_values("llt_code")
        self.codes = np.array(terms["llt_code"].tolist(), dtype=object)
        self._vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), dtype=np.float32)
        texts = [" ".join(_words(name)) for name in terms["llt_name"].tolist()]
        self._index = self._vectorizer.fit_transform(texts) if any(texts) else None
        self._row = {code: row for row, code in enumerate(self.codes)}

    def cosines(self, texts: Sequence[str], *, chunk: int = 64) -> Iterator[np.ndarray]:
        """For every text the cosines with all terms, shape (terms,), in the order of `codes`."""
        if self._index is None:
            yield from np.zeros((len(texts), len(self.codes)))
            return
        columns = self._index.T.tocsr()
        for start in range(0, len(texts), chunk):
            part = self._vectors(texts[start : start + chunk])
            yield from np.round((part @ columns).toarray(), 6)

    def between(self, texts: Sequence[str], codes: Sequence[str]) -> np.ndarray:
        """The cosine of every text with the term of the code beside it, shape (texts,)."""
        if self._index is None:
            return np.zeros(len(texts))
        terms = self._index[[self._row[code] for code in codes]]
        return np.round(np.asarray(self._vectors(texts).multiply(terms).sum(axis=1)).ravel(), 6)

    def only(self, codes: Collection[str]) -> Likeness:
        """The same weights with fewer terms to compare with."""
        rows = np.array([row for row, code in enumerate(self.codes) if code in codes], dtype=int)
        fewer = copy.copy(self)
        fewer.codes = self.codes[rows]
        fewer._index = None if self._index is None else self._index[rows]
        fewer._row = {code: row for row, code in enumerate(fewer.codes)}
        return fewer

    def rank(self, texts: Sequence[str], *, top: int = 5) -> list[list[str]]:
        """For every text the codes of the `top` likeliest terms, best first; none that shares nothing."""
        ranked = []
        for cosines in self.cosines(texts):
            least = np.partition(cosines, -top)[-top] if len(cosines) > top else 0.0
            found = np.flatnonzero((cosines >= least) & (cosines > 0))
            ranked.append(
                [str(self.codes[i]) for i in found[np.argsort(-cosines[found], kind="stable")][:top]]
            )
        return ranked

    def _vectors(self, texts: Sequence[str]) -> Any:
        return self._vectorizer.transform([" ".join(_words(text)) for text in texts])
