"""Drugs and adverse events that an answer names and its source does not, or the other way round.

The hard guardrail of Hakim et al. 2025 (Scientific Reports 15:27886): a term that nobody reported must
not appear, and one that was reported must not disappear. Terms are compared as a coder reads them: case,
accents, British or American spelling and plurals do not matter, the order of words does. An event that the
source names only to deny it is not reported; a drug is, for a reaction without it is told of it.

>>> unsupported("Severe Oedema after ibuprofen; headaches, no rash.", ["paracetamol"], ["edema", "headache", "rash"])
['paracetamol', 'rash']
>>> lost("Skin rash after Aspirin, no fever.", ["aspirin", "ibuprofen", "rash", "fever"], ["skin rash"])
['aspirin']
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pvcore.meddra.matching import exact, in_one_spelling, singular

_CLAUSE = re.compile(r"[^\w\s'\u2019-]")
"""A sign at which a denial ends: all but hyphen and apostrophe."""
_DENIED = (
    r" (?:no|not|never|nor|without|deny|denied|denying|absence of|negative for)"
    r"(?: (?:a|an|any|evidence of|sign of|symptom of|history of|have|had|having|develop|experience|report))*"
)
"""What denies the words right after it, in one spelling (NegEx, Chapman et al. 2001, kept to what leaves no doubt)."""


def unsupported(source: str, drugs: Iterable[str], events: Iterable[str]) -> list[str]:
    """The drugs that do not stand in `source`, then the events that do not or are only denied there."""
    known, clauses = _known(source), _clauses(source)
    return [
        *(drug for drug in dict.fromkeys(drugs) if not _places(_known(drug), known)),
        *(event for event in dict.fromkeys(events) if not _reported(_known(event), known, clauses)),
    ]


def lost(source: str, given: Iterable[str], said: Sequence[str]) -> list[str]:
    """Those of `given` that `source` reports and nothing of what was `said` names, in more words or in fewer."""
    known, clauses, answered = _known(source), _clauses(source), [_known(item) for item in said]
    return [
        term
        for term, words in ((term, _known(term)) for term in dict.fromkeys(given))
        if _reported(words, known, clauses)
        and not any(_places(words, item) or _places(item, words) for item in answered)
    ]


def alike(term: str, source: str) -> float:
    """How much of its letters a term shares with a text: Dice's coefficient of letter triples, 0 to 1."""
    one, two = _triples(term), _triples(source)
    return 2 * len(one & two) / (len(one) + len(two)) if one and two else 0.0


def _reported(term: str, known: str, clauses: Sequence[str]) -> bool:
    """Whether a term stands in a text in one place at least where it is not denied."""
    denials = re.compile(f"{_DENIED}(?={re.escape(term)})")
    return _places(term, known) > sum(len(denials.findall(clause)) for clause in clauses)


def _places(term: str, known: str) -> int:
    """How often a term's words stand in a text's, side by side."""
    return len(re.findall(f"(?={re.escape(term)})", known)) if term.strip() else 0


def _clauses(text: str) -> list[str]:
    return [_known(clause) for clause in _CLAUSE.split(text)]


def _known(text: str) -> str:
    """A text's words in one spelling, a space around each: a term stands in it or it does not."""
    return f" {' '.join(singular(word) for word in in_one_spelling(exact(text).split()))} "


def _triples(text: str) -> set[str]:
    known = _known(text)
    return {known[i : i + 3] for i in range(len(known) - 2)}
