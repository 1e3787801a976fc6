"""A candidate against a reference: not worse by a margin, or better by a gain, with the whole interval."""

from __future__ import annotations

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
from pvcore.evaluation.policy import EvaluationSettings
from pvcore.evaluation.report import Group, Report

CHAMPION = "champion"
ANCHOR = "anchor"
"""The frozen version that the policy names, as a report calls it."""
ROUNDING = 1e-9
"""0.9 - 1.0 is not quite -0.1: a value on its threshold has reached it."""


def non_inferior(
    report: Report,
    group: Group,
    metric: str,
    reference: str,
    margin: float,
    settings: EvaluationSettings,
    minimum: int | None = None,
) -> Check:
    """Pass if the whole interval of the difference to `reference` lies above minus the margin."""
    rule, result = "non-inferiority", group.results.get(metric)
    early = cannot_judge(
        result, rule, group.name, metric, minimum or settings.minimum, reference, report.unavailable
    )
    if early or result is None:
        return early or missing(rule, metric)
    compared = result.against[reference]
    low, value, high = oriented(compared.difference, result)
    shown = interval(compared.difference, settings, "+")
    found = f"{named(metric, group.name)} differs from the {reference} by {shown}"
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
        rule, group.name, result, outcome, why, compared.difference, limit(margin, result),
        reference=reference, p_worse=compared.p_worse, cases_needed=needed,
    )  # fmt: skip


def superior(report: Report, metric: str, reference: str, gain: float, settings: EvaluationSettings) -> Check:
    """Pass if the whole interval of the difference to `reference` lies above `gain`."""
    rule, result = "superiority", report.overall.results.get(metric)
    early = cannot_judge(result, rule, "all", metric, settings.minimum, reference, report.unavailable)
    if early or result is None:
        return early or missing(rule, metric)
    compared = result.against[reference]
    low, value, high = oriented(compared.difference, result)
    shown = interval(compared.difference, settings, "+")
    found = f"{named(metric, 'all')} differs from the {reference} by {shown}"
    outcome: Outcome
    needed = None
    if high <= gain:
        outcome, why = "fail", f"{found}: not better by more than {gain:g}"
    elif low > gain:
        outcome, why = "pass", f"{found}: better by more than {gain:g}"
    else:
        needed = cases_needed(compared.difference.error, result.support, value - gain, settings, 0.0)
        outcome = "inconclusive"
        why = f"{found}, which does not tell whether the gain is more than {gain:g}{more_cases(needed, result)}"
    return make_check(
        rule, "all", result, outcome, why, compared.difference, limit(-gain, result),
        reference=reference, p_worse=compared.p_worse, cases_needed=needed,
    )  # fmt: skip
