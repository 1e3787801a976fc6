"""What the policy asks of slices: that they are there, large enough, unharmed, and free of what is not tolerated."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
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
from pvcore.evaluation.comparing import CHAMPION, ROUNDING, non_inferior
from pvcore.evaluation.paired import holm, least_loss
from pvcore.evaluation.policy import EvaluationSettings, ProblemPolicy, SliceRule
from pvcore.evaluation.report import Comparison, Group, Report, Result

RULE = "no harm"
NAMED = 10
"""Cases that a reason names; the report has all."""
MOST = 1e6
"""How many times the rows that there are, beyond which no number of them is said to be enough."""


def slices(
    report: Report, problem: ProblemPolicy, settings: EvaluationSettings, first: bool
) -> Iterable[Check]:
    """The checks of every slice under a rule; at a `first` promotion there is nobody to compare with."""
    rules = _rules(report, problem)
    adjusted = _adjusted(report, rules, settings)
    for name, rule in rules.items():
        group = report.slices.get(name)
        if group is None:
            yield _absent(name, rule)
            continue
        if rule.zero_tolerance is not None and not (first and rule.zero_tolerance == "newly_wrong"):
            yield _tolerated(group, rule)
        if first:
            early = cannot_judge(group.results.get(rule.metric), "slice", name, rule.metric, rule.minimum)
            found = [early] if early else []
        elif rule.rule == "non_inferior":
            # Every one of these must pass, so testing many of them needs no correction.
            found = [non_inferior(report, group, rule.metric, CHAMPION, rule.margin, settings, rule.minimum)]
        else:
            found = [_no_harm(report, group, rule, adjusted.get(name), settings)]
        yield from (dataclasses.replace(check, required=rule.required) for check in found)


def _rules(report: Report, problem: ProblemPolicy) -> dict[str, SliceRule]:
    """Slice -> its rule. A family (`source:*`) stands for those that were measured, or for itself if none was."""
    found: dict[str, SliceRule] = {}
    for name, rule in problem.slices.items():
        family = [s for s in report.slices if s.startswith(name[:-1])] if name.endswith(":*") else []
        found |= {member: problem.rule_of(member) or rule for member in family} or {name: rule}
    return found


def _absent(name: str, rule: SliceRule) -> Check:
    why = f"slice {name}: no held-out row belongs to it"
    if rule.required:
        return missing("slice", why, name, rule.metric)
    return Check(
        "slice", name, rule.metric, "inconclusive", why, support=0, cases_needed=rule.minimum, required=False
    )


def _tolerated(group: Group, rule: SliceRule) -> Check:
    what = (
        "the champion has right and the candidate wrong" if rule.zero_tolerance == "newly_wrong" else "wrong"
    )
    cases = group.intolerable
    if not cases:
        why = f"slice {group.name}: no case is {what}, and none is tolerated"
        return Check("zero tolerance", group.name, rule.metric, "pass", why, support=group.rows)
    shown = ", ".join(cases[:NAMED]) + (f" and {len(cases) - NAMED} more" if len(cases) > NAMED else "")
    why = (
        f"slice {group.name}: {len(cases)} case(s) that {'are ' if what == 'wrong' else ''}{what}: {shown}; "
    )
    return Check(
        "zero tolerance", group.name, rule.metric, "fail", f"{why}none is tolerated", support=group.rows
    )


def _no_harm(
    report: Report, group: Group, rule: SliceRule, p_worse: float | None, settings: EvaluationSettings
) -> Check:
    result = group.results.get(rule.metric)
    early = cannot_judge(result, RULE, group.name, rule.metric, rule.minimum, CHAMPION, report.unavailable)
    if early or result is None:
        return early or missing(RULE, rule.metric, group.name)
    compared, level = result.against[CHAMPION], 1 - settings.confidence
    low, value, _ = oriented(compared.difference, result)
    p = 1.0 if p_worse is None else p_worse
    found = (
        f"{named(rule.metric, group.name)} differs from the champion by "
        f"{interval(compared.difference, settings, '+')}, p(worse) = {p:.3f}"
    )
    beyond = value < -rule.margin - ROUNDING
    smallest = _smallest(compared, result, level)
    needed = None
    outcome: Outcome
    if beyond and p <= level:
        outcome, why = "fail", f"{found}: worse, and by more than {rule.margin:g}"
    elif low > -rule.margin:
        outcome, why = "pass", f"{found}: not worse by {rule.margin:g}"
    elif beyond or smallest > rule.margin + ROUNDING:
        needed = _needed(compared, result, rule.margin, settings)
        outcome = "inconclusive"
        reason = (
            f"looks worse by more than {rule.margin:g}, too few cases to tell"
            if beyond
            else f"too few cases to tell, a loss of less than {smallest:.3f} would not show and {rule.margin:g} "
            "is the margin"
        )
        why = f"{found}: {reason}{more_cases(needed, result)}"
    else:
        # Corrected, a loss of that size may not fail: it is then beyond the margin, and inconclusive.
        at = f" (p <= {level:.2g} before the correction)" if settings.multiple == "holm" else ""
        outcome, why = "pass", f"{found}: no sign of harm, and a loss of {smallest:.3f} would have shown{at}"
    return make_check(
        RULE, group.name, result, outcome, why, compared.difference, limit(rule.margin, result),
        reference=CHAMPION, p_worse=p, cases_needed=needed,
    )  # fmt: skip


def _smallest(compared: Comparison, result: Result, level: float, times: float = 1.0) -> float:
    """The smallest loss that a test at `level` would find here, or in a group that is `times` as large."""
    if compared.clusters and compared.candidate_better is not None:
        better = math.ceil(compared.candidate_better * times)
        return least_loss(better, math.ceil(compared.clusters * times), level)
    error = compared.difference.error or 0.0
    rule_of_three = -math.log(level) / (result.support * times)  # where no two answers differed
    return max(NormalDist().inv_cdf(1 - level) * error / math.sqrt(times), rule_of_three)


def _needed(compared: Comparison, result: Result, margin: float, settings: EvaluationSettings) -> int | None:
    """Rows that count at which a loss of the margin shows, or its absence is proven, if the models differ as now.

    None: no number of them is enough. A loss never shows where the candidate is the better one in half of the
    clusters or more.
    """
    _, value, _ = oriented(compared.difference, result)
    proven = cases_needed(compared.difference.error, result.support, min(value, 0) + margin, settings, margin)
    times, level = 1.1, 1 - settings.confidence
    while _smallest(compared, result, level, times) > margin:
        if times > MOST or (proven and result.support * times >= proven):
            return proven
        times *= 1.1
    shows = max(math.ceil(result.support * times), result.support + 1)
    return min(shows, proven or shows)


def _adjusted(
    report: Report, rules: Mapping[str, SliceRule], settings: EvaluationSettings
) -> dict[str, float]:
    """p(worse) of each slice under no_harm, corrected over all that are large enough to judge (Holm 1979)."""
    found: dict[str, float] = {}
    for name, rule in rules.items():
        group = report.slices.get(name)
        result = group.results.get(rule.metric) if group and rule.rule == "no_harm" else None
        compared = result.against.get(CHAMPION) if result else None
        if result is None or (report.edition > 1 and result.support < rule.minimum):
            continue
        if compared is not None and compared.p_worse is not None:
            found[name] = compared.p_worse
    return holm(found) if settings.multiple == "holm" else found
