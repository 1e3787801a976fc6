"""What annotators agree on, what they do not, and how much: nothing is guessed, nothing is dropped."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pvcore.annotations.coefficients import cohen
from pvcore.annotations.reading import ADJUDICATION
from pvcore.records import CRITERIA, Annotation, canonical, listed

Key = tuple[str, str, str]
"""Case, problem, target."""
Thing = tuple[str, str, str, str]
"""Problem, case, target, MedDRA version ("" for none): what two annotators can agree on."""


@dataclass(frozen=True, slots=True)
class Label:
    """What stands, with those who said it. `time` is the latest of theirs."""

    case_id: str
    problem: str
    target: str
    value: Mapping[str, Any]
    annotators: tuple[str, ...]
    meddra_version: str | None = None
    time: str | None = None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Annotations of one thing that do not agree: for the work list."""

    case_id: str
    problem: str
    target: str
    annotations: tuple[Annotation, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Consensus:
    """Labels and disagreements, both in order of case, problem and target."""

    resolved: tuple[Label, ...]
    disagreements: tuple[Disagreement, ...]

    def counts(self) -> dict[str, dict[str, int]]:
        """By problem: labels by one annotator, by several, and disagreements."""
        found: dict[str, dict[str, int]] = {}
        problems = {label.problem for label in self.resolved} | {d.problem for d in self.disagreements}
        for problem in sorted(problems):
            labels = [label for label in self.resolved if label.problem == problem]
            found[problem] = {
                "one annotator": sum(len(label.annotators) == 1 for label in labels),
                "agreed": sum(len(label.annotators) > 1 for label in labels),
                "disagreed": sum(d.problem == problem for d in self.disagreements),
            }
        return found


def answer(annotation: Annotation) -> str:
    """The part of a value that annotators must agree on: serious or not; the code; else all of it."""
    value = annotation.value
    if annotation.problem == "seriousness":
        return "serious" if value.get("serious") else "not serious"
    if annotation.problem == "coding":
        return str(value.get("llt_code") or value.get("pt_name"))
    return canonical(dict(value)).decode()


def consensus(annotations: Iterable[Annotation]) -> Consensus:
    """One label for each case, problem and target on which annotators agree.

    Of one annotator the latest annotation counts. An adjudication (guideline "adjudication") settles
    the matter; else all must agree, or, of three and more, more than half. Codes of different MedDRA
    versions do not agree: migrate first. Criteria of seriousness are those that all who say serious name;
    one that only some of them name is `unknown`.
    """
    groups: dict[Key, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        groups[annotation.case_id, annotation.problem, annotation.target].append(annotation)
    resolved: list[Label] = []
    disagreements: list[Disagreement] = []
    for key in sorted(groups):
        latest = _latest(groups[key])
        winners, reason = _agree(latest)
        if winners:
            resolved.append(_label(key, winners))
        else:
            disagreements.append(Disagreement(*key, annotations=tuple(latest), reason=reason))
    return Consensus(tuple(resolved), tuple(disagreements))


def standing(annotations: Sequence[Annotation]) -> list[Annotation]:
    """Of what was said of one thing, the annotations whose answer stands by `consensus`; [] if none does."""
    return _agree(_latest(annotations))[0]


def _latest(annotations: Sequence[Annotation]) -> list[Annotation]:
    """Of each annotator the latest, by time; all of one who says two things at the same time."""
    by_name: dict[str, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        by_name[annotation.annotator].append(annotation)
    kept = []
    for name in sorted(by_name):
        last = max(a.time or "" for a in by_name[name])
        own = {canonical([answer(a), a.meddra_version]): a for a in by_name[name] if (a.time or "") == last}
        kept += [own[key] for key in sorted(own)]
    return kept


def _agree(annotations: Sequence[Annotation]) -> tuple[list[Annotation], str]:
    """Those whose answer stands, or none and why."""
    asked = [a for a in annotations if a.guideline == ADJUDICATION] or list(annotations)
    answers: dict[tuple[str, str | None], list[Annotation]] = defaultdict(list)
    for annotation in asked:
        answers[answer(annotation), annotation.meddra_version].append(annotation)
    if len(answers) == 1:
        return asked, ""
    names = {a.annotator for a in asked}
    best = max(answers.values(), key=len)
    if len(names) >= 3 and 2 * len(best) > len(asked):
        return best, ""
    if len(names) < len(asked):
        return [], "an annotator contradicts himself"
    if len({text for text, _ in answers}) == 1:
        return [], "codes of different MedDRA versions"
    return [], ", ".join(f"{a.annotator}: {answer(a)}" for a in asked)


def _label(key: Key, said: Sequence[Annotation]) -> Label:
    value = dict(said[0].value)
    if key[1] == "seriousness" and value.get("serious"):
        named = [set(listed(a.value, "criteria")) for a in said]
        value["criteria"] = [c for c in CRITERIA if c in set.intersection(*named)]
        open_ = set.union(*named, *(listed(a.value, "unknown") for a in said)) - set(value["criteria"])
        if open_:
            value["unknown"] = [c for c in CRITERIA if c in open_]
    times = [a.time for a in said if a.time]
    names = tuple(sorted({a.annotator for a in said}))
    return Label(*key, value, names, said[0].meddra_version, max(times, default=None))


def judgements(annotations: Iterable[Annotation]) -> dict[str, dict[Thing, dict[str, Annotation]]]:
    """Problem -> thing judged -> annotator -> his latest annotation: what agreement is measured on.

    Codes of different MedDRA versions are different things. Adjudications do not count, since they were
    made in the knowledge of the others; nor does who says two things of one at the same time.
    """
    groups: dict[Thing, list[Annotation]] = defaultdict(list)
    for a in annotations:
        if a.guideline != ADJUDICATION:
            groups[a.problem, a.case_id, a.target, a.meddra_version or ""].append(a)
    found: dict[str, dict[Thing, dict[str, Annotation]]] = defaultdict(dict)
    for thing in sorted(groups):
        latest = _latest(groups[thing])
        times = Counter(a.annotator for a in latest)
        found[thing[0]][thing] = {a.annotator: a for a in latest if times[a.annotator] == 1}
    return dict(found)


def by_pair(things: Mapping[Thing, Mapping[str, Annotation]]) -> dict[tuple[str, str], list[Thing]]:
    """Pair of annotators, in order of their names -> what both judged."""
    pairs: dict[tuple[str, str], list[Thing]] = defaultdict(list)
    for thing, said in things.items():
        for pair in itertools.combinations(sorted(said), 2):
            pairs[pair].append(thing)
    return dict(sorted(pairs.items()))


def kappa(annotations: Iterable[Annotation]) -> dict[str, dict[tuple[str, str], tuple[float | None, int]]]:
    """Cohen's kappa with the number of things both judged, by problem and pair of annotators.

    None where both always gave one and the same answer: chance agreement is then complete and kappa is
    not defined.
    """
    found: dict[str, dict[tuple[str, str], tuple[float | None, int]]] = {}
    for problem, things in judgements(annotations).items():
        for pair, both in by_pair(things).items():
            answers = ([answer(things[thing][name]) for thing in both] for name in pair)
            found.setdefault(problem, {})[pair] = (cohen(*answers), len(both))
    return found
