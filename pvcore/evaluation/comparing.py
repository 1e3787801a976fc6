"""A candidate against a reference: not worse by a margin, or better by a gain, with the whole interval.

The champion moves on, the anchor stays. Where the same cases decide again and again about the same anchor, each
candidate that passes was lucky in them, and the next one starts from that luck: so the k-th use of the cases asks
the anchor's interval at 1 - alpha / k (docs/decisions/0006-the-anchor-and-the-uses.md).
"""

from __future__ import annotations

import dataclasses
from statistics import NormalDist

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
from pvcore.evaluation.report import Comparison, Estimate, Group, Report

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
    words = (
        f": worse by more than the margin of {margin:g}",
        f": not worse by the margin of {margin:g}",
        f", which includes the margin of -{margin:g}",
    )
    settings = settings if minimum is None else settings.model_copy(update={"minimum": minimum})
    return _above(report, group, "non-inferiority", metric, reference, -margin, settings, words)


def superior(report: Report, metric: str, reference: str, gain: float, settings: EvaluationSettings) -> Check:
    """Pass if the whole interval of the difference to `reference` lies above `gain`."""
    words = (
        f": not better by more than {gain:g}",
        f": better by more than {gain:g}",
        f", which does not tell whether the gain is more than {gain:g}",
    )
    return _above(report, report.overall, "superiority", metric, reference, gain, settings, words)


def _above(
    report: Report,
    group: Group,
    rule: str,
    metric: str,
    reference: str,
    bound: float,
    settings: EvaluationSettings,
    words: tuple[str, str, str],
) -> Check:
    """Pass if the whole interval of the difference lies above `bound`, minus a margin or a gain.

    `words` end the sentence of what was found: where that fails, passes, or cannot be told. A gain is more than
    the bound, so an interval that ends on it fails; a loss of just the margin is still open.
    """
    result = group.results.get(metric)
    early = cannot_judge(result, rule, group.name, metric, settings.minimum, reference, report.unavailable)
    if early or result is None:
        return early or missing(rule, metric)
    compared, settings = _for_use(result.against[reference], reference, report.uses, settings)
    low, value, high = oriented(compared.difference, result)
    shown = interval(compared.difference, settings, "+")
    found = f"{named(metric, group.name)} differs from the {reference} by {shown}"
    margin = max(-bound, 0.0)
    outcome: Outcome
    needed = None
    if high < bound or (not margin and high == bound):
        outcome, why = "fail", found + words[0]
    elif low > bound:
        outcome, why = "pass", found + words[1]
    else:
        seen = min(value, 0) if margin else value
        needed = cases_needed(compared.difference.error, result.support, seen - bound, settings, margin)
        outcome, why = "inconclusive", f"{found}{words[2]}{more_cases(needed, result)}"
    return make_check(
        rule, group.name, result, outcome, why, compared.difference, limit(-bound, result),
        reference=reference, p_worse=compared.p_worse, cases_needed=needed,
    )  # fmt: skip


def _for_use(
    compared: Comparison, reference: str, uses: int, settings: EvaluationSettings
) -> tuple[Comparison, EvaluationSettings]:
    """The comparison with the anchor as this use of the cases asks for it; any other as it is.

    The interval keeps its form and is stretched as a normal one would be.
    """
    shown = compared.difference
    if reference != ANCHOR or shown.value is None or shown.low is None or shown.high is None:
        return compared, settings
    asked = settings.model_copy(update={"confidence": 1 - (1 - settings.confidence) / uses})
    stretch = _z(asked.confidence) / _z(settings.confidence)
    low, high = (shown.value + (end - shown.value) * stretch for end in (shown.low, shown.high))
    return dataclasses.replace(compared, difference=Estimate(shown.value, low, high, shown.error)), asked


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)
