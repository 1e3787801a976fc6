"""The gate: from a report and a policy to pass, fail or inconclusive, with every reason.

Nothing is judged by point values alone: with equal models and 1,000 cases "not worse" by point
value blocks every second candidate. What is missing (metric, slice, threshold, reference) fails
and says so; what is too small to tell is inconclusive and says how many cases would tell.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pvcore.errors import GateError
from pvcore.evaluation.behaviour_gate import behaviour_checks
from pvcore.evaluation.checks import (
    Check,
    Outcome,
    cannot_judge,
    cases_needed,
    interval,
    limit,
    make_check,
    missing,
    more_cases,
    named,
    oriented,
)
from pvcore.evaluation.paired import holm
from pvcore.evaluation.policy import EvaluationSettings, Policy, ProblemPolicy, SliceRule
from pvcore.evaluation.report import Report, Result

__all__ = ["CHAMPION", "Check", "Decision", "Policy", "decide"]

CHAMPION = "champion"
ROUNDING = 1e-9
"""0.9 - 1.0 is not quite -0.1: a value on its threshold has reached it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`reasons`: of the checks that stand in the way, or, on a pass, of all."""

    outcome: Outcome
    reasons: tuple[str, ...]
    checks: tuple[Check, ...]
    first: bool

    def to_json(self) -> dict[str, Any]:
        """JSON values only; `from_json` gives the same decision back."""
        return {
            "outcome": self.outcome,
            "reasons": list(self.reasons),
            "checks": [dataclasses.asdict(check) for check in self.checks],
            "first": self.first,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Decision:
        """The decision that `to_json` wrote."""
        checks = tuple(Check(**check) for check in value["checks"])
        return Decision(value["outcome"], tuple(value["reasons"]), checks, value["first"])


def decide(report: Report, policy: Policy, *, first: bool) -> Decision:
    """Judge `report` by `policy`; `first` says that the problem has no champion yet.

    First: every floor must lie below the candidate's interval. Later: the difference to the
    champion must lie above minus the margin with its whole interval, no slice may show harm, and
    the value must not have fallen below a floor. Raises GateError if the report was made with another
    confidence or fewer resamples than the policy asks for.
    """
    settings = policy.evaluation
    if (report.confidence, report.resamples) != (settings.confidence, settings.resamples):
        raise GateError(
            f"the report of {report.problem} was made with confidence {report.confidence} and "
            f"{report.resamples} resamples; the policy asks for {settings.confidence} and "
            f"{settings.resamples}. Evaluate the candidate again under this policy."
        )
    checks = tuple(_checks(report, policy, first))
    outcomes = {check.outcome for check in checks}
    order: tuple[Outcome, ...] = ("fail", "inconclusive")
    outcome: Outcome = next((found for found in order if found in outcomes), "pass")
    reasons = tuple(c.reason for c in checks if outcome == "pass" or c.outcome != "pass")
    return Decision(outcome, reasons, checks, first)


def _checks(report: Report, policy: Policy, first: bool) -> Iterable[Check]:
    settings, problem = policy.evaluation, policy.problems.get(report.problem)
    if problem is None:
        yield missing("policy", f"the policy has no section problems.{report.problem}")
        return
    if settings.maximum_uses is not None and report.uses > settings.maximum_uses:
        why = (
            f"this held-out set has decided {report.uses} times and the policy allows "
            f"{settings.maximum_uses}: it needs fresh cases"
        )
        yield Check("uses", "all", "", "inconclusive", why)
    if first and not problem.floors:
        yield missing("policy", f"the policy has no floors for a first promotion of {report.problem}")
    if not first and not problem.non_inferiority:
        yield missing("policy", f"the policy has no non_inferiority margins for {report.problem}")
    for metric, floor in problem.floors.items():
        yield _floor(report, settings, metric, floor, first)
    references = dict(problem.against)
    if not first:
        references = {CHAMPION: problem.non_inferiority, **references}
    for reference, margins in references.items():
        for metric, rule in margins.items():
            found = report.overall.results.get(metric)
            yield _non_inferior(found, "all", metric, reference, rule.margin, settings.minimum, settings)
    if not first:
        yield from _slices(report, problem, settings)
    yield from behaviour_checks(report.behaviour, problem.behaviour, settings, first=first)


def _floor(report: Report, settings: EvaluationSettings, metric: str, floor: float, first: bool) -> Check:
    rule = "floor" if first else "floor kept"
    result = report.overall.results.get(metric)
    early = cannot_judge(result, rule, "all", metric, settings.minimum)
    if early or result is None:
        return early or missing(rule, metric)
    low, value, high = oriented(result.candidate, result)
    bound = floor if result.higher_is_better else -floor
    found = f"{named(metric, 'all')} is {interval(result.candidate, settings)}"
    # A first version has to prove the floor; later ones are proven against the champion, and the
    # floor only stops a slow slide: there the value itself must not fall below it.
    reached = low if first else value
    verb = "reaches" if first else "keeps"
    outcome: Outcome
    needed = None
    if high < bound:
        outcome, why = "fail", f"{found}, clearly short of the floor of {floor:g}"
    elif reached >= bound - ROUNDING:
        outcome, why = "pass", f"{found} and {verb} the floor of {floor:g}"
    else:
        needed = cases_needed(result.candidate.error, result.support, value - bound, settings, 0.0)
        outcome = "inconclusive"
        more = more_cases(needed, result)
        why = f"{found}, which does not tell whether it {verb} the floor of {floor:g}{more}"
    return make_check(rule, "all", result, outcome, why, result.candidate, floor, cases_needed=needed)


def _non_inferior(
    result: Result | None,
    group: str,
    metric: str,
    reference: str,
    margin: float,
    minimum: int,
    settings: EvaluationSettings,
) -> Check:
    rule = "non-inferiority"
    early = cannot_judge(result, rule, group, metric, minimum, reference)
    if early or result is None:
        return early or missing(rule, metric)
    compared = result.against[reference]
    low, value, high = oriented(compared.difference, result)
    shown = interval(compared.difference, settings, "+")
    found = f"{named(metric, group)} differs from the {reference} by {shown}"
    outcome: Outcome
    needed = None
    if high < -margin:
        outcome, why = "fail", f"{found}: worse by more than the margin of {margin:g}"
    elif low > -margin:
        outcome, why = "pass", f"{found}: not worse by the margin of {margin:g}"
    else:
        needed = cases_needed(
            compared.difference.error, result.support, min(value, 0) + margin, settings, margin
        )
        outcome = "inconclusive"
        why = f"{found}, which includes the margin of -{margin:g}{more_cases(needed, result)}"
    return make_check(
        rule, group, result, outcome, why, compared.difference, limit(margin, result),
        reference=reference, p_worse=compared.p_worse, cases_needed=needed,
    )  # fmt: skip


def _slices(report: Report, problem: ProblemPolicy, settings: EvaluationSettings) -> Iterable[Check]:
    adjusted = _adjusted(report, problem, settings)
    for name, rule in problem.slices.items():
        group = report.slices.get(name)
        result = group.results.get(rule.metric) if group else None
        if not rule.required and (group is None or (result is not None and result.support < rule.minimum)):
            count = result.support if result else 0
            why = f"slice {name}: {count} held-out rows count for {rule.metric}, too few to judge (optional)"
            yield Check("no harm", name, rule.metric, "pass", why, support=count)
        elif group is None:
            yield missing("no harm", f"slice {name}: no held-out row belongs to it", name, rule.metric)
        elif rule.rule == "non_inferior":
            # Every one of these must pass, so testing many of them needs no correction.
            yield _non_inferior(result, name, rule.metric, CHAMPION, rule.margin, rule.minimum, settings)
        else:
            yield _no_harm(result, name, rule, adjusted.get(name), settings)


def _no_harm(
    result: Result | None, name: str, rule: SliceRule, p_worse: float | None, settings: EvaluationSettings
) -> Check:
    early = cannot_judge(result, "no harm", name, rule.metric, rule.minimum, CHAMPION)
    if early or result is None:
        return early or missing("no harm", rule.metric, name)
    compared = result.against[CHAMPION]
    low, value, _ = oriented(compared.difference, result)
    p = 1.0 if p_worse is None else p_worse
    found = (
        f"{named(rule.metric, name)} differs from the champion by "
        f"{interval(compared.difference, settings, '+')}, p(worse) = {p:.3f}"
    )
    needed = None
    outcome: Outcome
    if value >= -rule.margin - ROUNDING:
        sure = low > -rule.margin
        outcome = "pass"
        why = f"{found}: " + ("not worse by" if sure else "no sign of harm beyond") + f" {rule.margin:g}"
    elif p <= 1 - settings.confidence:
        outcome, why = "fail", f"{found}: worse, and by more than {rule.margin:g}"
    else:
        needed = cases_needed(compared.difference.error, result.support, -value, settings, 0.0)
        outcome = "inconclusive"
        more = more_cases(needed, result)
        why = f"{found}: looks worse by more than {rule.margin:g}, too few cases to tell{more}"
    return make_check(
        "no harm", name, result, outcome, why, compared.difference, limit(rule.margin, result),
        reference=CHAMPION, p_worse=p, cases_needed=needed,
    )  # fmt: skip


def _adjusted(report: Report, problem: ProblemPolicy, settings: EvaluationSettings) -> dict[str, float]:
    """p(worse) of each slice under no_harm, corrected over all of them (Holm 1979)."""
    found: dict[str, float] = {}
    for name, rule in problem.slices.items():
        group = report.slices.get(name)
        result = group.results.get(rule.metric) if group and rule.rule == "no_harm" else None
        compared = result.against.get(CHAMPION) if result else None
        if compared is not None and compared.p_worse is not None:
            found[name] = compared.p_worse
    return holm(found) if settings.multiple == "holm" else found
