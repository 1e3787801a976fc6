"""The report on how consistent annotations are, and the policy that holds a batch back for it.

    >>> report = measure("dataset 3f2a", annotations, cluster_of=names)              # doctest: +SKIP
    >>> print(report.markdown())                                                     # doctest: +SKIP

Agreement by problem, label, pair of annotators and time; coding by level of the dictionary; spans;
contradictory labels on near-duplicate texts; doubtful codes; and the pairs of answers to talk about.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pvcore.annotations.agreement import Thing, answer, by_pair, consensus, judgements
from pvcore.annotations.agreement_intervals import Bounds, alpha_bounds, cohen_bounds
from pvcore.annotations.coding_levels import LevelAgreement, level_agreement
from pvcore.annotations.coefficients import Answers, alpha, cohen, fleiss, observed
from pvcore.annotations.contradictions import Contradiction, contradictions
from pvcore.annotations.doubtful_codes import DoubtfulCode, doubtful_codes
from pvcore.annotations.reading import TIME
from pvcore.annotations.span_agreement import SpanAgreement, span_agreement, spans_of
from pvcore.meddra.release import Dictionary
from pvcore.records import Annotation, canonical

FORMAT = 2
LABELS = 10
"""The most frequent labels of a problem have a row of their own."""
PAIRS = 20
"""Pairs of answers that a report names: as many as one can talk through in a meeting."""
SHOWN = 20
"""Contradictions and doubtful codes that a report names; it counts all."""
COMPARED = 2000
"""Verbatims that a report compares with the dictionary's names: some seconds with a release of real size."""
Period = Literal["month", "quarter"]


class AnnotationPolicy(BaseModel):
    """Section `annotations` of the policy: the agreement below which a batch is held back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum_kappa: dict[str, float] = Field(
        default={}, description="by problem: the least kappa of any two annotators; none: nothing is held"
    )
    minimum_pairs: int = Field(
        default=30,
        ge=2,
        description="with fewer things judged by both, kappa says too little to hold a batch",
    )


@dataclass(frozen=True, slots=True)
class Agreement:
    """One group of things that two annotators or more judged. `by` is all, annotators, label, month or quarter.

    `cohen` is given for a pair of annotators, the others for every group; `cohen_bounds` and `alpha_bounds` are
    95% intervals over the things. None: not defined.
    """

    problem: str
    by: str
    name: str
    things: int
    observed: float | None
    cohen: float | None
    fleiss: float | None
    alpha: float | None
    cohen_bounds: Bounds | None = None
    alpha_bounds: Bounds | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Answers of several annotators to one thing that do not agree and that nobody has settled."""

    problem: str
    case_id: str
    target: str
    answers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Consistency:
    """What was measured. `disagreements`, `contradicting` and `doubtful` count all, the tuples hold the first."""

    subject: str
    agreement: tuple[Agreement, ...] = ()
    coding: tuple[LevelAgreement, ...] = ()
    spans: tuple[SpanAgreement, ...] = ()
    disagreements: int = 0
    pairs: tuple[Pair, ...] = ()
    contradicting: int = 0
    contradictions: tuple[Contradiction, ...] = ()
    doubtful: int = 0
    codes: tuple[DoubtfulCode, ...] = ()

    def to_json(self) -> bytes:
        """Canonical JSON: the same findings are the same bytes."""
        return canonical({"format": FORMAT, **asdict(self)})

    def markdown(self) -> str:
        """A page for a Prefect artifact."""
        from pvcore.annotations.consistency_tables import markdown

        return markdown(self)


def measure(
    subject: str,
    annotations: Iterable[Annotation],
    *,
    cluster_of: Mapping[str, str] | None = None,
    dictionary: Dictionary | None = None,
    period: Period = "month",
) -> Consistency:
    """Measure a batch or dataset.

    `cluster_of` (case id -> cluster of near-identical cases) is needed for contradictions, `dictionary` for
    coding by level and doubtful codes. Problems whose answers are spans have F1 in place of the coefficients.
    """
    said = list(annotations)
    marked = {a.problem for a in said if spans_of(a.value) is not None}
    judged = {p: things for p, things in judgements(said).items() if p not in marked}
    settled = consensus(a for a in said if a.problem not in marked)
    open_pairs = pairs_to_discuss(judged, {(d.problem, d.case_id, d.target) for d in settled.disagreements})
    contradicting = contradictions(settled.resolved, cluster_of or {})
    doubts = doubtful_codes(settled.resolved, dictionary, most=COMPARED) if dictionary else []
    likely = [doubt for doubt in doubts if doubt.likely]
    return Consistency(
        subject=subject,
        agreement=tuple(row for p, things in judged.items() for row in _rows(p, things, period)),
        coding=tuple(level_agreement(judged.get("coding", {}), dictionary)) if dictionary else (),
        spans=tuple(span_agreement(said)),
        disagreements=len(open_pairs),
        pairs=tuple(open_pairs[:PAIRS]),
        contradicting=len(contradicting),
        contradictions=tuple(contradicting[:SHOWN]),
        doubtful=len(likely),
        codes=tuple(likely[:SHOWN]),
    )


def pairs_to_discuss(
    judged: Mapping[str, Mapping[Thing, Mapping[str, Annotation]]],
    unsettled: Iterable[tuple[str, str, str]],
) -> list[Pair]:
    """All disagreements that are not settled, the most frequent confusion of answers first."""
    asked = set(unsettled)
    found = []
    for problem, things in judged.items():
        for (_, case_id, target, _), said in things.items():
            answers = tuple((name, answer(said[name])) for name in sorted(said))
            if (problem, case_id, target) in asked and len({a for _, a in answers}) > 1:
                found.append(Pair(problem, case_id, target, answers))
    confusions = Counter(_confusion(pair) for pair in found)
    return sorted(found, key=lambda p: (-confusions[_confusion(p)], _confusion(p), p.case_id, p.target))


def _confusion(pair: Pair) -> tuple[str, ...]:
    return (pair.problem, *sorted({said for _, said in pair.answers}))


def _rows(
    problem: str, things: Mapping[Thing, Mapping[str, Annotation]], period: Period
) -> Iterable[Agreement]:
    """The groups of one problem: all, each label against the rest, each pair of annotators, each period."""
    shared = {thing: said for thing, said in things.items() if len(said) > 1}
    answers = {thing: {name: answer(a) for name, a in said.items()} for thing, said in shared.items()}
    if not shared:
        return
    yield _row(problem, "all", "all", answers.values())
    labels = Counter(one for said in answers.values() for one in said.values())
    for label, _ in sorted(labels.most_common(LABELS)) if len(labels) > 1 else ():
        yield _row(problem, "label", label, [_against_rest(said, label) for said in answers.values()])
    for pair, both in by_pair(shared).items():
        theirs = [{name: answers[thing][name] for name in pair} for thing in both]
        yield _row(problem, "annotators", " and ".join(pair), theirs, pair)
    times: dict[str, list[Answers]] = defaultdict(list)
    for thing, said in shared.items():
        # batches of before could bring a time of any form
        if time := max((a.time for a in said.values() if a.time and TIME.fullmatch(a.time)), default=""):
            times[PERIODS[period](time)].append(answers[thing])
    for name in sorted(times):
        yield _row(problem, period, name, times[name])


PERIODS: Mapping[Period, Callable[[str], str]] = {
    "month": lambda time: time[:7],
    "quarter": lambda time: f"{time[:4]} Q{(int(time[5:7]) + 2) // 3}",
}
"""Of a time in ISO 8601."""


def _against_rest(said: Answers, label: str) -> Answers:
    return {name: one == label for name, one in said.items()}


def _row(
    problem: str, by: str, name: str, things: Iterable[Answers], pair: tuple[str, str] | None = None
) -> Agreement:
    said = list(things)
    sides = [[one[name] for one in said] for name in pair] if pair else []
    kappa, between = (cohen(*sides), cohen_bounds(*sides)) if pair else (None, None)
    return Agreement(
        problem,
        by,
        name,
        len(said),
        observed(said),
        kappa,
        fleiss(said),
        alpha(said),
        between,
        alpha_bounds(said),
    )


def too_low(
    judged: Mapping[str, Mapping[Thing, Mapping[str, Annotation]]],
    own: Iterable[tuple[Thing, str]],
    policy: AnnotationPolicy,
) -> list[str]:
    """Why a batch is to be held, a sentence each; empty if it is not.

    `own` are the (thing, annotator) of the batch: a thing counts for a pair if the batch brought the
    answer of one of the two, which may be compared with one that came in another file.
    """
    mine = set(own)
    reasons = []
    for problem, least in sorted(policy.minimum_kappa.items()):
        things = judged.get(problem, {})
        for pair, both in by_pair(things).items():
            both = [thing for thing in both if any((thing, name) in mine for name in pair)]
            kappa = cohen(*([answer(things[thing][name]) for thing in both] for name in pair))
            if kappa is not None and len(both) >= policy.minimum_pairs and kappa < least:
                reasons.append(
                    f"kappa {kappa:.2f} below {least:g} on {problem} ({' and '.join(pair)}, {len(both)} judged by both)"
                )
    return reasons
