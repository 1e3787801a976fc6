"""What E2B(R2) and E2B(R3) have in common: ages, and what a sender says of the reactions."""

from __future__ import annotations

import re
from functools import lru_cache

from pvcore.annotations.reading import Findings
from pvcore.records import Annotation, Case

_AGE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")


@lru_cache(1024)  # a batch has a hundred ages at most, and to work one out takes ten times as long
def years(value: str, unit: float) -> float | None:
    """An age in units of `unit` years, in years; None where it is no number."""
    return round(float(value) * unit, 3) if _AGE.fullmatch(value) else None


def codings(case: Case, annotator: str, time: str | None, found: Findings) -> list[Annotation]:
    """One for each verbatim with a code; a reaction that lacks either is counted."""
    made: dict[tuple[str, str], Annotation] = {}
    for reaction in case.reactions:
        verbatim, code = reaction.verbatim, reaction.llt_code
        if not code:
            found.drop("reaction without a code")
        elif not verbatim:
            found.drop("coded reaction without a verbatim")
        elif (verbatim, code) not in made:
            made[verbatim, code] = Annotation(
                case.case_id, "coding", {"llt_code": code}, annotator, target=verbatim, time=time,
                meddra_version=reaction.meddra_version,
            )  # fmt: skip
    return list(made.values())
