"""Names of terms: the preferred one, and the ways in which others would write it."""

from __future__ import annotations

import numpy as np

from pvcore.meddra.vocabulary import Finding, american

Site = tuple[str, str, str]
"""Adjective, noun and lay noun of a part of the body."""


class Names:
    """Names given so far: within a level a name stands once, whatever its case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, name: str) -> bool:
        """Reserve a name; False if it is taken."""
        if name.lower() in self._taken:
            return False
        self._taken.add(name.lower())
        return True

    @staticmethod
    def preferred(site: Site, finding: Finding, modifier: str) -> str:
        """'Chronic hepatic inflammation': modifier, adjective, finding, in British spelling."""
        return _sentence(f"{modifier} {site[0]} {finding.term}")

    @staticmethod
    def variants(
        site: Site, finding: Finding, modifier: str, lay: str, *, rng: np.random.Generator
    ) -> list[str]:
        """Other names that are current: spelling, word order, lay words; mixed by `rng`."""
        adjective, noun, common = site
        said = [finding.term, *finding.lay]
        forms = [
            f"{modifier} {finding.term} of {noun}",
            f"{adjective} {finding.term} {modifier}",
            f"{finding.term} {adjective} {modifier}",
            american(f"{modifier} {adjective} {finding.term}"),
            *(f"{modifier} {word} of the {common}" for word in said),
            *(f"{common} {word} {lay}" for word in said),
            *(f"{adjective} {word} {lay}" for word in finding.lay),
        ]
        if modifier:
            forms += [f"{finding.term} of {noun}, {modifier}", f"{common} {finding.lay[0]}, {modifier}"]
        else:
            forms += [f"{common} {finding.term}", f"{finding.term} in the {common}"]
        unique = list(dict.fromkeys(_sentence(form) for form in forms))
        return [unique[i] for i in rng.permutation(len(unique))]

    @staticmethod
    def outdated(site: Site, finding: Finding, modifier: str, *, rng: np.random.Generator) -> list[str]:
        """Vague or old-fashioned names, as those that are no longer current."""
        adjective, noun, common = site
        forms = [
            f"{modifier} {adjective} {finding.term} NOS",
            f"{modifier} {finding.term} {noun} NOS",
            f"{noun} {finding.term} {modifier} (unspecified)",
            f"{common} {finding.lay[0]} {modifier} NOS",
            f"{modifier} {noun} {finding.term} syndrome",
            f"{finding.term} {modifier} {noun} aggravated",
        ]
        unique = list(dict.fromkeys(_sentence(form) for form in forms))
        return [unique[i] for i in rng.permutation(len(unique))]


def _sentence(text: str) -> str:
    """Single spaces, capital first, lower case after it except for an abbreviation such as NOS."""
    words = text.replace(" ,", ",").split()
    low = " ".join(word if word == "NOS" else word.lower() for word in words)
    return low[:1].upper() + low[1:]
