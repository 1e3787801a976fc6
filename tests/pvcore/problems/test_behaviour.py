"""Behaviour tests as data: what a file may say, all faults of one together, and the files that come with pv."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from pvcore.errors import InputError
from pvcore.problems import PROBLEMS
from pvcore.problems.behaviour import misspelt, questions, read, view

RECIPES = resources.files("pvcore.recipes")
TERMS = pd.DataFrame(
    {
        "llt_code": [f"9000{n:04d}" for n in range(40)],
        "llt_name": [f"Hepatic failure of kind {n}" for n in range(40)],
        "pt_code": [f"9000{n:04d}" for n in range(40)],
    }
)


def shipped(name: str) -> Any:
    text = (RECIPES / "behaviour" / f"{name}.yaml").read_text("utf-8")
    return read(text, name, PROBLEMS[name], TERMS if PROBLEMS[name].terms else None)


def made(tests: dict[str, Any], problem: str = "seriousness", words: Any = None, **more: Any) -> Any:
    value = {"problem": problem, "tests": tests, **({"words": words} if words else {}), **more}
    return read(
        yaml.safe_dump(value), "mine.yaml", PROBLEMS[problem], TERMS if PROBLEMS[problem].terms else None
    )


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_comes_with_tests_and_every_kind_that_the_policy_asks_for(name: str) -> None:
    tests = shipped(name)
    kinds = {test.kind for test in tests}
    policy = yaml.safe_load((RECIPES / "policy.yaml").read_text("utf-8"))
    assert {"empty", "long"} <= set(policy["problems"][name]["behaviour"]) <= kinds
    names = [test.name for test in tests]
    assert len(set(names)) == len(names)
    asked = [q for row in questions(PROBLEMS[name], tests) for q in row if q]
    assert any(len(q.text) > 20_000 for q in asked)
    assert not any("{" in text for test in tests for text in test.texts)
    for test in tests:
        if test.form == "expected":
            view(PROBLEMS[name], test.answer, test.texts[0])
    assert max(len({q.text for q in asked}), 20) < 200, "asked of two models in every evaluation"


def test_words_go_round_together_and_one_that_varies_stands_in_one_test() -> None:
    words = {"drug": ["abacol", "Zelafib"], "event": ["rash", "pain", "fever"]}
    tests = made(
        {
            "negation": [{"text": "{drug}, no {event}", "answer": "Non-serious"}],
            "drug_name": [{"text": "{event} after {drug}", "vary": "drug"}],
        },
        words=words,
    )
    assert [t.texts for t in tests if t.kind == "negation"] == [
        ("abacol, no rash",),
        ("Zelafib, no pain",),
        ("abacol, no fever",),
    ]
    first = next(t for t in tests if t.kind == "negation")
    assert first.answer == "non-serious" and first.name == "negation 1.1"
    varied = [t for t in tests if t.kind == "drug_name"]
    assert varied[0].texts == ("rash after abacol", "rash after Zelafib") and len(varied) == 3
    assert varied[0].form == "same" and varied[0].swapped == ("abacol", "Zelafib")


def test_terms_are_those_of_the_dictionary_at_hand_and_codes_as_answers() -> None:
    tests = made({"misspelling": [{"text": "{term|misspelt}", "answer": "{term}"}]}, "coding")
    names = dict(zip(TERMS["llt_code"], TERMS["llt_name"], strict=True))
    assert len(tests) == 8 and len({t.answer for t in tests}) == 8
    assert all(t.texts == (misspelt(names[t.answer]),) for t in tests)
    text = yaml.safe_dump(
        {"problem": "coding", "tests": {"as_term": [{"text": "{term}", "answer": "{term}"}]}}
    )
    assert read(text, "mine.yaml", PROBLEMS["coding"]) == ()  # no dictionary, no such tests


def test_a_pair_of_drugs_is_the_same_question_in_either_order() -> None:
    tests = [t for t in shipped("ddi") if t.kind == "order"]
    for test, asked in zip(tests, questions(PROBLEMS["ddi"], tests), strict=True):
        assert len(set(test.texts)) == 2 and len({q.text for q in asked if q}) == 1


def test_an_input_that_a_problem_does_not_ask_about_is_no_question() -> None:
    (test,) = made({"empty": [{"text": "", "answered": True}]}, "ddi")
    assert questions(PROBLEMS["ddi"], [test]) == [[None]]
    (test,) = made({"empty": [{"text": "", "answered": True}]})
    ((asked,),) = questions(PROBLEMS["seriousness"], [test])
    assert asked is not None and asked.text == ""


def test_spans_are_written_as_quotations_and_compared_by_their_words() -> None:
    problem = PROBLEMS["extraction"]
    answer = [["Drug", "abacol"], ["Reaction", "rash"]]
    (test,) = made({"plain": [{"text": "After abacol a rash.", "answer": answer}]}, "extraction")
    assert [(s["start"], s["end"]) for s in json.loads(test.answer)["spans"]] == [(6, 12), (15, 19)]
    other = '{"spans":[{"start":0,"end":4,"label":"Reaction"},{"start":11,"end":17,"label":"Drug"}]}'
    assert view(problem, test.answer, test.texts[0]) == view(problem, other, "Rash after abacol.")


def test_all_faults_of_a_file_come_together() -> None:
    tests = {
        "negation": [
            {"text": "no {drugs}", "answer": "non-serious"},
            {"text": "x", "answer": "maybe"},
            {"text": "x"},
            "x",
            {"same": ["a", "a"]},
            {"from": "a", "text": 5, "toward": "serious"},
            {"text": "{drug|shouted}", "answer": "serious"},
            {"text": "{drug}", "vary": "drug"},
        ],
        "Big One": [{"text": "x", "answered": True}],
        "empty": [],
    }
    with pytest.raises(InputError) as caught:
        made(tests, words={"drug": ["abacol"], "term": ["x"]}, extra=1)
    told = str(caught.value)
    for words in (
        "'extra': unknown", "words.term", "{drugs} is not one of the words", "expected one of non-serious",
        "negation 3: says text", "negation 4: not a mapping", "negation 5: same", "negation 6: text: expected a text",
        "{drug|shouted}", "negation 8: vary", "tests.Big One", "tests.empty",
    ):  # fmt: skip
        assert words in told, words
    assert len(caught.value.faults) == 12 and "docs/reference/behaviour.md" in told


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("problem: triage\ntests: {empty: [{text: '', answered: true}]}", "expected 'seriousness'"),
        ("problem: seriousness\nproblem: seriousness\ntests: {}", "stands in line 1 and again in line 2"),
        ("", "no mapping of kinds"),
        ("- a", "no mapping of kinds"),
        ("{", "YAML"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read(text, "mine.yaml", PROBLEMS["seriousness"])


def test_quotations_must_stand_in_the_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="do not stand in the text"):
        made({"plain": [{"text": "After abacol.", "answer": [["Reaction", "rash"]]}]}, "extraction")
