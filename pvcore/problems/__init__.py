"""The drug-safety tasks, one file each, and the table of all of them."""

from __future__ import annotations

from collections.abc import Mapping

from pvcore.errors import NotFound
from pvcore.problems.coding import CODING
from pvcore.problems.ddi import DDI
from pvcore.problems.extraction import EXTRACTION
from pvcore.problems.problem import Problem
from pvcore.problems.pts import PTS
from pvcore.problems.seriousness import SERIOUSNESS
from pvcore.problems.triage import TRIAGE

PROBLEMS: Mapping[str, Problem] = {
    problem.name: problem
    for problem in (
        SERIOUSNESS,
        CODING,
        PTS,
        EXTRACTION,
        TRIAGE,
        DDI,
    )
}


def problem(name: str) -> Problem:
    """The problem of that name. Raises NotFound that lists the names there are."""
    if name not in PROBLEMS:
        raise NotFound(f"no problem {name!r}: there are {', '.join(PROBLEMS)}")
    return PROBLEMS[name]


__all__ = ["PROBLEMS", "Problem", "problem"]
