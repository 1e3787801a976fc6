"""Names compared as a coder would: case, spelling, word order, plural and empty words do not matter.

`key` makes two names equal that differ in nothing else; `Likeness` orders terms by likeness to a text
where no name is equal, for a person to choose from. Neither knows medicine. The rules are written down
in docs/reference/migration.md, with examples of both sides.
"""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

_EMPTY = frozenset({"an", "nos", "of", "the", "unspecified"})
"""Not 'a': hepatitis A is not hepatitis."""
_WORD = re.compile(r"[^\W_]+")
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


def _one_spelling(text: str) -> str:
    """A lower-case text as it is compared: word parts that are spelled in two ways are spelled in one."""
    for british, us in _SPELLING:
        text = text.replace(british, us)
    return text


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
    return [word for word in _one_spelling(exact(text)).split() if word not in _EMPTY]


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
        return [[code for code, _ in found] for found in self.scored(texts, top=top)]

    def scored(self, texts: Sequence[str], *, top: int = 5) -> list[list[tuple[str, float]]]:
        """The same with the cosine of each."""
        ranked = []
        for cosines in self.cosines(texts):
            least = np.partition(cosines, -top)[-top] if len(cosines) > top else 0.0
            found = np.flatnonzero((cosines >= least) & (cosines > 0))
            best = found[np.argsort(-cosines[found], kind="stable")][:top]
            ranked.append([(str(self.codes[i]), float(cosines[i])) for i in best])
        return ranked

    def _vectors(self, texts: Sequence[str]) -> Any:
        return self._vectorizer.transform([" ".join(_words(text)) for text in texts])
