"""What an evaluation measured, as frozen values that turn into JSON and back without loss.

A value that the rows do not define is None. Differences are candidate minus reference, in the
metric's own units.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pvcore.evaluation.behaviour import Conduct
from pvcore.evaluation.reliability import Reliability

EDITION = 3
"""Of the rules by which a report is counted and judged. In the first, which reports of before follow, slices and kinds
of behaviour tests too small to judge counted in Holm's correction, and few clusters that differ
narrowed an interval. Up to the second, one row more was said to prove a floor where all answers were right."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, its interval at the report's confidence, and its standard error."""

    value: float | None
    low: float | None
    high: float | None
    error: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The candidate beside one reference, on the same rows and the same resamples.

    `p_worse` is one-sided: how surprising the data are if the candidate is not worse. For a
    proportion it is exact, and `candidate_better` and `reference_better` count the clusters in
    which one of the two is right more often (McNemar's discordant pairs), of `clusters` that count.
    """

    reference: Estimate
    difference: Estimate
    p_worse: float | None
    test: str
    candidate_better: int | None = None
    reference_better: int | None = None
    clusters: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One metric over one group. `support`: the rows that carry its information."""

    metric: str
    support: int
    higher_is_better: bool
    candidate: Estimate
    against: Mapping[str, Comparison]


@dataclass(frozen=True, slots=True)
class Group:
    """All held-out rows, or one slice of them.

    `intolerable` names the cases that the policy's zero tolerance forbids; () where it asks for none.
    """

    name: str
    rows: int
    clusters: int
    labels: Mapping[str, int]
    results: Mapping[str, Result]
    intolerable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """One metric of the champion in the old release and in the new, and of the candidate in the new.

    `dictionary` is the second minus the first, `model` the third minus the second, with paired intervals.
    """

    metric: str
    higher_is_better: bool
    champion_old: Estimate
    champion_new: Estimate
    candidate_new: Estimate
    dictionary: Estimate
    model: Estimate


@dataclass(frozen=True, slots=True)
class Effects:
    """A new dictionary's effect apart from the model's (`evaluation.effects`), in `words` and per metric.

    `old` and `new` are MedDRA versions, None where a dataset has none. `cases` counts the held-out examples
    compared, `relabelled` those whose label the mapping changed, `only_old` and `only_new` the examples that one
    of the two datasets alone holds. `results` is empty where there is nothing to tell apart.
    """

    old: str | None
    new: str | None
    words: str
    cases: int = 0
    relabelled: int = 0
    only_old: int = 0
    only_new: int = 0
    results: tuple[Effect, ...] = ()

    @staticmethod
    def from_json(value: Mapping[str, Any] | None) -> Effects | None:
        """The value that `dataclasses.asdict` made, read back; None for None."""
        if value is None:
            return None
        return Effects(**{**value, "results": tuple(map(_effect, value["results"]))})


@dataclass(frozen=True, slots=True)
class Report:
    """An evaluation of one candidate.

    `references` names what it was compared with ("champion", "anchor" and baselines), `unavailable` what
    it could not be compared with, and why. `held_out` is the digest of the held-out rows (id, cluster,
    label). `uses` counts how often half of their clusters or more decided, this time included, and `fresh`
    how many clusters have to come until the policy lets them decide once more (`evaluation.uses`): a test
    set that is asked again and again will pass something in the end.
    `reliability` is the candidate's, None where its answers carry no confidence. `behaviour` is what came of the
    behaviour tests, None where there are none; `effects` tells a new dictionary's effect from the model's, None
    where there is no champion. `edition` is that of the rules (EDITION): it is judged by them later too.
    """

    problem: str
    overall: Group
    slices: Mapping[str, Group]
    references: tuple[str, ...]
    held_out: str
    uses: int
    confidence: float
    resamples: int
    seed: int
    reliability: Reliability | None = None
    fresh: int = 0
    unavailable: Mapping[str, str] = field(default_factory=dict)
    behaviour: Conduct | None = None
    effects: Effects | None = None
    edition: int = EDITION

    def to_json(self) -> dict[str, Any]:
        """JSON values only; `from_json` gives the same report back."""
        value: dict[str, Any] = dataclasses.asdict(self)
        value["references"] = list(self.references)
        return value

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Report:
        """The report that `to_json` wrote. Raises KeyError or TypeError for anything else."""
        parts: Mapping[str, Any] = {"reliability": Reliability, "behaviour": Conduct, "effects": Effects}
        later = {"fresh", "unavailable", "edition"}  # which the first reports do not have
        names = [f.name for f in dataclasses.fields(Report) if f.name not in parts]
        plain = {"edition": 1} | {name: value[name] for name in names if name in value or name not in later}
        plain |= {name: part.from_json(value.get(name)) for name, part in parts.items()}
        plain["overall"] = _group(value["overall"])
        plain["slices"] = {name: _group(group) for name, group in value["slices"].items()}
        plain["references"] = tuple(value["references"])
        return Report(**plain)


def _group(value: Mapping[str, Any]) -> Group:
    results = {name: _result(result) for name, result in value["results"].items()}
    return Group(**{**value, "results": results, "intolerable": tuple(value.get("intolerable", ()))})


def _result(value: Mapping[str, Any]) -> Result:
    against = {name: _comparison(item) for name, item in value["against"].items()}
    return Result(**{**value, "candidate": Estimate(**value["candidate"]), "against": against})


def _comparison(value: Mapping[str, Any]) -> Comparison:
    both = {name: Estimate(**value[name]) for name in ("reference", "difference")}
    return Comparison(**{**value, **both})


def _effect(value: Mapping[str, Any]) -> Effect:
    plain: dict[str, Any] = {
        name: Estimate(**item) if isinstance(item, Mapping) else item for name, item in value.items()
    }
    return Effect(**plain)
