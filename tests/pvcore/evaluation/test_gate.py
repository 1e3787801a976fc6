from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from pvcore.errors import GateError
from pvcore.evaluation import metrics as m
from pvcore.evaluation.compare import evaluate, frame
from pvcore.evaluation.confusion import under_triage
from pvcore.evaluation.gate import Decision, Policy, decide
from pvcore.evaluation.report import Report
from pvcore.records import Example, Prediction

HALF = "sn" * 100


@pytest.fixture
def judge(examples, answers, metrics, policy):
    """Decide on answers given as letters, beside a champion's (None: a first promotion)."""

    def run(
        labels,
        candidate,
        champion=None,
        *,
        groups=None,
        evaluation=None,
        baselines=None,
        uses=1,
        fresh=0,
        **problem,
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
            fresh=fresh,
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


@pytest.mark.parametrize(("floor", "rows", "needed"), [(0.9, 30, 35), (0.99, 200, 381)])
def test_where_all_is_right_the_rows_that_are_said_to_prove_a_floor_do(judge, floor, rows, needed):
    asked = {"floors": {"accuracy": floor}}
    few = judge("s" * rows, "s" * rows, **asked)
    assert few.outcome == "inconclusive" and f"about {needed} rows" in few.reasons[0]
    assert judge("s" * (needed - 1), "s" * (needed - 1), **asked).outcome == "inconclusive"
    assert judge("s" * needed, "s" * needed, **asked).outcome == "pass"


def test_a_floor_of_a_report_of_before_is_judged_as_it_was(examples, answers, metrics, policy):
    asked = policy(floors={"accuracy": 0.9})
    flawless = frame(examples("s" * 30), answers("s" * 30))
    report = evaluate("seriousness", metrics, flawless, None, asked, 1, edition=2)
    assert "about 31 rows" in decide(report, asked, first=True).reasons[0]


def test_later_promotions_are_decided_by_the_interval_of_the_difference(judge):
    champion = wrong(HALF, 20)
    same = judge(HALF, champion, champion)
    assert same.outcome == "pass"
    assert len(same.reasons) == len(same.checks) == 3  # the floor, the champion, the uses
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
    # Exactly the margin (5 of 100) is within it, though 0.95 - 1.0 is a little more in floating point.
    narrow, groups = _with(negation={**RULE, "margin": 0.05}), {"negation": range(100)}
    assert judge(labels, wrong(labels, 5), labels, groups=groups, **narrow).outcome == "pass"


def test_holm_corrects_over_the_slices_and_can_be_switched_off(judge):
    labels = "sn" * 300
    groups = {f"s{number}": range(number * 40, number * 40 + 40) for number in range(5)}
    rules = _with(**{name: RULE for name in groups})
    # Six against none: p = 0.016 alone, 0.08 among five.
    candidate = wrong(labels, 6)
    assert judge(labels, candidate, labels, groups=groups, **rules).outcome == "inconclusive"
    alone = judge(labels, candidate, labels, groups=groups, evaluation={"multiple": "none"}, **rules)
    assert alone.outcome == "fail"


def test_slices_that_are_too_small_to_judge_do_not_hide_harm_in_another(
    judge, examples, answers, metrics, policy
):
    labels = "sn" * 300
    few = {f"source:{number}": [100 + number] for number in range(40)}
    optional = {**RULE, "required": False}
    rules = _with(**{"death": optional, "source:*": optional})
    harmed = wrong(labels, 8)  # of 60: p = 0.004
    assert judge(labels, harmed, labels, groups={"death": range(60), **few}, **rules).outcome == "fail"
    # A report of before keeps the decision that it had.
    cases, asked = examples(labels, {"death": range(60), **few}), policy(**rules)
    rows = frame(cases, answers(harmed)), frame(cases, answers(labels))
    before = evaluate("seriousness", metrics, *rows, asked, 1).to_json()
    del before["edition"]
    assert decide(Report.from_json(before), asked, first=False).outcome == "pass"


def test_a_slice_can_be_optional_or_ask_for_proof(judge):
    labels = "sn" * 300
    few = {"negation": range(12)}
    optional = {**RULE, "required": False}
    assert judge(labels, labels, labels, groups=few, **_with(negation=RULE)).outcome == "inconclusive"
    assert judge(labels, labels, labels, groups=few, **_with(negation=optional)).outcome == "pass"
    assert judge(labels, labels, labels, **_with(negation=optional)).outcome == "pass"
    noisy, other = wrong(labels, 4), wrong(labels, 4, start=96)
    proof = {**RULE, "rule": "non_inferior", "margin": 0.05}
    hundred = {"negation": range(100)}
    assert judge(labels, noisy, other, groups=hundred, **_with(negation=RULE)).outcome == "pass"
    assert judge(labels, noisy, other, groups=hundred, **_with(negation=proof)).outcome == "inconclusive"


def test_what_is_optional_is_still_told_and_harm_still_stops(judge):
    labels, groups = "sn" * 300, {"negation": range(40)}
    optional = _with(negation={**RULE, "required": False, "minimum": 60})
    decision = judge(labels, labels, labels, groups=groups, **optional)
    small = next(check for check in decision.checks if check.group == "negation")
    assert (decision.outcome, small.outcome, small.cases_needed) == ("pass", "inconclusive", 60)
    harmed = _with(negation={**RULE, "required": False})
    assert judge(labels, wrong(labels, 15), labels, groups=groups, **harmed).outcome == "fail"


def test_a_slice_in_which_a_loss_would_not_show_is_too_small_to_tell(judge):
    """Equal answers prove little: in 30 cases a loss of 3 would not show, five are needed (0.5 ** 5 < 0.05)."""
    labels, rules = "sn" * 300, _with(negation=RULE)
    few = judge(labels, labels, labels, groups={"negation": range(30)}, **rules)
    assert few.outcome == "inconclusive"
    assert "a loss of less than 0.167 would not show and 0.1 is the margin; about 35 rows" in few.reasons[0]
    (check,) = [check for check in few.checks if check.group == "negation"]
    assert check.cases_needed == 35  # Tango's interval of no discordant pair ends above -0.1 from there on
    assert judge(labels, labels, labels, groups={"negation": range(35)}, **rules).outcome == "pass"


def test_a_slice_in_which_the_candidate_mostly_wins_is_still_told_how_many_rows_are_needed(judge):
    """18 won and 12 lost of 32: no loss shows beside so many wins, however many rows came, so proof is what is left."""
    labels, rules = "s" * 32 + HALF, _with(negation={**RULE, "metric": "recall", "margin": 0.05})
    found = judge(labels, wrong(labels, 12, 18), wrong(labels, 18), groups={"negation": range(32)}, **rules)
    (check,) = [check for check in found.checks if check.group == "negation"]
    assert check.outcome == "inconclusive"
    assert 2_500 < check.cases_needed < 3_500


def test_a_slice_whose_few_large_clusters_are_lost_has_no_number_of_rows_that_would_tell(
    examples, answers, metrics, policy
):
    """20 clusters of one row are won and one of 30 is lost: worse by rows, better by clusters, at any size."""
    cases = [
        dataclasses.replace(e, cluster=e.cluster if n < 20 else "one")
        for n, e in enumerate(examples("s" * 50))
    ]
    cases = [dataclasses.replace(e, slices=("negation",)) for e in cases]
    asked = policy(**_with(negation={**RULE, "metric": "recall", "margin": 0.05}))
    first, second = (frame(cases, answers(said)) for said in ("s" * 20 + "n" * 30, "n" * 20 + "s" * 30))
    report = evaluate("seriousness", metrics, first, second, asked, 1)
    found = decide(report, asked, first=False)
    (check,) = [check for check in found.checks if check.group == "negation"]
    assert (check.outcome, check.cases_needed) == ("inconclusive", None)


def test_one_case_is_enough_where_none_is_tolerated(judge):
    labels, groups = "sn" * 300, {"death": [0, 2, 4]}  # far too few for any test
    rule = {**RULE, "required": False}
    newly = _with(death={**rule, "zero_tolerance": "newly_wrong"})
    missed, before = wrong(labels, 1, start=2), wrong(labels, 1, start=2)
    decision = judge(labels, missed, labels, groups=groups, **newly)
    assert decision.outcome == "fail"
    assert decision.reasons[0].endswith("wrong: c2; none is tolerated")
    assert judge(labels, missed, before, groups=groups, **newly).outcome == "pass"  # wrong before as well
    every = _with(death={**rule, "zero_tolerance": "wrong"})
    assert judge(labels, missed, before, groups=groups, **every).outcome == "fail"
    assert judge(labels, labels, labels, groups=groups, **every).outcome == "pass"
    # A first promotion has no champion: only what is wrong in itself is forbidden.
    assert judge(labels, missed, None, groups=groups, slices=newly["slices"]).outcome == "pass"
    assert judge(labels, missed, None, groups=groups, slices=every["slices"]).outcome == "fail"
    # By the metric: recall looks at serious cases alone, so a false alarm is none of its business.
    serious_only = _with(death={**rule, "metric": "recall", "zero_tolerance": "wrong"})
    assert (
        judge(labels, wrong(labels, 1, start=1), labels, groups={"death": [0, 1]}, **serious_only).outcome
        == "pass"
    )


def test_an_answer_that_was_withheld_is_not_a_wrong_one(examples, answers, metrics, policy):
    rule = {**RULE, "required": False, "zero_tolerance": "wrong"}
    asked, cases = policy(slices={"death": rule}), examples(HALF, {"death": [0, 2]})
    given = answers(wrong(HALF, 1))
    for withheld, forbidden in ((False, ("c0",)), (True, ())):
        first = dataclasses.replace(given[0], answer="", withheld=given[0].answer) if withheld else given[0]
        rows = frame(cases, [first, *given[1:]])
        found = evaluate("seriousness", metrics, rows, None, asked, 1)
        assert found.slices["death"].intolerable == forbidden


@pytest.mark.parametrize("name", ["accuracy", "under_triage"])
def test_a_champion_that_withheld_its_answer_was_not_right(name, examples, answers, policy):
    metric = m.accuracy() if name == "accuracy" else under_triage(("non-serious", "serious"))
    rule = {**RULE, "metric": name, "required": False, "zero_tolerance": "newly_wrong"}
    asked, cases, before = policy(slices={"death": rule}), examples(HALF, {"death": [0, 2]}), answers(HALF)
    held = [dataclasses.replace(before[0], answer="", withheld=before[0].answer), *before[1:]]
    for champion, forbidden in ((before, ("c0",)), (held, ())):
        rows = [frame(cases, given) for given in (answers(wrong(HALF, 1)), champion)]
        assert evaluate("seriousness", [metric], *rows, asked, 1).slices["death"].intolerable == forbidden


def test_a_slice_that_is_required_has_to_be_there_at_a_first_promotion(judge):
    slices = {"death": RULE}
    assert "no held-out row" in judge(HALF, HALF, slices=slices).reasons[0]
    assert judge(HALF, HALF, groups={"death": range(10)}, slices=slices).outcome == "inconclusive"
    assert judge(HALF, HALF, groups={"death": range(40)}, slices=slices).outcome == "pass"


def test_a_family_of_slices_shares_a_rule(judge):
    labels = "sn" * 300
    groups = {"source:A": range(60), "source:B": range(60, 120), "language:de": range(60)}
    rules = _with(**{"source:*": RULE, "source:B": {**RULE, "margin": 0.5}})
    decision = judge(labels, wrong(labels, 15), labels, groups=groups, **rules)
    found = {check.group: check.outcome for check in decision.checks if check.rule == "no harm"}
    assert found == {"source:A": "fail", "source:B": "pass"}
    absent = judge(labels, labels, labels, groups=groups, **_with(**{"country:*": RULE}))
    assert "slice country:*: no held-out row" in absent.reasons[0]


def test_superiority_asks_for_a_gain_with_the_whole_interval(judge):
    champion = wrong(HALF, 40)

    def outcome(candidate, gain, reference="champion", before=champion):
        asked = {"superiority": {reference: {"accuracy": {"gain": gain}}}}
        return judge(HALF, candidate, before, baselines={"words": champion}, **asked)

    assert outcome(wrong(HALF, 10), 0.05).outcome == "pass"
    unsure = outcome(wrong(HALF, 10), 0.12)
    assert (
        unsure.outcome == "inconclusive" and "whether the gain is more than 0.12; about" in unsure.reasons[0]
    )
    equal = outcome(champion, 0.0)
    assert equal.outcome != "pass" and "superiority" in {check.rule for check in equal.checks if check.blocks}
    assert outcome(wrong(HALF, 60), 0.0).outcome == "fail"
    # At a first promotion there is no champion to be better than; a word list is there all the same.
    assert outcome(HALF, 0.05, before=None).outcome == "pass"
    assert outcome(wrong(HALF, 35), 0.05, "words", before=None).outcome != "pass"
    assert "no elder was evaluated" in outcome(HALF, 0.0, "elder").reasons[0]


def test_the_anchor_stops_what_the_champion_alone_lets_through(judge, examples, answers, metrics, policy):
    anchor = {"anchor": {"non_inferiority": {"accuracy": {"margin": 0.05}}}}
    champion = wrong(HALF, 30)
    slid = judge(HALF, champion, champion, baselines={"anchor": HALF}, **anchor)
    assert slid.outcome == "fail"
    assert [check.reference for check in slid.checks if check.outcome == "fail"] == ["anchor"]
    assert judge(HALF, champion, champion, baselines={"anchor": champion}, **anchor).outcome == "pass"
    assert judge(HALF, champion, None, **anchor).outcome == "pass"  # nothing to be anchored to yet
    rows, asked = frame(examples(HALF), answers(HALF)), policy(**anchor)
    why = {"anchor": "the registry has no seriousness@3"}
    report = evaluate("seriousness", metrics, rows, rows, asked, 1, unavailable=why)
    (reason,) = decide(report, asked, first=False).reasons
    assert reason.startswith("missing:") and reason.endswith("no seriousness@3")


def test_the_anchor_asks_for_more_with_every_use_of_the_same_cases(judge):
    """Equal but for noise: what the first use lets through, the eighth does not; the champion asks the same."""
    anchor = {"anchor": {"non_inferiority": {"accuracy": {"margin": 0.05}}}}
    champion, candidate = wrong(HALF, 7), wrong(HALF, 7, start=60)

    def at(uses):
        found = judge(HALF, candidate, champion, baselines={"anchor": champion}, uses=uses, **anchor)
        return {check.reference: check for check in found.checks if check.rule == "non-inferiority"}

    first, eighth = at(1), at(8)
    assert first["anchor"].low == first["champion"].low == eighth["champion"].low
    assert (first["anchor"].outcome, eighth["anchor"].outcome) == ("pass", "inconclusive")
    # z of 1 - 0.05 / 8 over z of 0.95
    assert eighth["anchor"].low / first["anchor"].low == pytest.approx(2.7344 / 1.9600, abs=1e-3)
    assert "(99.4% interval" in eighth["anchor"].reason and "(95% interval" in first["anchor"].reason


@pytest.mark.parametrize("version", ["champion", "seriousness@champion", "seriousness@0", "abc", "FIRST"])
def test_an_anchor_that_could_move_is_none(version):
    with pytest.raises(ValidationError):
        Policy.model_validate(
            {"problems": {"p": {"anchor": {"version": version, "non_inferiority": {"x": {"margin": 0.1}}}}}}
        )


def test_fewer_errors_are_better_in_the_exact_test_too(examples, answers, policy):
    """A proportion that counts errors: the candidate with more of them is the one that is worse."""
    errors = m.proportion("errors", lambda f: (f.label != f.answer).to_numpy(), higher_is_better=False)
    rule = {"slices": {"all_of_them": {"metric": "errors", "margin": 0.05}}, "floors": {}}
    asked = policy(**rule, non_inferiority={"errors": {"margin": 0.9}})
    cases = examples(HALF, {"all_of_them": range(150)})
    good, bad = frame(cases, answers(HALF)), frame(cases, answers(wrong(HALF, 30)))

    def outcome(candidate, champion):
        return decide(
            evaluate("seriousness", [errors], candidate, champion, asked, 1), asked, first=False
        ).outcome

    assert (outcome(bad, good), outcome(good, bad)) == ("fail", "pass")


def test_references_beside_the_champion_stop_a_slide_by_small_steps(judge):
    champion = wrong(HALF, 30)
    against = {"anchor": {"accuracy": {"margin": 0.05}}}
    decision = judge(HALF, champion, champion, baselines={"anchor": HALF}, against=against)
    assert decision.outcome == "fail"
    assert [check.reference for check in decision.checks if check.outcome == "fail"] == ["anchor"]


def test_a_held_out_set_that_was_asked_too_often_decides_nothing(judge):
    limit = {"maximum_uses": 3}
    spent = judge(HALF, HALF, evaluation=limit, uses=3)
    assert spent.outcome == "pass" and "have now decided 3 of 3 times, 0 left" in spent.reasons[-1]
    decision = judge(HALF, HALF, evaluation=limit, uses=4, fresh=201)
    assert decision.outcome == "inconclusive"
    assert (
        "have decided 4 times and the policy allows 3: fresh cases are due, about 201" in decision.reasons[0]
    )
    assert decision.checks[-1].cases_needed == 401


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
    assert [check.threshold for check in worse.checks if check.outcome == "fail"] == [0.3, 0.05]


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
