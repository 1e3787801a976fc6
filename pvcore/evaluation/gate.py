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
    make_check,
    missing,
    more_cases,
    named,
    oriented,
)
from pvcore.evaluation.comparing import ANCHOR, CHAMPION, ROUNDING, non_inferior, superior
from pvcore.evaluation.policy import EvaluationSettings, Policy
from pvcore.evaluation.report import Report
from pvcore.evaluation.slice_checks import slices

__all__ = ["CHAMPION", "Check", "Decision", "Policy", "decide"]


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

    First: every floor must lie below the candidate's interval. Later: the differences to the champion
    and to the anchor must lie above minus their margins with their whole intervals, no slice may show
    harm, and the value must not have fallen below a floor. Raises GateError if the report was made with another
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
    outcomes = {check.outcome for check in checks if check.blocks}
    order: tuple[Outcome, ...] = ("fail", "inconclusive")
    outcome: Outcome = next((found for found in order if found in outcomes), "pass")
    reasons = tuple(check.reason for check in checks if outcome == "pass" or check.blocks)
    return Decision(outcome, reasons, checks, first)


def _checks(report: Report, policy: Policy, first: bool) -> Iterable[Check]:
    settings, problem = policy.evaluation, policy.problems.get(report.problem)
    if problem is None:
        yield missing("policy", f"the policy has no section problems.{report.problem}")
        return
    if first and not problem.floors:
        yield missing("policy", f"the policy has no floors for a first promotion of {report.problem}")
    if not first and not problem.non_inferiority:
        yield missing("policy", f"the policy has no non_inferiority margins for {report.problem}")
    for metric, floor in problem.floors.items():
        yield _floor(report, settings, metric, floor, first)
    references = dict(problem.against)
    if not first:
        frozen = {ANCHOR: problem.anchor.non_inferiority} if problem.anchor else {}
        references = {CHAMPION: problem.non_inferiority, **frozen, **references}
    for reference, margins in references.items():
        for metric, rule in margins.items():
            yield non_inferior(report, report.overall, metric, reference, rule.margin, settings)
    for reference, gains in problem.superiority.items():
        if not (first and reference in (CHAMPION, ANCHOR)):
            for metric, asked in gains.items():
                yield superior(report, metric, reference, asked.gain, settings)
    yield from slices(report, problem, settings, first)
    yield from behaviour_checks(
        report.behaviour, problem.behaviour, settings, first=first, edition=report.edition
    )
    yield _uses(report, settings.maximum_uses)


def _uses(report: Report, maximum: int) -> Check:
    if report.uses <= maximum:
        left = maximum - report.uses
        why = f"these held-out cases have now decided {report.uses} of {maximum} times, {left} left"
        return Check("uses", "all", "", "pass", why)
    why = (
        f"these held-out cases have decided {report.uses} times and the policy allows {maximum}: "
        f"fresh cases are due, about {report.fresh} held-out clusters"
    )
    needed = report.overall.clusters + report.fresh
    return Check("uses", "all", "", "inconclusive", why, support=report.overall.clusters, cases_needed=needed)


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
        flawless = value - bound if report.edition > 2 and not result.candidate.error else 0.0
        needed = cases_needed(result.candidate.error, result.support, value - bound, settings, flawless)
        outcome = "inconclusive"
        more = more_cases(needed, result)
        why = f"{found}, which does not tell whether it {verb} the floor of {floor:g}{more}"
    return make_check(rule, "all", result, outcome, why, result.candidate, floor, cases_needed=needed)
