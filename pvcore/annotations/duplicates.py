"""Clusters of near-identical texts: exact after normalisation, then MinHash with banding, checked exactly.

Method: Broder 1997 (resemblance of shingle sets), Indyk and Motwani 1998 (banding). Every pair that the
bands propose is compared by its real Jaccard similarity, so the hash only decides what is compared.
Hashes are those of the words themselves, whatever the other texts and the machine; only in a bucket of many
do the others decide which of them are compared. 150,000 narratives of 40 words take some seconds on one core.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

PERMUTATIONS, BANDS = 64, 16
"""At a similarity of 0.8 a pair shares a band of 4 with probability 0.9998, at 0.6 with 0.89."""
STEPS = (1, 5, 7)
"""The bands are dealt three times, from every first, fifth and seventh number: no two have more than one in common."""
SHINGLE = 3
"""Words a shingle."""
_PAD = "#"
"""A word that no text has: a text of fewer than three words is one shingle, filled up with it."""
_CHUNK = 2**14
"""Shingles that are hashed at a time, so that they stay in the processor's cache."""
_WORD = re.compile(r"\w+")
_NO_WORD = str.maketrans({c: " " for c in map(chr, range(128)) if not _WORD.match(c)})
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


def clusters(texts: Sequence[str], *, threshold: float = 0.8) -> Ints:
    """Cluster of each text, as the position of the first text of it; shape (len(texts),).

    Two texts are in one cluster if they have the same words in the same order (case, punctuation and
    spaces aside), if the Jaccard similarity of their sets of word triples is `threshold` or more, or
    if a chain of such pairs joins them. A pair is found with the probability of BANDS and more; among thousands
    of texts of one template, which share most of their bands, a few pairs in a thousand may be passed over.
    """
    plain = [_plain(text) for text in texts]
    first: dict[str, int] = {}
    same = np.array([first.setdefault(words, i) for i, words in enumerate(plain)], dtype=np.int64)
    distinct = np.unique(same)
    if len(distinct) < 2:
        return same
    shingles, starts = _shingles([plain[i] for i in distinct])
    joined = _Union(len(distinct))

    @cache
    def triples(text: int) -> Hashes:
        return np.unique(shingles[starts[text] : starts[text + 1]])

    for left, right in _candidates(_signatures(shingles, starts)):
        if joined.find(left) == joined.find(right):
            continue
        if _similar(triples(left), triples(right), threshold):
            joined.merge(left, right)
    roots = np.array([joined.find(i) for i in range(len(distinct))], dtype=np.int64)
    return distinct[roots][np.searchsorted(distinct, same)]


def likeness(text: str, others: Sequence[str]) -> list[float]:
    """How alike a text is to each of others: the Jaccard similarity of their word triples, 1 for the same words."""
    if not others:
        return []
    shingles, starts = _shingles([_plain(text), *map(_plain, others)])
    own, *sets = [set(shingles[a:b].tolist()) for a, b in itertools.pairwise(starts.tolist())]
    return [len(own & found) / len(own | found) for found in sets]


def _plain(text: str) -> str:
    """The words of a text in small letters, with one space between."""
    text = text.lower()
    return " ".join(text.translate(_NO_WORD).split() if text.isascii() else _WORD.findall(text))


def _shingles(plain: Sequence[str]) -> tuple[Hashes, Ints]:
    """Hashes of the word triples of each text, end to end, and where each text starts."""
    filled = [t if t.count(" ") > 1 else " ".join([*t.split(), _PAD, _PAD, _PAD][:SHINGLE]) for t in plain]
    words = pc.split_pattern(pa.array(filled, pa.large_string()), " ")
    starts = words.offsets.to_numpy().astype(np.int64)
    coded = words.flatten().dictionary_encode()
    hashes = pd.util.hash_array(coded.dictionary.to_numpy(zero_copy_only=False).astype(object))
    flat = hashes[coded.indices.to_numpy()]
    triples = _mix(_mix(_mix(flat[:-2]) ^ flat[1:-1]) ^ flat[2:])
    inside = np.ones(len(flat), dtype=bool)
    inside[starts[1:] - 1] = inside[starts[1:] - 2] = False  # these would reach into the next text
    return triples[inside[:-2]], starts - (SHINGLE - 1) * np.arange(len(starts))


def _mix(values: Hashes) -> Hashes:
    """SplitMix64 (Steele et al. 2014): spreads neighbouring numbers over 64 bits."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))


def _signatures(shingles: Hashes, starts: Ints) -> npt.NDArray[np.uint32]:
    """MinHash signatures, shape (PERMUTATIONS, texts): smallest product with each of some odd numbers.

    An odd factor permutes the numbers of 32 bits (Dietzfelbinger et al. 1997, without their shift).
    """
    factors = _mix(np.arange(PERMUTATIONS, dtype=np.uint64)).astype(np.uint32) | np.uint32(1)
    short = shingles.astype(np.uint32)
    made = np.empty((PERMUTATIONS, len(starts) - 1), dtype=np.uint32)
    cuts = np.unique(
        np.searchsorted(starts, np.arange(0, len(short) + _CHUNK, _CHUNK)).clip(max=len(starts) - 1)
    )
    for low, high in itertools.pairwise(cuts):
        part = short[starts[low] : starts[high]]
        for i, factor in enumerate(factors):
            made[i, low:high] = np.minimum.reduceat(part * factor, starts[low:high] - starts[low])
    return made


def _candidates(signatures: npt.NDArray[np.uint32]) -> list[tuple[int, int]]:
    """Pairs that share a band: of each bucket, every text with its first and with the one before it.

    That is linear in the size of a bucket. A template's own words fill buckets with thousands of texts, so twins
    among them are found in one of the other bands' buckets, of which there are therefore many.
    """
    number, pairs = signatures.shape[1], []
    dealt = [np.arange(PERMUTATIONS) * step % PERMUTATIONS for step in STEPS]
    for band in np.concatenate(dealt).reshape(len(STEPS) * BANDS, -1):
        keys = np.zeros(number, dtype=np.uint64)
        for row in signatures[band]:
            keys = _mix(keys ^ row)
        order = np.argsort(keys, kind="stable")
        found = keys[order]
        new = np.concatenate([[True], found[1:] != found[:-1]])
        heads = order[np.flatnonzero(new)][np.cumsum(new) - 1]
        inside = np.flatnonzero(~new)
        pairs += [heads[inside] * number + order[inside], order[inside - 1] * number + order[inside]]
    # a stable order puts the text that comes first to the left
    unique = np.unique(np.concatenate(pairs))
    return list(zip((unique // number).tolist(), (unique % number).tolist(), strict=True))


def _similar(a: Hashes, b: Hashes, threshold: float) -> bool:
    small, large = sorted((len(a), len(b)))
    if small < threshold * large:
        return False
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared >= threshold * (len(a) + len(b) - shared)


class _Union:
    """Disjoint sets whose name is their smallest member."""

    def __init__(self, size: int) -> None:
        self.parent = list(range(size))

    def find(self, item: int) -> int:
        while self.parent[item] != item:
            self.parent[item] = self.parent[self.parent[item]]
            item = self.parent[item]
        return item

    def merge(self, a: int, b: int) -> None:
        a, b = self.find(a), self.find(b)
        self.parent[max(a, b)] = min(a, b)
