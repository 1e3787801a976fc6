"""The rows of the dossier's tables, from reports and decisions to texts as they are printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pvcore.dossier import words
from pvcore.evaluation.checks import Check
from pvcore.evaluation.criteria import OF_ONE, is_of_one, name_of
from pvcore.evaluation.gate import CHAMPION, Decision, Policy
from pvcore.evaluation.report import Estimate, Group, Report
from pvcore.records import CRITERIA

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Cell:
    """A number and its interval, as they are printed."""

    value: str
    interval: str = ""


def cell(shown: Cell) -> str:
    """A number with its interval in one line."""
    return f"{shown.value} ({shown.interval})" if shown.interval else shown.value


def cards(report: Report, decision: Decision) -> list[dict[str, str]]:
    """The criteria over all cases, one number each, at most four."""
    seen: list[str] = []
    for check in decision.checks:
        if check.group == "all" and check.metric in report.overall.results and check.metric not in seen:
            seen.append(check.metric)
    cards = []
    for name in seen[:4]:
        result = report.overall.results[name]
        note = f"{interval(result.candidate)}"
        if against := result.against.get(CHAMPION):
            note += f"; champion {number(against.reference.value)}"
        cards.append({"title": spoken(name), "value": number(result.candidate.value), "note": note})
    cases = f"in {report.overall.clusters} clusters"
    return [*cards, {"title": "held-out examples", "value": str(report.overall.rows), "note": cases}]


def frequencies(report: Report, positive: str | None) -> list[str]:
    """Recall and specificity as people count: of 100 such cases."""
    if positive is None:
        return []
    sentences = []
    texts = (
        ("recall", f"Of 100 {positive} cases the candidate finds"),
        ("specificity", "Of 100 other cases it raises no alarm for"),
    )
    for name, text in texts:
        result = report.overall.results.get(name)
        if result is None or result.candidate.value is None:
            continue
        champion = result.against.get(CHAMPION)
        known = champion and champion.reference.value is not None
        than = f" The champion: {_of_100(champion.reference.value)}." if champion and known else ""
        low, value, high = map(_of_100, (result.candidate.low, result.candidate.value, result.candidate.high))
        about = value if value.startswith("almost") else f"about {value}"
        sentences.append(f"{text} {about} (the interval allows {low} to {high}).{than}")
    return sentences


def _of_100(share: float | None) -> str:
    """A share as so many of 100; one that misses a case in a thousand is not said to miss none."""
    rounded = f"{100 * (share or 0.0):.0f}"
    return f"almost {rounded}" if rounded == "100" and share != 1 else rounded


def confusion(report: Report, positive: str | None) -> dict[str, Any] | None:
    """The four counts, from recall and specificity and the rows behind them."""
    found = [report.overall.results.get(name) for name in ("recall", "specificity")]
    values = [
        (r.support, r.candidate.value) for r in found if r is not None and r.candidate.value is not None
    ]
    if positive is None or len(values) != 2:
        return None
    (positives, recall), (negatives, specificity) = values
    others = [label for label in report.overall.labels if label != positive]
    hits, left = round(positives * recall), round(negatives * specificity)
    return {
        "positive": positive,
        "negative": others[0] if len(others) == 1 else "other",
        "tp": hits,
        "fn": positives - hits,
        "fp": negatives - left,
        "tn": left,
    }


def result_rows(report: Report) -> list[dict[str, Any]]:
    rows = []
    for name, result in report.overall.results.items():
        if is_of_one(name):
            continue
        shown = [result.candidate, *(result.against[other].reference for other in report.references)]
        cells = [Cell(number(estimate.value), interval(estimate)) for estimate in shown]
        if CHAMPION in result.against:
            difference = result.against[CHAMPION].difference
            cells.append(Cell(number(difference.value, "+"), interval(difference, "+")))
        rows.append({"name": spoken(name), "meaning": words.METRICS.get(name, ""), "cells": cells})
    return rows


def criteria_rows(report: Report) -> list[dict[str, Any]]:
    """One row a criterion: how the held-out cases that meet it are ranked, found and called.

    Average precision of the candidate and of each reference, then the candidate's recall and precision.
    """
    rows = []
    for criterion in CRITERIA:
        found = {one.name: report.overall.results.get(name_of(criterion, one.name)) for one in OF_ONE}
        ranked, recall, precision = (found[name] for name in ("average_precision", "recall", "precision"))
        if ranked is None or recall is None or precision is None:
            continue
        shown = [ranked.candidate, *(ranked.against[other].reference for other in report.references)]
        cells = [Cell(number(e.value), interval(e)) for e in (*shown, recall.candidate, precision.candidate)]
        rows.append({"name": spoken(criterion), "met": recall.support, "cells": cells})
    return rows


def effect_rows(effects: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a metric: champion in the old and in the new dictionary, candidate, and what each of the two changed."""
    states, changes = ("champion_old", "champion_new", "candidate_new"), ("dictionary", "model")
    rows = []
    for found in effects["results"]:
        parts = {name: Estimate(**found[name]) for name in (*states, *changes)}
        cells = [Cell(number(parts[name].value), interval(parts[name])) for name in states]
        cells += [Cell(number(parts[name].value, "+"), interval(parts[name], "+")) for name in changes]
        rows.append({"name": spoken(found["metric"]), "cells": cells})
    return rows


def slice_rows(report: Report, metric: str) -> list[dict[str, Any]]:
    def row(group: Group) -> dict[str, Any]:
        result = group.results[metric]
        cells = [Cell(number(result.candidate.value), interval(result.candidate))]
        if against := result.against.get(CHAMPION):
            cells.append(Cell(number(against.reference.value), interval(against.reference)))
            cells.append(Cell(number(against.difference.value, "+"), interval(against.difference, "+")))
        return {"name": group.name.replace("_", " "), "rows": group.rows, "cells": cells}

    return [row(group) for group in report.slices.values() if metric in group.results]


def slice_metric(report: Report, policy: Policy) -> str:
    """The metric that the policy asks of slices, else the first that was measured."""
    section = policy.problems.get(report.problem)
    asked = [rule.metric for rule in section.slices.values()] if section else []
    return next((name for name in (*asked, *report.overall.results) if name in report.overall.results), "")


def check_row(check: Check) -> dict[str, str]:
    where = "" if check.group == "all" else f"{check.group}: ".replace("_", " ")
    whom = f" against {check.reference}" if check.reference else ""
    sign = "+" if check.reference else ""
    bound = "above" if check.higher_is_better else "below"
    asked = DASH if check.threshold is None else f"{bound} {number(check.threshold, sign)}"
    estimate = Estimate(check.value, check.low, check.high, None)
    name = f"{where}{spoken(check.metric) or check.rule}{whom}"
    rule = check.reason if check.value is None else words.RULES.get(check.rule, check.rule)
    rule += "; not required" if check.outcome != "pass" and not check.blocks else ""
    return {
        "name": name,
        "rule": rule,
        "asked": asked,
        "value": number(check.value, sign),
        "interval": interval(estimate, sign),
        "support": DASH if check.support is None else str(check.support),
        "outcome": check.outcome,
    }


def facts(value: Mapping[str, Any] | None, prefix: str = "") -> list[tuple[str, str]]:
    """A nested mapping as rows of name and text, in its own order."""
    rows: list[tuple[str, str]] = []
    for key, item in (value or {}).items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(item, Mapping):
            rows += facts(item, f"{prefix}{key}: ") or [(name, DASH)]
        elif isinstance(item, (list, tuple)):
            rows.append((name, ", ".join(str(part) for part in item) or DASH))
        elif isinstance(item, float):
            rows.append((name, f"{item:.6g}"))
        else:
            rows.append((name, DASH if item is None or item == "" else str(item)))
    return rows


def number(value: float | None, sign: str = "") -> str:
    return DASH if value is None else f"{value:{sign}.3f}".replace("-", MINUS)


def interval(shown: Estimate, sign: str = "") -> str:
    if shown.low is None or shown.high is None:
        return ""
    return f"{number(shown.low, sign)} to {number(shown.high, sign)}"


def spoken(metric: str) -> str:
    return words.NAMES.get(metric, metric.replace("_", " "))
