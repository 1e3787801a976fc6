"""One criterion of the gate: how it is written down, put into a sentence, and sized."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

from pvcore.evaluation.policy import EvaluationSettings
from pvcore.evaluation.report import Estimate, Result

Outcome = Literal["pass", "fail", "inconclusive"]
POWER = 0.8
"""The chance of a decision that `cases_needed` aims at."""


@dataclass(frozen=True, slots=True)
class Check:
    """One criterion and how it ended.

    `rule`: floor, floor kept, non-inferiority, superiority, no harm, zero tolerance, slice, behaviour, behaviour kept,
    uses, policy. `group`: "all", the slice or the kind of behaviour test. One that is not `required` stands in the
    way only if it fails.
    `value` and the interval are the candidate's value (floors) or its difference to `reference`;
    `threshold` is what they were held against, in the same units. `reason` is one sentence.
    """

    rule: str
    group: str
    metric: str
    outcome: Outcome
    reason: str
    reference: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    support: int | None = None
    p_worse: float | None = None
    cases_needed: int | None = None
    higher_is_better: bool = True
    required: bool = True

    @property
    def blocks(self) -> bool:
        """Whether this check stands in the way of a promotion."""
        return self.outcome == "fail" or (self.required and self.outcome != "pass")


def cannot_judge(
    result: Result | None,
    rule: str,
    group: str,
    metric: str,
    minimum: int,
    reference: str | None = None,
    unavailable: Mapping[str, str] | None = None,
) -> Check | None:
    """The check of a result that is absent (fail) or too small (inconclusive); None if it can be judged."""
    name = named(metric, group)
    if result is None:
        return missing(rule, f"{name} was not measured and the policy asks for it", group, metric)
    if reference is not None and reference not in result.against:
        why = (unavailable or {}).get(reference, "")
        told = f"{name}: no {reference} was evaluated to compare with{why and ': '}{why}"
        return missing(rule, told, group, metric)
    if result.support < minimum:
        more = minimum - result.support
        why = (
            f"{name}: {result.support} held-out rows count, the policy asks for {minimum}; {more} more needed"
        )
        return Check(rule, group, metric, "inconclusive", why, support=result.support, cases_needed=minimum)
    shown = result.candidate if reference is None else result.against[reference].difference
    if shown.value is None or shown.low is None or shown.high is None:
        return missing(rule, f"{name} is not defined on these answers", group, metric)
    return None


def missing(rule: str, why: str, group: str = "all", metric: str = "") -> Check:
    return Check(rule, group, metric, "fail", f"missing: {why}")


def make_check(
    rule: str, group: str, result: Result, outcome: Outcome, why: str, shown: Estimate, threshold: float,
    **more: Any,
) -> Check:  # fmt: skip
    return Check(
        rule, group, result.metric, outcome, why, value=shown.value, low=shown.low, high=shown.high,
        threshold=threshold, support=result.support, higher_is_better=result.higher_is_better, **more,
    )  # fmt: skip


def oriented(shown: Estimate, result: Result) -> tuple[float, float, float]:
    """Low, value and high, turned so that more is better."""
    low, value, high = (float(x) if x is not None else math.nan for x in (shown.low, shown.value, shown.high))
    return (low, value, high) if result.higher_is_better else (-high, -value, -low)


def limit(margin: float, result: Result) -> float:
    """The difference to a reference at which acceptance ends, in the metric's own direction."""
    return -margin if result.higher_is_better else margin


def cases_needed(
    error: float | None, support: int, distance: float, settings: EvaluationSettings, margin: float
) -> int | None:
    """Rows that count for a decision with 80% power, if the truth is what was seen.

    None: no number of them is enough.
    From the standard error at the present size; where no two answers differed (error 0), from the
    score interval of no discordant pair, whose lower end is -z^2 / (n + z^2): `margin` below 0. That of a share
    without an error is as wide, so there `margin` is the distance to a floor.
    """
    z = NormalDist().inv_cdf((1 + settings.confidence) / 2)
    if distance <= 0 or error is None:
        return None
    needed = support * ((z + NormalDist().inv_cdf(POWER)) * error / distance) ** 2
    if margin:
        needed = max(needed, z**2 * (1 - margin) / margin)
    return max(math.ceil(needed), support + 1)


def more_cases(needed: int | None, result: Result) -> str:
    if needed is None:
        return "; more cases of the same kind would not help"
    return f"; about {needed} rows that count would tell ({result.support} now)"


def named(metric: str, group: str) -> str:
    spoken = metric.replace("_", " ")
    return spoken if group == "all" else f"slice {group}: {spoken}"


def interval(shown: Estimate, settings: EvaluationSettings, sign: str = "") -> str:
    low, high = f"{shown.low:{sign}.3f}", f"{shown.high:{sign}.3f}"
    return f"{shown.value:{sign}.3f} ({100 * settings.confidence:.3g}% interval {low} to {high})"
