"""Reactions that their source codes by the name of a Preferred Term alone, as VAERS does.

No words of a reporter stand beside the term, so such a reaction is no label to learn coding from; its
code is the case's own, and is carried to a new MedDRA version in the case itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pvcore.annotations.passage import Moved, Passage, row_id
from pvcore.records import Annotation, Case, Reaction

REPORTED = "as reported"
"""Who said it, where the code of a reaction is put before a person."""


class Named(NamedTuple):
    """A reaction coded by a PT name alone, in a version that is known."""

    verbatim: str
    name: str
    version: str

    @property
    def words(self) -> str:
        """What it is called in a work list."""
        return self.verbatim or self.name


def named(reaction: Reaction) -> Named | None:
    """The reaction as coded by a PT name; None for one that is not."""
    name, version = reaction.pt_name, reaction.meddra_version
    return Named(reaction.verbatim, name, version) if name and version and not reaction.llt_code else None


def all_named(cases: Iterable[Case]) -> Iterator[tuple[str, Named]]:
    """(row id in a migration, reaction) of every one of them."""
    for case in cases:
        for found in filter(None, map(named, case.reactions)):
            yield row_id(case.case_id, found.verbatim, found.name), found


def passed(case_id: str, found: Named | None, passage: Passage) -> list[Moved]:
    """The rows of migrations that a reaction passes through; [] for one that is not coded by a PT name."""
    return passage.of(case_id, *found) if found else []


def carry(case: Case, passage: Passage) -> tuple[Case, int]:
    """The case with its reactions in the passage's version, and how many were carried.

    One that waits for a person, or that no migration leads to the version, stays as it is.
    """
    reactions, number = [], 0
    for reaction in case.reactions:
        rows = passed(case.case_id, named(reaction), passage)
        if rows and rows[-1].after and rows[-1].new == passage.version:
            reaction = dataclasses.replace(reaction, pt_name=rows[-1].after, meddra_version=rows[-1].new)
            number += 1
        reactions.append(reaction)
    return (dataclasses.replace(case, reactions=tuple(reactions)) if number else case), number


def stopped(case: Case, passage: Passage) -> Iterator[tuple[Annotation, Moved]]:
    """Codes of reactions that a person has to choose anew, as annotations, with the migration's answer."""
    for found in filter(None, map(named, case.reactions)):
        rows = passed(case.case_id, found, passage)
        if rows and rows[-1].after is None:
            said = {"pt_name": found.name}
            a = Annotation(case.case_id, "coding", said, REPORTED, found.words, meddra_version=found.version)
            yield a, rows[-1]
