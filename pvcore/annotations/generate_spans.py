"""Invented reports with their drugs and reactions marked, by annotators who sometimes miss one.

>>> cases, annotations = generate_spans(dictionary, n=300, seed=1, prefix="S-1")     # doctest: +SKIP
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from pvcore.annotations.generate import GUIDELINE, Terms, generate_cases
from pvcore.annotations.spans import REACTION, Span, annotations_of
from pvcore.records import Annotation, Case

DRUG = "Drug"


def generate_spans(
    dictionary: Terms,
    *,
    n: int,
    seed: int,
    prefix: str,
    annotators: Sequence[str] = ("annotator-a", "annotator-b"),
    disagreement: float = 0.05,
    year: int = 2026,
) -> tuple[tuple[Case, ...], tuple[Annotation, ...]]:
    """`n` cases with every annotator's spans; the same arguments, the same records.

    `disagreement` is the share of cases of which one annotator misses a span.
    """
    cases, _ = generate_cases(
        dictionary, n=n, seed=seed, prefix=prefix, annotators=("truth",), disagreement=0.0, duplicates=0.0,
        year=year, brief=True,
    )  # fmt: skip
    annotations: list[Annotation] = []
    for case in cases:
        rng = random.Random(f"{seed}/{case.case_id}/spans")
        odd = int(rng.random() * len(annotators)) if rng.random() < disagreement else -1
        marked = truth(case)
        missed = int(rng.random() * len(marked)) if marked else 0
        for index, annotator in enumerate(annotators):
            kept = [span for number, span in enumerate(marked) if index != odd or number != missed]
            annotations += annotations_of(
                kept, case.narrative, case_id=case.case_id, annotator=annotator,
                time=f"{case.received}T12:00:00Z", guideline=GUIDELINE,
            )  # fmt: skip
    return cases, tuple(annotations)


def truth(case: Case) -> list[Span]:
    """Every place of a narrative that names one of the case's drugs or says one of its reactions."""
    wanted = [(drug.name, DRUG) for drug in case.drugs] + [(r.verbatim, REACTION) for r in case.reactions]
    return [
        Span((found.span(),), label)
        for words, label in wanted
        for found in re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", case.narrative, re.IGNORECASE)
    ]
