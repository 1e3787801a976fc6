"""The ladder: every outcome is reached by a team one could meet, and says what would change it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pvcore.advice.costs import Prices, compare
from pvcore.advice.decision import LADDER, Facts, decide
from pvcore.evaluation.curve import Interval

READY = Facts(
    cases_per_month=20_000, fixed_answers=True, guideline=True, kappa=0.8, examples=1_500, enough=500, target=0.8,
    reached=Interval(0.84, 0.82, 0.86), data_may_leave=False, same_answer=True, audited=True,
)  # fmt: skip
FREE = replace(READY, data_may_leave=True, same_answer=False, audited=False)


def prices(**changes):
    made = {"cases_per_month": 20_000, "tokens_in": 900, "api_in": 3, "api_out": 15, "machine_per_hour": 1.2,
            "cases_per_hour": 15_000, "training_hours": 4}  # fmt: skip
    return Prices(**(made | changes))


@pytest.mark.parametrize(
    ("facts", "outcome", "last"),
    [
        (READY, "fine-tune", "constraints"),
        (replace(READY, cases_per_month=30), "people", "volume"),
        (replace(READY, fixed_answers=False), "people", "form"),
        (replace(FREE, fixed_answers=False), "large model", "form"),
        (replace(READY, kappa=0.41), "annotate first", "agreement"),
        (replace(READY, kappa=None), "annotate first", "agreement"),
        (replace(READY, examples=80, reached=None), "annotate first", "examples"),
        (replace(READY, examples=80), "fine-tune", "constraints"),  # the target is reached with 80
        (replace(READY, reached=Interval(0.7, 0.68, 0.72)), "annotate first", "target"),
        (replace(READY, reached=Interval(0.7, 0.68, 0.72), flat=True), "people", "target"),
        (replace(READY, examples=80, reached=Interval(0.7, 0.68, 0.72), flat=True), "people", "target"),
        (replace(FREE, costs=compare(prices(cases_per_month=900, examples=2_000))), "large model", "price"),
        (replace(FREE, costs=compare(prices(cases_per_month=900_000))), "fine-tune", "price"),
        (FREE, "fine-tune", "price"),
    ],
)
def test_every_outcome(facts, outcome, last):
    found = decide(facts)
    assert (found.outcome, found.path[-1].name) == (outcome, last)
    assert [step.name for step in found.path] == [rung.name for rung in LADDER][: len(found.path)]
    assert all(step.goes_on for step in found.path[:-1])


def test_what_is_said_to_change_the_outcome_does():
    for facts, step, change in (
        (READY, "volume", {"cases_per_month": 10}),
        (READY, "agreement", {"kappa": 0.3}),
        (READY, "form", {"guideline": False}),
        (replace(READY, kappa=0.3), "agreement", {"kappa": 0.8}),
    ):
        told = next(c for c in decide(facts).changes if c.step == step)
        assert decide(replace(facts, **change)).outcome == told.outcome != decide(facts).outcome


def test_who_has_not_said_that_texts_may_leave_keeps_them():
    found = decide(replace(FREE, data_may_leave=None))
    assert found.path[-1].name == "constraints"
    assert "nobody has said" in found.reasons[-1]


def test_the_break_even_is_where_both_cost_the_same():
    even = compare(prices(examples=2_000)).break_even
    at = compare(prices(examples=2_000, cases_per_month=even))
    assert at.local_total == pytest.approx(at.api_total)
    assert not compare(prices(examples=2_000, cases_per_month=even * 0.9)).cheaper
    assert compare(prices(examples=2_000, cases_per_month=even * 1.1)).cheaper
    assert compare(prices(api_in=0, api_out=0)).break_even is None


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (replace(READY, cases_per_month=237), "237 cases a month are 7.9 hours of people's work; below 8 no"),
        (replace(READY, kappa=0.597), "Kappa is 0.597; 0.6 is asked for."),
        (replace(READY, reached=Interval(0.79, 0.78, 0.7996)), "0.790 (0.780 to 0.7996), short of 0.8"),
    ],
)
def test_a_number_is_rounded_to_no_bound_that_it_misses(facts, said):
    assert said in decide(facts).path[-1].evidence
