"""Contradictions: nearly identical narratives that carry different labels.

A model cannot learn both, and one of them is wrong, or the difference is not in the text.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pvcore.annotations.agreement import Label, answer
from pvcore.annotations.duplicates import clusters
from pvcore.records import Annotation, Case

SHOWN = 3
"""Cases that are named for each answer."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A cluster of near-identical cases with more than one answer, and for each the first cases that have it."""

    problem: str
    cluster: str
    target: str
    answers: Mapping[str, int]
    cases: Mapping[str, Sequence[str]]

    @property
    def minority(self) -> int:
        """Cases whose answer is not the most frequent one: at least so many labels would have to change."""
        return sum(self.answers.values()) - max(self.answers.values())


def cluster_names(cases: Sequence[Case]) -> dict[str, str]:
    """Case id -> the id of the first case whose narrative is nearly the same."""
    first = clusters([case.narrative for case in cases])
    return {case.case_id: cases[int(at)].case_id for case, at in zip(cases, first, strict=True)}


def contradictions(labels: Iterable[Label], cluster_of: Mapping[str, str]) -> list[Contradiction]:
    """Those with the most labels to change first. Codes are compared for one verbatim in one MedDRA version."""
    groups: dict[tuple[str, str, str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for label in labels:
        if label.case_id in cluster_of:
            said = answer(Annotation(label.case_id, label.problem, label.value, ""))
            place = (
                label.problem,
                cluster_of[label.case_id],
                label.target.casefold(),
                label.meddra_version or "",
            )
            groups[place][said].append(label.case_id)
    found = [
        Contradiction(
            problem,
            cluster,
            target,
            dict(Counter({said: len(cases) for said, cases in answers.items()}).most_common()),
            {said: sorted(cases)[:SHOWN] for said, cases in sorted(answers.items())},
        )
        for (problem, cluster, target, _), answers in groups.items()
        if len(answers) > 1
    ]
    return sorted(found, key=lambda c: (-c.minority, c.problem, c.cluster, c.target))
