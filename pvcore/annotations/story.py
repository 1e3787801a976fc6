"""One invented narrative: who tells it, in which words, and what stands in the slots."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from pvcore.annotations.wording import Fact, words

T = TypeVar("T")

DECOYS = {
    False: (("denied", 4), ("open", 2), ("history", 5), ("relative", 5), ("planned", 3), ("ruled_out", 2)),
    True: (("denied", 7), ("open", 3), ("history", 3), ("relative", 3), ("planned", 1), ("ruled_out", 2)),
}
"""Ways in which a grave fact stands in a narrative without being one of this case, and how often, for
cases that are not serious and that are: chosen so that no phrase is much more frequent in either."""
EVENTS = ("reaction", "problem", "episode", "event", "complaint", "side effect")
MOST_WORDS = 110


def pick(values: Sequence[T], rng: random.Random) -> T:
    """One of `values`. `random.random` alone, as only its sequence is promised to stay the same."""
    return values[int(rng.random() * len(values))]


def weighted(pairs: Sequence[tuple[str, int]], rng: random.Random) -> str:
    """One of the names, as often as its weight says."""
    return pick([name for name, weight in pairs for _ in range(weight)], rng)


class Story:
    """The state of one narrative. `tell` is called once."""

    def __init__(
        self, rng: random.Random, sex: str, age: int, events: tuple[str, ...], year: int, brief: bool = False
    ) -> None:
        self.rng, self.sex, self.age, self.events, self.year, self.brief = rng, sex, age, events, year, brief
        self.voice = (
            "self" if age > 15 and rng.random() < 0.18 else "carer" if rng.random() < 0.15 else "report"
        )
        self.drug, self.other = pick(words().drugs, rng), pick(words().drugs, rng)
        self.reporter = pick(words().reporters, rng)
        self.told: set[Fact] = set()

    def tell(self, criteria: tuple[str, ...]) -> str:
        """40 to 110 words; says what `criteria` name, and no other criterion of this reaction."""
        if "death" in criteria and self.voice == "self":
            self.voice = "report"  # the dead tell no tales
        if self.brief:
            return self._note(criteria)
        rng = self.rng
        grave = [self.grave(criterion) for criterion in criteria]
        intro = {"self": words().intros_self, "carer": words().intros_carer, "report": words().intros}[
            self.voice
        ]
        onset = self.fill(pick(words().onsets, rng))
        decoys = [self.decoy(criteria) for _ in range(1 + (rng.random() < (0.45 if criteria else 0.75)))]
        past = [self.decoy(criteria, past=True)] if rng.random() < (0.4 if criteria else 0.6) else []
        # One consequence in either kind of case has a frame, and the mild facts are as many in both:
        # neither the number of frames nor that of mild facts may tell them apart.
        mild = [pick(words().mild, rng).happened for _ in range(1 + (rng.random() < 0.5))]
        plain = mild if grave else mild[1:]
        told = [self.fill("{He} " + fact + ".") for fact in plain]
        told += [] if grave else [self.actual(mild[0])]
        closing = [self.fill(pick(words().closings, rng))] if rng.random() < 0.4 else []
        if "death" in criteria:
            course, end = grave[1:], grave[:1]
        else:
            course, end = grave, [self.fill(pick(words().outcomes, rng))]
        course = sorted([*course, *decoys, *told], key=lambda _: rng.random())
        spare = [self.fill(sentence) for sentence in words().neutral if rng.random() < 0.9]
        spare.sort(key=lambda _: rng.random())
        neutral = [spare.pop()] if rng.random() < 0.5 else []
        head = [self.fill(pick(intro, rng)), *past]
        return self.fit(head, neutral, spare, [onset, *course, *end], closing)

    def _note(self, criteria: tuple[str, ...]) -> str:
        """Three or four sentences, as a call centre takes them down.

        Grave facts, mild facts and frames stand in either kind of case; which fact stands in which
        frame tells whether it is serious.
        """
        rng = self.rng
        told = [self.grave(criteria[0]) if criteria else self.actual(pick(words().mild, rng).happened)]
        if rng.random() < 0.9:
            grave = rng.random() < (0.5 if criteria else 0.85)
            told.append(self.decoy(criteria[:1]) if grave else self.trifle())
        if rng.random() < (0.6 if criteria else 0.3):
            told.append(self.fill("{He} " + pick(words().mild, rng).happened + "."))
        told.sort(key=lambda _: rng.random())
        return " ".join([self.fill("{He_was} given {drug}, then had {events}."), *told])

    def fit(
        self, head: list[str], neutral: list[str], spare: list[str], body: list[str], closing: list[str]
    ) -> str:
        """Neutral sentences are added up to 40 words, and left out, as the closing is, beyond 110."""
        while _length(head, neutral, body, closing) < 40 and spare:
            neutral.append(spare.pop())
        if _length(head, neutral, body, closing) > MOST_WORDS:
            neutral, closing = [], []
        return " ".join([*head, *neutral, *body, *closing])

    def grave(self, criterion: str) -> str:
        """A sentence that says that the criterion is met."""
        if criterion in ("life_threatening", "other") and self.rng.random() < 0.25:
            return self.fill(pick(words().confirmed, self.rng))
        return self.actual(self.fact([criterion]).happened)

    def actual(self, fact: str) -> str:
        """A sentence that says that something, grave or mild, came of the reaction."""
        return self.fill(pick(words().actual, self.rng).replace("{fact}", fact))

    def fact(self, criteria: Sequence[str]) -> Fact:
        """A fact of one of the criteria; not one that the narrative has already, which might contradict it."""
        while True:
            weights = [(name, weight) for name, weight in words().weights if name in criteria]
            found: Fact = pick(words().facts[weighted(weights, self.rng)], self.rng)
            if found not in self.told or self.told >= {f for c in criteria for f in words().facts[c]}:
                self.told.add(found)
                return found

    def decoy(self, criteria: tuple[str, ...], past: bool = False) -> str:
        """A sentence with a grave fact that is not one of this reaction."""
        kind = (
            pick(("history", "history", "relative"), self.rng)
            if past
            else weighted(DECOYS[bool(criteria)], self.rng)
        )
        if kind == "ruled_out":
            return self.fill(pick(words().ruled_out, self.rng))
        if kind == "planned" and "hospitalisation" not in criteria:
            return self.fill(pick(words().planned, self.rng))
        names = [name for name in words().facts if name != "congenital_anomaly"]
        if kind in ("denied", "open"):
            names = [n for n in names if n not in criteria and not (criteria and n == "death")]
            fact, frames = self.fact(names), words().denied if kind == "denied" else words().open
            return self.fill(
                pick(frames, self.rng).replace("{denied}", fact.denied).replace("{open}", fact.open)
            )
        if kind == "relative":
            theirs = self.fact(names).happened.replace("{his}", "their")
            return self.fill(pick(words().relative, self.rng).replace("{fact}", theirs))
        # nobody died before; and a lasting loss from long ago needs a grown-up
        own = [n for n in names if n != "death" and (n != "disabling" or self.age > 30)]
        return self.fill(pick(words().history, self.rng).replace("{fact}", self.fact(own).happened))

    def trifle(self) -> str:
        """A sentence with a mild fact that is not one of this reaction, in the frames of the grave ones."""
        fact, kind = pick(words().mild, self.rng), pick(("denied", "open", "relative", "history"), self.rng)
        sentence: str = pick(getattr(words(), kind), self.rng)
        for slot, form in (("fact", fact.happened), ("denied", fact.denied), ("open", fact.open)):
            told = form.replace("{his}", "their") if kind == "relative" else form
            sentence = sentence.replace(f"{{{slot}}}", told)
        return self.fill(sentence)

    def fill(self, sentence: str) -> str:
        """Put this story's people, medicines and numbers into a sentence."""
        rng, number = self.rng, int(self.rng.random() * len(words().numbers))
        he, his = (
            ("I", "my") if self.voice == "self" else ("she", "her") if self.sex == "F" else ("he", "his")
        )
        person, carer = self._person()
        values = {
            "he": he, "his": his, "who": he if he == "I" or rng.random() < 0.5 else "the patient",
            "drug": self.drug, "other": self.other, "reporter": self.reporter, "person": person, "carer": carer,
            "event": pick(EVENTS, rng), "events": " and ".join(self.events), "grave": pick(words().grave, rng),
            "condition": pick(words().conditions, rng), "condition2": pick(words().conditions, rng),
            "dose": f"{pick((5, 10, 20, 50, 100, 250), rng)} mg", "month": pick(words().months, rng),
            "cause": pick(words().causes, rng), "operation": pick(words().operations, rng),
            "ward": pick(words().wards, rng), "relative": pick(words().relatives, rng),
            "side": pick(("left", "right"), rng), "n_word": words().numbers[number].lower(),
        }  # fmt: skip
        upper = {name.capitalize(): text[:1].upper() + text[1:] for name, text in values.items()}
        past = self.year - 2 - int(rng.random() * min(18, max(1, self.age - 2)))
        return sentence.format(
            **values, **upper, He_was=f"{upper['He']} was", age=self.age, now=self.year, year=past,
            n=number + 2,
        )  # fmt: skip

    def _person(self) -> tuple[str, str]:
        """What a report and what a carer call the patient."""
        young = self.age < 40
        if self.sex == "F":
            return "girl" if self.age < 16 else "woman", "daughter" if young else "mother"
        return "boy" if self.age < 16 else "man", "son" if young else "father"


def _length(*parts: list[str]) -> int:
    return sum(len(sentence.split()) for part in parts for sentence in part)
