"""The gate's criteria over behaviour tests: a share that must be passed, and one not below the champion's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pvcore.evaluation.behaviour import Conduct, Kind
from pvcore.evaluation.checks import Check, Outcome, missing
from pvcore.evaluation.paired import holm
from pvcore.evaluation.policy import BehaviourRule, EvaluationSettings
from pvcore.evaluation.report import EDITION

METRIC = "pass_rate"
ROUNDING = 1e-9
CHAMPION = "champion"


def behaviour_checks(
    found: Conduct | None,
    rules: Mapping[str, BehaviourRule],
    settings: EvaluationSettings,
    *,
    first: bool,
    edition: int = EDITION,
) -> Iterator[Check]:
    """One check a kind and criterion. A kind that the policy names and of which no test was asked fails."""
    kinds = found.kinds if found else {}
    worse = {
        name: kind.p_worse
        for name, kind in kinds.items()
        if name in rules
        and kind.p_worse is not None
        and (edition == 1 or (rules[name].margin is not None and kind.tests >= rules[name].tests))
    }
    adjusted = holm(worse) if settings.multiple == "holm" else worse
    for name, rule in rules.items():
        kind = kinds.get(name)
        if kind is None:
            yield missing(
                "behaviour", f"behaviour {name}: no such test was asked and the policy asks for it", name
            )
        elif kind.tests < rule.tests:
            why = f"behaviour {name}: {kind.tests} tests were asked, the policy asks for {rule.tests}"
            yield _check("behaviour", name, kind, _or_reported(rule), why)
        else:
            if rule.minimum is not None:
                yield _enough(name, kind, rule.minimum)
            if rule.margin is not None and not first:
                yield _kept(name, kind, rule, rule.margin, adjusted.get(name), settings)


def _enough(name: str, kind: Kind, minimum: float) -> Check:
    reached = kind.rate >= minimum - ROUNDING
    why = f"{_passed(name, kind)}: " + ("reaches" if reached else "short of") + f" the minimum of {minimum:g}"
    return _check(
        "behaviour", name, kind, "pass" if reached else "fail", why, value=kind.rate, threshold=minimum
    )


def _kept(
    name: str, kind: Kind, rule: BehaviourRule, margin: float, p: float | None, settings: EvaluationSettings
) -> Check:
    if kind.champion is None or p is None:
        return missing(
            "behaviour kept", f"behaviour {name}: no champion was asked to compare with", name, METRIC
        )
    difference = (kind.passed - kind.champion) / kind.tests
    found = (
        f"{_passed(name, kind)}, the champion {kind.champion} ({kind.worse} that only it passed, "
        f"{kind.better} that only the candidate passed, p(worse) = {p:.3f})"
    )
    outcome: Outcome
    if difference >= -margin - ROUNDING:
        outcome, why = "pass", f"{found}: not fewer by more than {margin:g}"
    elif p <= 1 - settings.confidence:
        outcome, why = "fail", f"{found}: fewer, and by more than {margin:g}"
    else:
        outcome = _or_reported(rule)
        why = f"{found}: fewer by more than {margin:g}, too few tests to tell"
    return _check(
        "behaviour kept", name, kind, outcome, why,
        value=difference, threshold=-margin, reference=CHAMPION, p_worse=p,
    )  # fmt: skip


def _or_reported(rule: BehaviourRule) -> Outcome:
    return "inconclusive" if rule.required else "pass"


def _passed(name: str, kind: Kind) -> str:
    return f"behaviour {name}: {kind.passed} of {kind.tests} tests passed"


def _check(
    rule: str,
    name: str,
    kind: Kind,
    outcome: Outcome,
    why: str,
    *,
    value: float | None = None,
    threshold: float | None = None,
    reference: str | None = None,
    p_worse: float | None = None,
) -> Check:
    return Check(
        rule, name, METRIC, outcome, why, reference=reference, value=value, threshold=threshold,
        support=kind.tests, p_worse=p_worse,
    )  # fmt: skip
