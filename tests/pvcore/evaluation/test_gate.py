from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from pvcore.errors import GateError
from pvcore.evaluation import metrics as m
from pvcore.evaluation.compare import evaluate, frame
from pvcore.evaluation.gate import Decision, Policy, decide
from pvcore.records import Example, Prediction

HALF = "sn" * 100


@pytest.fixture
def judge(examples, answers, metrics, policy):
    """Decide on answers given as letters, beside a champion's (None: a first promotion)."""

    def run(
        labels, candidate, champion=None, *, groups=None, evaluation=None, baselines=None, uses=1, **problem
    ):
        cases, asked = examples(labels, groups), policy(evaluation, **problem)
        other = None if champion is None else frame(cases, answers(champion))
        more = {name: frame(cases, answers(given)) for name, given in (baselines or {}).items()}
        report = evaluate(
            "seriousness",
            metrics,
            frame(cases, answers(candidate)),
            other,
            asked,
            1,
            baselines=more,
            uses=uses,
        )
        return decide(report, asked, first=champion is None)

    return run


def wrong(labels: str, count: int, start: int = 0) -> str:
    """The labels with `count` of them turned over."""
    flipped = {"s": "n", "n": "s"}
    return "".join(flipped[x] if start <= i < start + count else x for i, x in enumerate(labels))


def test_first_promotion_is_decided_by_the_lower_end_of_the_interval(judge):
    assert judge(HALF, wrong(HALF, 20)).outcome == "pass"
    unsure = judge(HALF, wrong(HALF, 50))
    assert unsure.outcome == "inconclusive"  # 0.75 is above 0.7, its interval is not
    assert "about" in unsure.reasons[0] and unsure.checks[0].cases_needed > 200
    failed = judge(HALF, wrong(HALF, 90))
    assert failed.outcome == "fail"
    assert "clearly short of the floor of 0.7" in failed.reasons[0]


def test_later_promotions_are_decided_by_the_interval_of_the_difference(judge):
    champion = wrong(HALF, 20)
    same = judge(HALF, champion, champion)
    assert same.outcome == "pass"
    assert len(same.reasons) == len(same.checks) == 2
    worse = judge(HALF, wrong(HALF, 60), champion)
    assert worse.outcome == "fail"
    assert any("worse by more than the margin of 0.05" in reason for reason in worse.reasons)
    # As many errors, but others: what differs between the two is then too noisy to tell.
    noisy = judge(HALF, wrong(HALF, 20, start=100), champion)
    assert noisy.outcome == "inconclusive"
    assert "which includes the margin of -0.05; about" in noisy.reasons[0]


def test_a_champion_that_slid_below_the_floor_is_not_followed(judge):
    poor = wrong(HALF, 80)
    decision = judge(HALF, poor, poor)
    assert decision.outcome == "fail"
    assert [check.rule for check in decision.checks if check.outcome == "fail"] == ["floor kept"]
    # The floor is 0.7: on it is enough, one case below it no longer.
    for mistakes, outcome in ((60, "pass"), (61, "inconclusive")):
        assert judge(HALF, wrong(HALF, mistakes), wrong(HALF, mistakes)).outcome == outcome


@pytest.mark.parametrize(
    ("problem", "champion", "reason"),
    [
        ({"floors": {}}, None, "no floors for a first promotion"),
        ({"non_inferiority": {}}, HALF, "no non_inferiority margins"),
        ({"floors": {"kappa": 0.5}}, None, "kappa was not measured"),
        ({"non_inferiority": {"kappa": {"margin": 0.1}}}, HALF, "kappa was not measured"),
        (
            {"slices": {"infants": {"metric": "accuracy", "margin": 0.1}}},
            HALF,
            "slice infants: no held-out row",
        ),
        ({"against": {"anchor": {"accuracy": {"margin": 0.1}}}}, HALF, "no anchor was evaluated"),
    ],
)
def test_what_is_missing_fails_with_the_reason(judge, problem, champion, reason):
    decision = judge(HALF, HALF, champion, **problem)
    assert decision.outcome == "fail"
    assert any(text.startswith("missing:") and reason in text for text in decision.reasons)


def test_a_missing_champion_or_problem_fails(examples, answers, metrics, policy):
    rows = frame(examples(HALF), answers(HALF))
    report = evaluate("seriousness", metrics, rows, None, policy(), 1)
    assert "no champion was evaluated" in decide(report, policy(), first=False).reasons[0]
    nothing = Policy.model_validate({"evaluation": {"resamples": 200}})
    assert "no section problems.seriousness" in decide(report, nothing, first=True).reasons[0]


def test_too_few_cases_are_inconclusive_and_say_how_many_more(judge):
    decision = judge("sn" * 10, "sn" * 10)
    assert decision.outcome == "inconclusive"
    assert "20 held-out rows count, the policy asks for 30; 10 more needed" in decision.reasons[0]
    # Recall counts serious cases only, however many others there are.
    rare = "s" * 12 + "n" * 188
    assert judge(rare, rare, floors={"recall": 0.5}).checks[0].support == 12


RULE = {"metric": "accuracy", "margin": 0.1, "minimum": 30}
LOOSE = {"non_inferiority": {"accuracy": {"margin": 0.4}}, "floors": {}}


def test_slices_stop_harm_that_the_average_hides(judge):
    labels = "sn" * 300
    groups = {"negation": range(40)}
    decision = judge(labels, wrong(labels, 15), labels, groups=groups, **_with(negation=RULE))
    assert decision.outcome == "fail"
    assert (
        "slice negation: accuracy" in decision.reasons[0]
        and "worse, and by more than 0.1" in decision.reasons[0]
    )
    # Worse by more than the margin in the point, and five against none is too little to be sure of.
    small = judge(labels, wrong(labels, 4), labels, groups={"negation": range(30)}, **_with(negation=RULE))
    assert small.outcome == "inconclusive"
    assert "too few cases to tell" in small.reasons[0]
    # Exactly the margin (2 of 40) is within it, though 0.95 - 1.0 is a little more in floating point.
    narrow = _with(negation={**RULE, "margin": 0.05})
    assert judge(labels, wrong(labels, 2), labels, groups=groups, **narrow).outcome == "pass"


def test_holm_corrects_over_the_slices_and_can_be_switched_off(judge):
    labels = "sn" * 300
    groups = {f"s{number}": range(number * 40, number * 40 + 40) for number in range(5)}
    rules = _with(**{name: RULE for name in groups})
    # Six against none: p = 0.016 alone, 0.08 among five.
    candidate = wrong(labels, 6)
    assert judge(labels, candidate, labels, groups=groups, **rules).outcome == "inconclusive"
    alone = judge(labels, candidate, labels, groups=groups, evaluation={"multiple": "none"}, **rules)
    assert alone.outcome == "fail"


def test_a_slice_can_be_optional_or_ask_for_proof(judge):
    labels = "sn" * 300
    few = {"negation": range(12)}
    optional = {**RULE, "required": False}
    assert judge(labels, labels, labels, groups=few, **_with(negation=RULE)).outcome == "inconclusive"
    assert judge(labels, labels, labels, groups=few, **_with(negation=optional)).outcome == "pass"
    assert judge(labels, labels, labels, **_with(negation=optional)).outcome == "pass"
    noisy, other = wrong(labels, 4), wrong(labels, 4, start=36)
    proof = {**RULE, "rule": "non_inferior"}
    forty = {"negation": range(40)}
    assert judge(labels, noisy, other, groups=forty, **_with(negation=RULE)).outcome == "pass"
    assert judge(labels, noisy, other, groups=forty, **_with(negation=proof)).outcome == "inconclusive"


def test_references_beside_the_champion_stop_a_slide_by_small_steps(judge):
    champion = wrong(HALF, 30)
    against = {"anchor": {"accuracy": {"margin": 0.05}}}
    decision = judge(HALF, champion, champion, baselines={"anchor": HALF}, against=against)
    assert decision.outcome == "fail"
    assert decision.checks[-1].reference == "anchor"


def test_a_held_out_set_that_was_asked_too_often_decides_nothing(judge):
    limit = {"maximum_uses": 3}
    assert judge(HALF, HALF, evaluation=limit, uses=3).outcome == "pass"
    decision = judge(HALF, HALF, evaluation=limit, uses=4)
    assert decision.outcome == "inconclusive"
    assert "has decided 4 times" in decision.reasons[0]


def test_lower_can_be_better(examples, answers, policy):
    errors = m.Metric("errors", lambda f: float((f.label != f.answer).mean()), higher_is_better=False)
    asked = policy(floors={"errors": 0.3}, non_inferiority={"errors": {"margin": 0.05}})
    cases = examples(HALF)
    good, bad = frame(cases, answers(HALF)), frame(cases, answers(wrong(HALF, 100)))

    def run(candidate, champion):
        report = evaluate("seriousness", [errors], candidate, champion, asked, 1)
        return decide(report, asked, first=champion is None)

    assert run(good, None).outcome == "pass"
    assert run(bad, None).outcome == "fail"
    assert run(good, bad).outcome == "pass"
    worse = run(bad, good)
    assert worse.outcome == "fail"
    assert worse.checks[-1].threshold == 0.05


def test_a_report_made_under_other_settings_is_refused(examples, answers, metrics, policy):
    rows = frame(examples(HALF), answers(HALF))
    report = evaluate("seriousness", metrics, rows, None, policy(), 1)
    with pytest.raises(GateError, match="Evaluate the candidate again"):
        decide(report, policy({"confidence": 0.9}), first=True)


def test_a_decision_survives_json(judge):
    decision = judge(HALF, wrong(HALF, 20, start=100), wrong(HALF, 20))
    assert Decision.from_json(json.loads(json.dumps(decision.to_json(), allow_nan=False))) == decision


@pytest.mark.parametrize(
    "section",
    [
        {"problems": {"seriousness": {"flors": {}}}},
        {"problems": {"seriousness": {"floors": {"recall": 75}}}},
        {"problems": {"seriousness": {"non_inferiority": {"recall": {"margin": 0}}}}},
        {"problems": {"seriousness": {"slices": {"x": {"metric": "recall"}}}}},
        {"evaluation": {"confidence": 95}},
        {"evaluation": {"multiple": "bonferroni"}},
    ],
)
def test_a_policy_that_says_something_unknown_is_refused(section):
    with pytest.raises(ValidationError):
        Policy.model_validate(section)


def test_how_often_the_gate_errs(policy):
    """Simulated: 1,000 cases, models 90% right with a third of their errors in common, margin 0.05."""
    rng = np.random.default_rng(5)
    asked = policy(floors={})

    def passes(true_difference: float, rounds: int = 60) -> float:
        passed = 0
        for _ in range(rounds):
            shared = rng.random(1000)
            models = [_drawn(rng, shared, 0.90 + true_difference), _drawn(rng, shared, 0.90)]
            report = evaluate("seriousness", [m.accuracy()], *models, asked, 1)
            passed += decide(report, asked, first=False).outcome == "pass"
        return passed / rounds

    assert passes(0.0) >= 0.85  # equal models get through
    assert passes(-0.05) <= 0.1  # a model that is worse by the whole margin does not


def _drawn(rng: np.random.Generator, shared: np.ndarray, accuracy: float) -> pd.DataFrame:
    rows = len(shared)
    draw = np.where(np.arange(rows) % 3 == 0, shared, rng.random(rows))
    names = [f"e{number:04d}" for number in range(rows)]
    cases = [Example(name, name, "", "serious", name) for name in names]
    given = [
        Prediction(name, "serious" if ok else "non-serious", 0.5)
        for name, ok in zip(names, draw < accuracy, strict=True)
    ]
    return frame(cases, given)


def _with(**slices: object) -> dict[str, object]:
    return {**LOOSE, "slices": slices}
