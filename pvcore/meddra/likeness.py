"""Terms in the order of their likeness to a text, by letters alone, for a person to choose from.

TF-IDF over character n-grams of 2 to 4 inside words, as scikit-learn defines it (analyzer char_wb, smoothed
idf, cosine). A term's n-grams are those of its words and a dictionary has far fewer words than names, so the
n-grams are taken of each distinct word and multiplied into the names.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array

from pvcore.meddra.matching import EMPTY, Words, in_one_spelling, words_of

_SHORTEST, _LONGEST = 2, 4
_DIGITS = 6
"""Of a score. Equal scores go by the lower code, so that every machine gives the same ranking."""
_BLOCK = 64
_ROUGH = 1e-5
"""More than what single precision and rounding to _DIGITS can add to a cosine or take from it."""


class Likeness:
    """Cosines between texts and terms (llt_code, llt_name)."""

    def __init__(self, terms: pd.DataFrame) -> None:
        terms = terms.sort_values("llt_code")
        self.codes = np.array(terms["llt_code"].tolist(), dtype=object)
        words = words_of(terms["llt_name"].tolist())
        padded = _padded(words.distinct)
        self._letters = np.unique(_points(padded))
        grams, of = _grams(padded, self._letters)
        self._known, columns = np.unique(grams, return_inverse=True)
        self._in_word = _counts(of, columns, (len(padded), len(self._known)))
        self._words = _occurrences(words)
        counts = self._in_terms(self._words)
        frequency = (np.diff(counts.indptr) + 1).astype(np.float32)
        self._idf = np.log(np.float32(len(terms) + 1) / frequency) + np.float32(1)
        self._lengths = _lengths(self._weighted(counts), len(terms))

    def cosines(self, texts: Sequence[str], *, chunk: int = 64) -> Iterator[npt.NDArray[np.float32]]:
        """For every text the cosines with all terms, shape (terms,), in the order of `codes`."""
        index = self._index(np.arange(len(self.codes)))
        for start in range(0, len(texts), chunk):
            part = self._vectors(texts[start : start + chunk])
            yield from np.round((part @ index).toarray(), _DIGITS)

    def between(self, texts: Sequence[str], codes: Sequence[str]) -> npt.NDArray[np.float32]:
        """The cosine of every text with the term of the code beside it, shape (texts,)."""
        row = {code: row for row, code in enumerate(self.codes)}
        terms = self._index(np.array([row[code] for code in codes], dtype=int)).T.tocsr()
        return np.round(np.asarray(self._vectors(texts).multiply(terms).sum(axis=1)).ravel(), _DIGITS)

    def only(self, codes: Collection[str]) -> Likeness:
        """The same weights with fewer terms to compare with."""
        rows = np.array([row for row, code in enumerate(self.codes) if code in codes], dtype=int)
        fewer = copy.copy(self)
        fewer.codes, fewer._words, fewer._lengths = self.codes[rows], self._words[rows], self._lengths[rows]
        return fewer

    def rank(self, texts: Sequence[str], *, top: int = 5) -> list[list[str]]:
        """For every text the codes of the `top` likeliest terms, best first; none that shares nothing."""
        return [[code for code, _ in found] for found in self.scored(texts, top=top)]

    def scored(self, texts: Sequence[str], *, top: int = 5, chunk: int = 64) -> list[list[tuple[str, float]]]:
        """The same with the cosine of each."""
        ranked = []
        for start in range(0, len(texts), chunk):
            vectors = self._vectors(texts[start : start + chunk])
            terms, text = np.nonzero(self._near(vectors, top))
            among, column = np.unique(terms, return_inverse=True)
            cosines = np.round((vectors @ self._index(among)).toarray()[text, column], _DIGITS)
            order = np.lexsort((terms, -cosines, text))
            ends = np.searchsorted(text[order], np.arange(vectors.shape[0] + 1))
            for first, last in itertools.pairwise(ends):
                best = order[first:last][:top]
                ranked.append(
                    [(str(self.codes[terms[n]]), float(cosines[n])) for n in best if cosines[n] > 0]
                )
        return ranked

    def _near(self, vectors: csr_array, top: int) -> npt.NDArray[np.bool_]:
        """Terms that can be among the `top` of each text, shape (terms, texts).

        A cosine is a sum over the words of a term, which is quick to get nearly right: so only the best few
        are calculated to the last digit. The top-th best of the blocks' best is at most the top-th best of all.
        """
        by_word = (self._in_word.multiply(self._idf).tocsr() @ vectors.T.tocsr()).toarray()
        rough = (self._words @ by_word) / self._lengths.astype(np.float32)[:, None]
        blocks = range(0, len(rough), _BLOCK)
        if len(blocks) < top:
            return rough > 0
        best = np.maximum.reduceat(rough, blocks, axis=0)
        least = np.partition(best, -top, axis=0)[-top] - _ROUGH
        return (rough > 0) & (rough >= least)

    def _index(self, terms: npt.NDArray[np.int64]) -> csr_array:
        """The vectors of some terms, each of length one; shape (n-grams, terms)."""
        weights = self._weighted(self._in_terms(self._words[terms]))
        weights.data = (weights.data / self._lengths[terms][weights.indices]).astype(np.float32)
        return weights

    def _in_terms(self, words: csr_array) -> csr_array:
        """How often each n-gram is in each term, by the words of the terms; shape (n-grams, terms)."""
        return self._in_word.T.tocsr() @ words.T.tocsr()

    def _weighted(self, counts: csr_array) -> csr_array:
        """Counts, n-grams by terms, times the weights of the n-grams; changed in place."""
        counts.data *= np.repeat(self._idf, np.diff(counts.indptr))
        return counts

    def _vectors(self, texts: Sequence[str]) -> csr_array:
        """Shape (texts, n-grams), each of length one; an n-gram that no term has does not count."""
        words = words_of(texts)
        grams, of = _grams(_padded(words.distinct), self._letters)
        known = np.isin(grams, self._known)
        columns = np.searchsorted(self._known, grams[known])
        in_word = _counts(of[known], columns, (len(words.distinct), len(self._known)))
        by_gram = self._weighted((_occurrences(words) @ in_word).T.tocsr())
        lengths = _lengths(by_gram, len(texts))
        by_gram.data = (by_gram.data / lengths[by_gram.indices]).astype(np.float32)
        return by_gram.T.tocsr()


def _occurrences(words: Words) -> csr_array:
    """How often each text has each word, shape (texts, words)."""
    ones = np.ones(len(words.which), np.float32)
    return csr_array((ones, words.which, words.starts), shape=(len(words.starts) - 1, len(words.distinct)))


def _counts(rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], shape: tuple[int, int]) -> csr_array:
    return csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)


def _padded(words: Sequence[str]) -> list[str]:
    """Words of `exact` in American spelling with a blank on both sides; "" for an empty one."""
    return ["" if word in EMPTY else f" {word} " for word in in_one_spelling(words)]


def _points(texts: Sequence[str]) -> npt.NDArray[np.uint32]:
    return np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)


def _grams(
    padded: Sequence[str], letters: npt.NDArray[np.uint32]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """All n-grams of all words as numbers that are in the order of their texts, and the number of the word of each.

    16 bits for each character's place among the known `letters`, from 1 on: a dictionary has a few thousand
    at most. Characters that are not among them are one.
    """
    points = _points(padded)
    places = np.where(np.isin(points, letters), np.searchsorted(letters, points) + 1, 0xFFFF)
    places = places.astype(np.uint64)
    lengths = np.fromiter(map(len, padded), np.int64, len(padded))
    word = np.repeat(np.arange(len(padded)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(points))
    grams, of = [], []
    for length in range(_SHORTEST, _LONGEST + 1):
        start = np.flatnonzero(left >= length)
        of.append(word[start])
        shifts = [np.uint64(16 * (_LONGEST - 1 - at)) for at in range(length)]
        grams.append(sum((places[start + at] << shift for at, shift in enumerate(shifts)), np.uint64(0)))
    return np.concatenate(grams), np.concatenate(of)


def _lengths(weights: csr_array, number: int) -> npt.NDArray[np.float64]:
    """The length of every column's vector, shape (number,), 1 for nothing; squares are added from the first row
    on, in double precision.
    """
    squares = np.bincount(weights.indices, weights.data * weights.data, minlength=number)
    return np.sqrt(np.where(squares > 0, squares, 1))
