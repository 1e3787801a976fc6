"""What an evaluation measured, as frozen values that turn into JSON and back without loss.

A value that the rows do not define is None. Differences are candidate minus reference, in the
metric's own units.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pvcore.evaluation.reliability import Reliability


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
class Report:
    """An evaluation of one candidate.

    `references` names what it was compared with ("champion", "anchor" and baselines), `unavailable` what
    it could not be compared with, and why. `held_out` is the digest of the held-out rows (id, cluster,
    label). `uses` counts how often half of their clusters or more decided, this time included, and `fresh`
    how many clusters have to come until the policy lets them decide once more (`evaluation.uses`): a test
    set that is asked again and again will pass something in the end.
    `reliability` is the candidate's, None where its answers carry no confidence.
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

    def to_json(self) -> dict[str, Any]:
        """JSON values only; `from_json` gives the same report back."""
        value: dict[str, Any] = dataclasses.asdict(self)
        value["references"] = list(self.references)
        return value

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Report:
        """The report that `to_json` wrote. Raises KeyError or TypeError for anything else."""
        later = {"reliability", "fresh", "unavailable"}  # which the first reports do not have
        names = [f.name for f in dataclasses.fields(Report)]
        plain = {name: value[name] for name in names if name in value or name not in later}
        plain["reliability"] = Reliability.from_json(value.get("reliability"))
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
