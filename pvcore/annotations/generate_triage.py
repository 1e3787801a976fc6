"""Invented reports whose urgency stands in them: what happened, and what a safety team asks next.

Each says whether the reaction is listed, whether it comes from a study, and what is special about the patient,
as plain facts without the decoys of `generate`; which class follows is for a policy table to say.

>>> cases, annotations = generate_triage(dictionary, n=300, seed=1, prefix="T-1")     # doctest: +SKIP
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from typing import Any

from pvcore.annotations.generate import GUIDELINE, Terms, generate_cases
from pvcore.annotations.story import Story, pick
from pvcore.annotations.wording import words
from pvcore.records import Annotation, Case

EXPECTED = {
    True: (
        "The product information of {drug} lists this reaction.",
        "This is a listed reaction of {drug}.",
        "The investigator's brochure of {drug} describes such reactions.",
        "Such reactions are well known and labelled for {drug}.",
        "The event is expected according to the reference safety information.",
    ),
    False: (
        "The product information of {drug} does not list this reaction.",
        "This reaction is not listed for {drug}.",
        "The investigator's brochure of {drug} describes no such reaction.",
        "Nothing of the kind is labelled for {drug}.",
        "The event is unexpected according to the reference safety information.",
    ),
}
STUDY = {
    True: (
        "The patient took part in a clinical trial of {drug}.",
        "{drug} was given within a study.",
        "The report comes from the investigator of a phase III study.",
    ),
    False: (
        "{drug} had been prescribed in routine care.",
        "The report is spontaneous.",
        "{drug} was bought on the market.",
    ),
}
PREGNANT = ("She was {n} weeks pregnant.", "At that time she was in week {n} of a pregnancy.")


def generate_triage(
    dictionary: Terms,
    *,
    n: int,
    seed: int,
    prefix: str,
    annotators: Sequence[str] = ("annotator-a", "annotator-b"),
    disagreement: float = 0.05,
    serious: float = 0.6,
    year: int = 2026,
) -> tuple[tuple[Case, ...], tuple[Annotation, ...]]:
    """`n` cases with every annotator's facts for triage; the same arguments, the same records.

    `disagreement` is the share of cases of which one annotator says the opposite of `expected`.
    """
    told, said = generate_cases(
        dictionary, n=n, seed=seed, prefix=prefix, annotators=("truth",), disagreement=0.0, serious=serious,
        duplicates=0.0, year=year, brief=True,
    )  # fmt: skip
    criteria = {a.case_id: a.value["criteria"] for a in said if a.problem == "seriousness"}
    cases: list[Case] = []
    annotations: list[Annotation] = []
    for case in told:
        rng = random.Random(f"{seed}/{case.case_id}/triage")
        facts, sentences = _facts(case, criteria[case.case_id], rng)
        told_plainly = _story(case, criteria[case.case_id], year, rng)
        cases.append(dataclasses.replace(case, narrative=" ".join([*told_plainly, *sentences])))
        odd = int(rng.random() * len(annotators)) if rng.random() < disagreement else -1
        for index, annotator in enumerate(annotators):
            value = {**facts, "expected": facts["expected"] != (index == odd)}
            time = f"{case.received}T12:00:00Z"
            annotations.append(
                Annotation(case.case_id, "triage", value, annotator, time=time, guideline=GUIDELINE)
            )
    return tuple(cases), tuple(annotations)


def _story(case: Case, criteria: Sequence[str], year: int, rng: random.Random) -> list[str]:
    """What the patient was given and had, and what came of it."""
    events = tuple(reaction.verbatim for reaction in case.reactions)
    story = Story(rng, str(case.sex), int(case.age_years or 0), events, year, brief=True)
    story.voice, story.drug = "report", case.drugs[0].name
    grave = [story.grave(criterion) for criterion in criteria]
    return [
        story.fill("{He_was} given {drug}, then had {events}."),
        *(grave or [story.actual(pick(words().mild, rng).happened)]),
    ]


def _facts(case: Case, criteria: Sequence[str], rng: random.Random) -> tuple[dict[str, Any], list[str]]:
    """The facts of a case, and the sentences that say what the story does not say yet."""
    age = case.age_years or 0.0
    expected, study = rng.random() < 0.4, rng.random() < 0.5
    pregnant = case.sex == "F" and 18 <= age <= 45 and rng.random() < 0.3
    special = [
        name
        for name, there in (("pregnancy", pregnant), ("paediatric", age < 18), ("elderly", age >= 65))
        if there
    ]
    chosen = [pick(STUDY[study], rng), pick(EXPECTED[expected], rng)]
    chosen += [pick(PREGNANT, rng)] if pregnant else []
    sentences = [text.format(drug=case.drugs[0].name, n=8 + int(rng.random() * 30)) for text in chosen]
    sentences.sort(key=lambda _: rng.random())
    return {"criteria": list(criteria), "expected": expected, "study": study, "special": special}, sentences
