"""Drugs and adverse events that an answer names and its source does not, or the other way round.

The hard guardrail of Hakim et al. 2025 (Scientific Reports 15:27886): a term that nobody reported must
not appear, and one that was reported must not disappear. Terms are compared as a coder reads them: case,
accents, British or American spelling and plurals do not matter, the order of words does.

>>> unsupported("Severe Oedema after ibuprofen; headaches.", ["edema", "headache", "paracetamol"])
['paracetamol']
>>> lost("Rash after Aspirin.", ["aspirin", "ibuprofen"], ["rash"])
['aspirin']
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from pvcore.meddra.matching import exact, in_one_spelling, singular

Variants = Mapping[str, Collection[str]]
"""Term -> other names of it: the LLTs of its PT, a drug's brand names."""


def unsupported(source: str, terms: Iterable[str], variants: Variants | None = None) -> list[str]:
    """Those of `terms` that do not stand in `source` under any of their names, in their order."""
    known = _known(source)
    return [term for term in dict.fromkeys(terms) if not _stands(known, term, variants)]


def lost(
    source: str, terms: Iterable[str], said: Sequence[str], variants: Variants | None = None
) -> list[str]:
    """Those of `terms` that stand in `source` and, under any of their names, in nothing that was `said`."""
    known, answered = _known(source), [_known(item) for item in said]
    return [
        term
        for term in dict.fromkeys(terms)
        if _stands(known, term, variants) and not any(_stands(item, term, variants) for item in answered)
    ]


def alike(term: str, source: str) -> float:
    """How much of its letters a term shares with a text: Dice's coefficient of letter triples, 0 to 1."""
    one, two = _triples(term), _triples(source)
    return 2 * len(one & two) / (len(one) + len(two)) if one and two else 0.0


def _stands(known: str, term: str, variants: Variants | None) -> bool:
    names = (term, *(variants or {}).get(term, ()))
    return any(name in known for name in map(_known, names) if name.strip())


def _known(text: str) -> str:
    """A text's words in one spelling, a space around each: a term stands in it or it does not."""
    return f" {' '.join(singular(word) for word in in_one_spelling(exact(text).split()))} "


def _triples(text: str) -> set[str]:
    known = _known(text)
    return {known[i : i + 3] for i in range(len(known) - 2)}
