"""An invented release in another language: the same codes and hierarchy, every name in invented words.

    >>> word("Inflammation", "German") == word("inflammation", "German").capitalize()
    True
    >>> word("NOS", "German")
    'NOS'

A word of a language is always the same, so a name that does not change between versions is translated
alike in both. The letters are those that MedDRA's European translations need, to try encodings with.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache

import pandas as pd

_WORD = re.compile(r"[^\W\d_]+")
_ONSETS = (
    "b",
    "br",
    "d",
    "f",
    "g",
    "gl",
    "h",
    "k",
    "kr",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "st",
    "t",
    "v",
    "w",
    "z",
)
_NUCLEI = ("a", "e", "i", "o", "u", "ä", "é", "ö", "ü", "ij", "an", "el", "or")
_SYLLABLES = tuple(onset + nucleus for onset in _ONSETS for nucleus in _NUCLEI)


@lru_cache(maxsize=20_000)
def word(text: str, language: str) -> str:
    """An invented word for an English one: three syllables; capitals stay as they are, also whole ones (NOS)."""
    if len(text) > 1 and text.isupper():
        return text
    number = int.from_bytes(hashlib.sha256(f"{language}/{text.lower()}".encode()).digest()[:8])
    made = ""
    for _ in range(3):
        number, place = divmod(number, len(_SYLLABLES))
        made += _SYLLABLES[place]
    return made.capitalize() if text[:1].isupper() else made


def translated(tables: Mapping[str, pd.DataFrame], language: str) -> dict[str, pd.DataFrame]:
    """The tables of an English release with names and descriptions in another language."""
    made = {name: frame.copy() for name, frame in tables.items()}
    for frame in made.values():
        for column in frame.columns:
            if column.endswith(("_name", "_abbrev", "_description")):
                names = {text: _words(text, language) for text in frame[column].unique()}
                frame[column] = frame[column].map(names)
    made["meddra_release"]["language"] = language
    return made


def _words(text: str, language: str) -> str:
    return _WORD.sub(lambda found: word(found[0], language), text)
