"""Names compared as a coder would: case, spelling, word order, plural and empty words do not matter.

`key` makes two names equal that differ in nothing else; it knows no medicine. The rules are written down in
docs/reference/migration.md, with examples of both sides. `bags` sieves many texts for equal keys at once.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

EMPTY = frozenset({"an", "nos", "of", "the", "unspecified"})
"""Not 'a': hepatitis A is not hepatitis."""
_WORD = re.compile(r"[^\W_]+")
_LOWER = bytes(
    byte if byte >= 0x80 or chr(byte).isalnum() else ord(" ") for byte in bytes(range(256)).lower()
)
"""What `exact` makes of ASCII, byte by byte; others are left as they are."""
_SPELLING: tuple[tuple[str, str], ...] = (
    ("haem", "hem"), ("aemi", "emi"), ("oedem", "edem"), ("oesoph", "esoph"), ("oestr", "estr"),
    ("foet", "fet"), ("faec", "fec"), ("caec", "cec"), ("paed", "ped"), ("aesth", "esth"),
    ("aetiol", "etiol"), ("gynaec", "gynec"), ("rrhoe", "rrhe"), ("pnoe", "pne"), ("coeli", "celi"),
    ("leuco", "leuko"), ("sulph", "sulf"), ("tumour", "tumor"), ("colour", "color"),
    ("behaviour", "behavior"), ("labour", "labor"), ("centre", "center"), ("fibre", "fiber"),
    ("isation", "ization"),
)  # fmt: skip
"""British and American spelling of word parts, for comparison alone. No two of them make one word of two."""
_INVARIANT = frozenset({
    "aids", "albicans", "ascites", "biceps", "caries", "diabetes", "facies", "feces", "forceps",
    "fulminans", "herpes", "hives", "langerhans", "lens", "measles", "menses", "mers", "migrans", "mumps",
    "nigricans", "quadriceps", "rabies", "rickets", "sars", "scabies", "series", "shingles", "species",
    "tabes", "triceps", "yaws",
})  # fmt: skip
"""Words that end as a plural does and are none, or are another word without their end (AIDS, MERS)."""
_IRREGULAR: dict[str, str] = {
    "bullae": "bulla", "calculi": "calculus", "crises": "crisis", "emboli": "embolus", "fetuses": "fetus",
    "fungi": "fungus", "gases": "gas", "metastases": "metastasis", "petechiae": "petechia",
    "sinuses": "sinus", "testes": "testis", "thrombi": "thrombus", "varices": "varix", "viruses": "virus",
}  # fmt: skip
_PLURALS = (
    (re.compile(r"(?<=[a-z]{2})ies$"), "y"),  # allergies, biopsies
    (re.compile(r"(?<=[a-z]{2}[^d])oses$"), "osis"),  # thromboses, diagnoses; not doses, overdoses
    (re.compile(r"(?<=[a-z])yses$"), "ysis"),  # paralyses
    (re.compile(r"(?<=ache)s$"), ""),  # headaches
    (re.compile(r"(?<=ss|sh|ch)es$|(?<=x)es$"), ""),  # abscesses, rashes, stitches, reflexes
    (re.compile(r"(?<=[^aious])s$"), ""),  # stones; not virus, sepsis, stress, gas
)
_SINGULAR_LENGTH = 4
"""Shorter words are left alone: 'gas', 'pus', 'yes'."""
_FREE_ORDER = 3
"""Up to this many words their order is ignored: 'lung cancer with liver metastasis' and its converse
have the same words and are different diseases."""
_RELATIONS = frozenset({
    "after", "before", "by", "due", "during", "following", "for", "from", "in", "into", "no", "non", "not",
    "on", "to", "versus", "with", "without",
})  # fmt: skip
"""Words that say how those around them belong together; with one of them the order always counts:
'fever without rash' is not 'rash without fever'."""


def exact(text: str) -> str:
    """Case, accents, spaces and punctuation removed (Unicode 3.13, D146: compatibility caseless)."""
    if text.isascii():  # the same in a tenth of the time: ASCII has neither accents nor compatibility forms
        return " ".join(_WORD.findall(text.lower()))
    plain = unicodedata.normalize("NFD", text)
    for _ in range(2):  # a compatibility form can bring capitals back (U+2120 is 'SM'), so fold twice
        plain = unicodedata.normalize("NFKD", plain.casefold())
    return " ".join(_WORD.findall("".join(c for c in plain if not unicodedata.combining(c))))


def key(text: str) -> str:
    """Words in one spelling and in the singular, without the empty ones; short names in order of
    the alphabet.
    """
    words = [singular(word) for word in _words(text)]
    free = len(words) <= _FREE_ORDER and _RELATIONS.isdisjoint(words)
    return " ".join(sorted(words) if free else words) or exact(text)


def key_of(language: str) -> Callable[[str], str]:
    """What makes two names of a release in this language the same words: `key` in English, else `exact`.

    The rules of `key` are those of English: elsewhere it does not see the relation in 'fièvre sans éruption'.
    """
    return key if language.casefold() == "english" else exact


def _one_spelling(text: str) -> str:
    """A lower-case text as it is compared: word parts that are spelled in two ways are spelled in one."""
    for british, us in _SPELLING:
        text = text.replace(british, us)
    return text


def in_one_spelling(words: Sequence[str]) -> list[str]:
    """Many words of `exact` with their parts in one spelling, in one go."""
    return _one_spelling("\n".join(words)).split("\n") if words else []


def singular(word: str) -> str:
    """A lower-case English word without its plural ending; a word that may be no plural stays."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < _SINGULAR_LENGTH or word in _INVARIANT or not word.endswith("s"):
        return word
    for ending, one in _PLURALS:
        if ending.search(word):
            return ending.sub(one, word)
    return word


def _words(text: str) -> list[str]:
    return [word for word in _one_spelling(exact(text)).split() if word not in EMPTY]


@dataclass(frozen=True, eq=False)
class Words:
    """The words of many texts, as in `exact` of each.

    `which` has their numbers in `distinct`, text after text; those of text i are from starts[i] to starts[i + 1].
    """

    distinct: list[str]
    which: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]


def words_of(texts: Sequence[str]) -> Words:
    """All texts taken apart in one go: what `exact(text).split()` gives for each of them."""
    plain = [text if text.isascii() else exact(text) for text in texts]
    joined = (" ".join(plain) + " ").encode().translate(_LOWER)
    letters = np.frombuffer(b" " + joined, np.uint8) != ord(" ")
    edges = np.flatnonzero(letters[1:] != letters[:-1])
    begin, end = edges[::2], edges[1::2]
    buffers = [None, pa.py_buffer(_ends(end - begin)), pa.py_buffer(joined.replace(b" ", b""))]
    words = pa.Array.from_buffers(pa.large_string(), len(begin), buffers).dictionary_encode()
    lengths = pc.binary_length(pa.array(plain, pa.large_string())).to_numpy()
    starts = np.searchsorted(begin, _ends(lengths + 1))
    return Words(words.dictionary.to_pylist(), words.indices.to_numpy(), starts)


def bag(text: str) -> int:
    """A number that two texts share if they have the same `key`, and by rare chance or in another order of
    their words if they have not: a sieve, not a decision.
    """
    return sum(map(_number, _one_spelling(exact(text)).split()))


def bags(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """`bag` of every text, shape (texts,): the work is for each distinct word, not for each text."""
    words = words_of(texts)
    numbers = np.array([_number(word) for word in in_one_spelling(words.distinct)], np.int64)
    totals = _ends(numbers[words.which])
    return totals[words.starts[1:]] - totals[words.starts[:-1]]


def _number(word: str) -> int:
    return 0 if word in EMPTY else zlib.crc32(singular(word).encode())


def _ends(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """0, the first, the first two together, and so on; one longer than `lengths`."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
