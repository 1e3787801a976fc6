"""Invented case reports that a word list cannot judge, labelled by annotators who sometimes disagree.

A case is serious if a grave fact happened, to this patient, now, because of the reaction. The same
facts in the same words also stand in cases where they are denied, years old, feared, excluded,
planned, or about somebody else; serious cases hold such sentences too. So the answer stands in the
text, but in how words belong together.

>>> cases, annotations = generate_cases(dictionary, n=300, seed=1, prefix="DEMO-1")     # doctest: +SKIP
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

import pandas as pd

from pvcore.annotations import verbatims
from pvcore.annotations.story import Story, pick, weighted
from pvcore.annotations.wording import words
from pvcore.records import CRITERIA, Annotation, Case, Drug, Reaction

FEMALE = re.compile(
    r"ovar|uter|womb|vagin|vulv|cervi|fallopian|egg tube|breast|nipple|pregnan|birth|placent|amnio|fo?etal|"
    r"gravid|gestation|unborn|milk|afterbirth|waters",
    re.IGNORECASE,
)
MALE = re.compile(
    r"testic|testis|prostat|penis|penile|scrot|epididym|seminal|sperm|semen|foreskin|preput", re.I
)
GUIDELINE = "invented guideline 1"


class Terms(Protocol):
    """What is asked of a dictionary (`pvcore.meddra.release.Dictionary`)."""

    @property
    def version(self) -> str: ...
    def current_llts(self) -> pd.DataFrame: ...


@dataclass(frozen=True, slots=True)
class Truth:
    """What a narrative was made to say: the criteria met (none = not serious) and the true codes."""

    criteria: tuple[str, ...]
    codes: tuple[tuple[str, str], ...]


def generate_cases(
    dictionary: Terms,
    *,
    n: int,
    seed: int,
    prefix: str,
    terms: Collection[str] = (),
    annotators: Sequence[str] = ("annotator-a", "annotator-b"),
    disagreement: float = 0.08,
    serious: float = 0.35,
    duplicates: float = 0.03,
    year: int = 2026,
    brief: bool = False,
) -> tuple[tuple[Case, ...], tuple[Annotation, ...]]:
    """`n` cases with every annotator's seriousness and codings; the same arguments, the same records.

    `terms` are LLT codes of which half of the reactions are taken; `disagreement` is the share of
    labels on which one annotator differs; `duplicates` the share of cases that repeat an earlier one
    nearly word for word, as reports of one event by two senders do. All cases are received in `year`.
    `brief` narratives have two or three sentences (15 to 45 words) with one criterion at most and one decoy.
    """
    pool = _Pool(dictionary, terms)
    cases: list[Case] = []
    annotations: list[Annotation] = []
    truths: list[Truth] = []
    for index in range(n):
        rng = random.Random(f"{seed}/{prefix}/{index}")
        case_id = f"{prefix}-{index + 1:05d}"
        if index > 10 and rng.random() < duplicates:
            earlier = int(rng.random() * index)
            case, truth = _again(cases[earlier], case_id, rng), truths[earlier]
        else:
            case, truth = _case(case_id, pool, rng, rng.random() < serious, year, brief)
        cases.append(case)
        truths.append(truth)
        annotations += _annotate(case, truth, annotators, disagreement, pool, dictionary.version, rng)
    return tuple(cases), tuple(annotations)


class _Pool:
    """Current LLTs, drawn unevenly as in life: some reactions are common, most are rare."""

    def __init__(self, dictionary: Terms, favoured: Collection[str]) -> None:
        table = dictionary.current_llts().sort_values("llt_code")
        rows = list(zip(table["llt_code"], table["llt_name"], table["pt_code"], strict=True))
        self.name = {code: name for code, name, _ in rows}
        self.pt = {code: pt for code, _, pt in rows}
        self.by_name = {_plain(name): code for code, name, _ in rows}
        self.codes = list(self.name)
        self.favoured = sorted(set(favoured) & set(self.codes))
        self.siblings: dict[str, list[str]] = {}
        for code, _, pt in rows:
            self.siblings.setdefault(pt, []).append(code)

    def draw(self, rng: random.Random, sex: str) -> tuple[str, str]:
        """(verbatim, LLT code). A verbatim in the very words of another LLT has that LLT's code."""
        wrong = MALE if sex == "F" else FEMALE
        while True:
            if self.favoured and rng.random() < 0.5:
                code = pick(self.favoured, rng)
            else:
                code = self.codes[int(len(self.codes) * rng.random())]
            if not wrong.search(self.name[code]) or rng.random() < 0.001:
                break
        verbatim = verbatims.say(self.name[code], rng)
        return verbatim, self.by_name.get(_plain(verbatim), code)

    def other(self, code: str, rng: random.Random) -> str:
        """A code that somebody may take for `code`: a sibling under the same PT, else any."""
        near = [c for c in self.siblings[self.pt[code]] if c != code]
        return pick(near, rng) if near else self.codes[(self.codes.index(code) + 1) % len(self.codes)]


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _case(
    case_id: str, pool: _Pool, rng: random.Random, serious: bool, year: int, brief: bool
) -> tuple[Case, Truth]:
    sex = "F" if rng.random() < 0.55 else "M"
    age = 1 + int(rng.random() * 17) if rng.random() < 0.1 else 18 + int((rng.random() + rng.random()) * 35)
    count = 1 + (rng.random() < 0.45) + (rng.random() < 0.12)
    coded = dict(pool.draw(rng, sex) for _ in range(count))
    criteria = _criteria(rng, sex, age) if serious else ()
    if brief:  # what a brief narrative does not say is not true of it
        criteria = criteria[:1]
    story = Story(rng, sex, age, tuple(coded), year, brief)
    narrative = story.tell(criteria)
    reactions = tuple(Reaction(verbatim=verbatim) for verbatim in coded)
    day = date(year, 1, 1) + timedelta(days=int(rng.random() * 365))
    drugs = (
        Drug(story.drug, "suspect"),
        *((Drug(story.other, "concomitant"),) if story.other in narrative else ()),
    )
    case = Case(
        case_id=case_id, narrative=narrative, source="generated", received=day.isoformat(), age_years=float(age),
        sex=sex, country=pick(("GB", "US", "IE", "CA", "AU"), rng), drugs=drugs, reactions=reactions,
    )  # fmt: skip
    return case, Truth(criteria, tuple(coded.items()))


def _criteria(rng: random.Random, sex: str, age: int) -> tuple[str, ...]:
    possible = [
        (c, w) for c, w in words().weights if c != "congenital_anomaly" or (sex == "F" and 18 <= age <= 45)
    ]
    chosen = {weighted(possible, rng)}
    if rng.random() < 0.15:
        chosen.add(weighted(possible, rng))
    return tuple(c for c in CRITERIA if c in chosen)


def _again(case: Case, case_id: str, rng: random.Random) -> Case:
    """The same event reported once more: one word changed, and a sentence about it at the end."""
    tokens = case.narrative.split()
    tokens.pop(int(rng.random() * 4) + 1)
    return Case(
        case_id=case_id, narrative=" ".join(tokens), source=case.source, received=case.received,
        age_years=case.age_years, sex=case.sex, country=case.country, drugs=case.drugs, reactions=case.reactions,
    )  # fmt: skip


def _annotate(
    case: Case, truth: Truth, annotators: Sequence[str], disagreement: float, pool: _Pool, version: str,
    rng: random.Random,
) -> list[Annotation]:  # fmt: skip
    time = f"{case.received}T12:00:00Z"
    right = {"serious": bool(truth.criteria), "criteria": list(truth.criteria)}
    wrong = {"serious": not truth.criteria, "criteria": [] if truth.criteria else ["other"]}
    made = []

    def differs() -> int:
        return (
            int(rng.random() * len(annotators)) if len(annotators) > 1 and rng.random() < disagreement else -1
        )

    odd = differs()
    for index, annotator in enumerate(annotators):
        value = wrong if index == odd else right
        made.append(Annotation(case.case_id, "seriousness", value, annotator, time=time, guideline=GUIDELINE))
    for verbatim, code in truth.codes:
        odd = differs()
        for index, annotator in enumerate(annotators):
            chosen = pool.other(code, rng) if index == odd else code
            made.append(
                Annotation(
                    case.case_id,
                    "coding",
                    {"llt_code": chosen},
                    annotator,
                    verbatim,
                    time,
                    GUIDELINE,
                    version,
                )
            )
    return made
