"""What of a case and its sender's labels an E2B(R3) message as it is written here has no place for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pvcore.annotations.e2b_r3_codes import OUTCOMES
from pvcore.records import Annotation, Case

SOURCE = "E2B(R3)"


def lost(case: Case, labels: Sequence[Annotation], time: str | None) -> Iterator[str]:
    """The reasons, one for each thing; `time` is that of the message."""
    yield from ("time of an annotation, other than that of the message" for a in labels if a.time != time)
    yield from ("guideline of an annotation" for a in labels if a.guideline)
    yield from ("code without an LLT" for a in labels if a.problem == "coding" and "llt_code" not in a.value)
    for a in labels:
        if a.problem == "seriousness" and a.value["serious"] and not a.value.get("criteria"):
            yield "serious without a criterion, written as other"
    if case.language != "en":
        yield "language of a case"
    if case.source not in ("", SOURCE):
        yield "source of a case"
    for reaction in case.reactions:
        if reaction.outcome and reaction.outcome not in OUTCOMES.values():
            yield "outcome that is none of E.i.7"
        if reaction.pt_name:
            yield "PT by its name"
