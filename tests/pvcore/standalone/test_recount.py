"""What an outsider counts again is what the gate decided, whatever the report and the policy."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from pvcore.evaluation.gate import Policy, decide
from pvcore.evaluation.report import EDITION, Report
from pvcore.standalone import recount

METRICS = ("accuracy", "under_triage", "f1")
SLICES = ("death", "negation", "source:vaers", "source:literature")
KINDS = ("negation", "units", "empty")


def estimate(chance: random.Random, around: float) -> dict[str, Any]:
    if chance.random() < 0.05:
        return {"value": None, "low": None, "high": None, "error": None}
    value, half = round(chance.gauss(around, 0.05), 2), chance.choice((0.0, 0.02, 0.05, 0.1))
    return {"value": value, "low": value - half, "high": value + half, "error": half / 2}


def comparison(chance: random.Random, *, exact: bool, rows: int) -> dict[str, Any]:
    found = {"reference": estimate(chance, 0.8), "difference": estimate(chance, -0.03), "test": "any"}
    if not exact:
        return {**found, "p_worse": chance.choice((None, 0.001, 0.02, 0.4))}
    better, worse = chance.randint(0, rows // 4), chance.randint(0, rows // 3)
    counts = {"candidate_better": better, "reference_better": worse, "clusters": rows}
    return {**found, **counts, "p_worse": recount.at_most(better, better + worse)}


def group(chance: random.Random, name: str, others: list[str]) -> dict[str, Any]:
    rows = chance.choice((10, 29, 30, 60, 400))
    results = {
        metric: {
            "metric": metric,
            "support": rows - chance.choice((0, 0, 5)),
            "higher_is_better": metric != "under_triage",
            "candidate": estimate(chance, 0.8),
            "against": {other: comparison(chance, exact=metric != "f1", rows=rows) for other in others},
        }
        for metric in METRICS
        if chance.random() < 0.95
    }
    cases = chance.choice(([], [], ["case 1"]))
    return {
        "name": name,
        "rows": rows,
        "clusters": rows,
        "labels": {},
        "results": results,
        "intolerable": cases,
    }


def kind(chance: random.Random, *, first: bool) -> dict[str, Any]:
    tests = chance.randint(1, 30)
    worse = chance.randint(0, tests)
    better = chance.randint(0, tests - worse)
    found = {"tests": tests, "passed": better, "withheld": 0, "failures": []}
    if first:
        return found
    p = recount.at_most(better, better + worse)
    return {**found, "champion": worse, "better": better, "worse": worse, "p_worse": p}


def report(chance: random.Random, *, first: bool) -> dict[str, Any]:
    others = ["TF-IDF"] if first else ["champion", *(["anchor"] if chance.random() < 0.9 else []), "TF-IDF"]
    slices = [name for name in SLICES if chance.random() < 0.8]
    kinds = {name: kind(chance, first=first) for name in KINDS if chance.random() < 0.8}
    return {
        "problem": "triage",
        "overall": group(chance, "all", others),
        "slices": {name: group(chance, name, others) for name in slices},
        "references": others,
        "held_out": "",
        "uses": chance.choice((1, 3, 13)),
        "confidence": 0.95,
        "resamples": 1000,
        "seed": 1,
        "behaviour": {"tests": "", "kinds": kinds} if chance.random() < 0.9 else None,
        **chance.choice(({}, {"edition": EDITION})),  # reports of before have none
    }


def policy(chance: random.Random) -> dict[str, Any]:
    def some(names: tuple[str, ...], make: Any) -> dict[str, Any]:
        return {name: make(name) for name in names if chance.random() < 0.6}

    def margin(_: str) -> dict[str, Any]:
        return {"margin": chance.choice((0.02, 0.05, 0.1))}

    def gain(_: str) -> dict[str, Any]:
        return {"gain": chance.choice((0, 0.02))}

    def slice_rule(name: str) -> dict[str, Any]:
        more = {
            "minimum": chance.choice((5, 30)),
            "rule": chance.choice(("no_harm", "no_harm", "non_inferior")),
            "required": chance.random() < 0.5,
            "zero_tolerance": chance.choice((None, None, "wrong", "newly_wrong")),
        }
        return {"metric": chance.choice(METRICS), **margin(name), **some(tuple(more), more.get)}

    def test_rule(name: str) -> dict[str, Any]:
        more = {
            "minimum": chance.choice((0, 0.5, 1)),
            **margin(name),
            "tests": 5,
            "required": chance.random() < 0.5,
        }
        return some(tuple(more), more.get)

    problem = {
        "floors": some(METRICS, lambda _: chance.choice((0, 0.7, 0.8, 1))),
        "non_inferiority": some(METRICS, margin),
        "superiority": some(("champion", "anchor", "TF-IDF"), lambda _: some(METRICS, gain)),
        "against": some(("TF-IDF", "nobody"), lambda _: some(METRICS, margin)),
        "slices": some((*SLICES, "source:*", "language:*"), slice_rule),
        "behaviour": some(KINDS, test_rule),
    }
    if chance.random() < 0.7:
        problem["anchor"] = {"version": "first", "non_inferiority": {"accuracy": margin("")}}
    evaluation = {} if chance.random() < 0.5 else {"multiple": "none", "minimum": 20}
    return {"problems": {"triage": problem} if chance.random() < 0.98 else {}, "evaluation": evaluation}


def both(seed: int) -> tuple[Counter[str], Counter[str], dict[str, Any]]:
    """What the file and the gate make of a report and a policy that nobody would think of."""
    chance = random.Random(seed)
    first = chance.random() < 0.3
    stored, asked = report(chance, first=first), policy(chance)
    decision = decide(Report.from_json(stored), Policy.model_validate(asked), first=first).to_json()
    settings = {**recount.SETTINGS, **asked["evaluation"]}
    gate = recount.Gate(stored, asked["problems"].get("triage"), settings, first)
    checks = decision["checks"]
    return Counter(map(recount.plain, gate.criteria())), Counter(map(recount.plain, checks)), decision


def test_it_decides_as_the_gate_does() -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for seed in range(300):
        made, told, decision = both(seed)
        assert made == told, seed
        seen.update((check["rule"], check["outcome"]) for check in decision["checks"])
    # None of it holds because it never came to it.
    for rule in ("floor", "floor kept", "non-inferiority", "superiority", "no harm"):
        assert all(seen[rule, outcome] > 10 for outcome in ("pass", "fail", "inconclusive")), rule
    assert all(seen[r, o] > 10 for r in ("zero tolerance", "behaviour") for o in ("pass", "fail"))
    assert all(seen["behaviour kept", outcome] > 3 for outcome in ("pass", "fail", "inconclusive"))
    assert seen["slice", "fail"] > 10 and seen["slice", "inconclusive"] > 10 and seen["policy", "fail"] > 3


def test_an_exact_test_and_the_loss_that_it_would_show() -> None:
    from scipy.stats import binom

    from pvcore.evaluation.paired import least_loss

    for wins, losses in ((0, 0), (0, 5), (3, 9), (40, 70)):
        p = float(binom.cdf(wins, wins + losses, 0.5))
        assert recount.at_most(wins, wins + losses) == pytest.approx(p, abs=1e-12)
        found = {"candidate_better": wins, "clusters": 200}
        assert recount.least_loss(found, 200, 0.05) == pytest.approx(least_loss(wins, 200, 0.05), abs=1e-12)
