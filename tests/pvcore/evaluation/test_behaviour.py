"""What passes a behaviour test, how a candidate stands beside the champion, and what the gate makes of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import pytest

from pvcore.evaluation.behaviour import Behaviour, Conduct, Reply, conduct, passed
from pvcore.evaluation.behaviour_gate import behaviour_checks
from pvcore.evaluation.policy import BehaviourRule, EvaluationSettings
from pvcore.problems import pts
from pvcore.records import Guardrail, Prediction

LABELS = ("non-serious", "serious")


def view(answer: str, text: str) -> str:
    if answer not in LABELS:
        raise ValueError(answer)
    return answer


def of_set(answer: str, text: str) -> str:
    return pts.parse(answer)


def reply(answer: str, score: float = 0.9, withheld: str = "") -> Reply:
    ranked = (("serious", score), ("non-serious", 1 - score))
    return Reply(Prediction("x", answer, score, ranked, withheld=withheld))


S, N = reply("serious"), reply("non-serious", 0.1)
HELD, CRASH, SILENT = reply("", 0.9, "serious"), Reply(crash="ValueError: x"), Reply()


@pytest.mark.parametrize(
    ("form", "replies", "expected"),
    [
        ("expected", [S], True),
        ("expected", [N], False),
        ("expected", [HELD], False),  # a reader got no answer
        ("expected", [SILENT], False),
        ("expected", [CRASH], False),
        ("same", [S, S], True),
        ("same", [S, N], False),
        ("same", [S, HELD], True),  # the model said the same, a guardrail held one back
        ("same", [S, CRASH], False),
        ("direction", [N, S], True),
        ("direction", [S, N], False),
        ("direction", [S, S], False),  # it must rise
        ("answered", [S, HELD, SILENT], True),
        ("answered", [S, CRASH], False),
        ("answered", [reply("perhaps")], False),
        ("answered", [reply("serious", float("nan"))], False),
    ],
)
def test_what_passes(form: Any, replies: Sequence[Reply], expected: bool) -> None:
    test = Behaviour("t", "k", form, tuple("abc"[: len(replies)]), "serious" if form != "same" else "")
    assert passed(test, replies, view) is expected


def test_an_empty_set_is_an_answer_unless_a_guardrail_stopped_it() -> None:
    empty = Reply(Prediction("x", "", 0.1))
    held = Reply(Prediction("x", "", 0.1, guardrails=(Guardrail("confidence", 0.1, 0.6, "withhold"),)))
    test = Behaviour("t", "k", "expected", ("a",), "")
    assert passed(test, [empty], of_set) and not passed(test, [held], of_set)
    found = conduct(
        [dataclasses.replace(test, answer="90000001")] * 2, [[empty], [held]], None, of_set, "0" * 64
    )
    assert found.kinds["k"].withheld == 1
    assert [failure.found for failure in found.kinds["k"].failures] == [("none",), ("withheld: none",)]


def test_words_that_were_swapped_count_as_the_same_where_an_answer_quotes_them() -> None:
    test = Behaviour("t", "drug_name", "same", ("rash: abacol", "rash: Zelafib"), "", ("abacol", "Zelafib"))
    said = [Reply(Prediction("x", text, 0.5)) for text in test.texts]
    assert passed(test, said, lambda answer, text: answer.casefold())
    assert not passed(dataclasses.replace(test, swapped=()), said, lambda answer, text: answer.casefold())


def judge(mine: str, theirs: str | None, kind: str = "negation") -> Conduct:
    """One test a letter: s is what was asked, n is not."""
    tests = [Behaviour(f"{kind} {n}", kind, "expected", (f"text {n}",), "serious") for n in range(len(mine))]
    given = {"s": [S], "n": [N], "h": [HELD]}
    return conduct(tests, [given[x] for x in mine], theirs and [given[x] for x in theirs], view, "0" * 64)


def test_a_candidate_beside_the_champion_with_the_failures_that_are_new_first() -> None:
    found = judge("snnhs", "snsnn")
    kind = found.kinds["negation"]
    assert (kind.tests, kind.passed, kind.champion, kind.better, kind.worse) == (5, 2, 2, 1, 1)
    assert kind.withheld == 1 and kind.p_worse == pytest.approx(0.75)
    assert [(f.test, f.champion_passed) for f in kind.failures] == [
        ("negation 2", True),
        ("negation 1", False),
        ("negation 3", False),
    ]
    assert kind.failures[2].found == ("withheld: serious",) and kind.failures[0].asked == "serious"
    assert Conduct.from_json(json.loads(json.dumps(dataclasses.asdict(found)))) == found


def decide(found: Conduct | None, first: bool = False, **rule: Any) -> list[tuple[str, str]]:
    rules = {"negation": BehaviourRule(**rule)}
    checks = list(behaviour_checks(found, rules, EvaluationSettings(), first=first))
    return [(check.rule, check.outcome) for check in checks]


def test_the_gate_holds_the_share_against_the_minimum() -> None:
    assert decide(judge("sssn", None), first=True, minimum=0.75) == [("behaviour", "pass")]
    assert decide(judge("sssn", None), first=True, minimum=0.8) == [("behaviour", "fail")]


def test_the_gate_holds_the_candidate_against_the_champion() -> None:
    kept = {"margin": 0.2}
    assert decide(judge("sssssnnnnn", "sssssnnnnn"), **kept) == [("behaviour kept", "pass")]
    assert decide(judge("nnssssssss", "ssssssssss"), **kept) == [
        ("behaviour kept", "pass")
    ]  # 2 of 10: the margin
    assert decide(judge("nnnsssssss", "ssssssssss"), **kept) == [("behaviour kept", "inconclusive")]
    assert decide(judge("nnnsssssss", "ssssssssss"), required=False, **kept) == [("behaviour kept", "pass")]
    for required in (True, False):
        assert decide(judge("nnnnnsssss", "ssssssssss"), required=required, **kept) == [
            ("behaviour kept", "fail")
        ]
    assert decide(judge("s" * 5, None), first=True, **kept) == []
    assert decide(judge("s" * 5, None), **kept) == [("behaviour kept", "fail")]  # nobody asked the champion


@pytest.mark.parametrize("required", [True, False])
def test_tests_that_the_policy_asks_for_and_nobody_asked_fail(required: bool) -> None:
    for found in (None, judge("ss", None, kind="history")):
        (check,) = behaviour_checks(
            found, {"negation": BehaviourRule(required=required)}, EvaluationSettings(), first=True
        )
        assert check.outcome == "fail" and "no such test was asked" in check.reason


def test_too_few_tests_are_inconclusive_unless_they_are_not_required() -> None:
    assert decide(judge("ss", "ss"), tests=3, minimum=1.0) == [("behaviour", "inconclusive")]
    assert decide(judge("ss", "ss"), tests=3, minimum=1.0, required=False) == [("behaviour", "pass")]


def test_harm_is_corrected_over_the_kinds() -> None:
    """Five of ten lost: p = 0.031 alone, and 0.062 beside a second kind of which as much was lost."""
    one, other = judge("nnnnnsssss", "ssssssssss"), judge("nnnnnsssss", "ssssssssss", kind="history")
    both = Conduct("0" * 64, {**one.kinds, **other.kinds})
    rules = {name: BehaviourRule(margin=0.2) for name in ("negation", "history")}
    for multiple, outcome in (("holm", "inconclusive"), ("none", "fail")):
        settings = EvaluationSettings(multiple=multiple)  # type: ignore[arg-type]
        assert {c.outcome for c in behaviour_checks(both, rules, settings, first=False)} == {outcome}


def test_kinds_that_are_not_compared_do_not_hide_harm_in_another() -> None:
    one = judge("nnnnnsssss", "ssssssssss")
    other, small = judge("ssss", "ssss", kind="history"), judge("s", "s", kind="units")
    found = Conduct("0" * 64, {**one.kinds, **other.kinds, **small.kinds})
    rules = {
        "negation": BehaviourRule(margin=0.2),
        "history": BehaviourRule(minimum=0.5),
        "units": BehaviourRule(margin=0.2, tests=5, required=False),
    }
    for edition, outcome in ((1, "inconclusive"), (2, "fail")):
        checks = behaviour_checks(found, rules, EvaluationSettings(), first=False, edition=edition)
        assert next(c.outcome for c in checks if c.group == "negation") == outcome
