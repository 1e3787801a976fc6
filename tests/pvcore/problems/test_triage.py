"""Triage: facts become classes by a table that a safety team owns."""

from __future__ import annotations

import json
from importlib import resources

import pandas as pd
import pytest
import yaml

from pvcore.errors import ConfigError, InputError
from pvcore.problems import PROBLEMS, triage
from pvcore.problems.problem import by_table

TABLE = yaml.safe_load((resources.files("pvcore.recipes") / "triage.yaml").read_text())["table"]
FACTS = {"criteria": ["death"], "expected": False, "study": True, "special": []}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "expedited 7 days"),
        ({"criteria": ["life_threatening", "other"]}, "expedited 7 days"),
        ({"study": False}, "expedited 15 days"),
        ({"criteria": ["hospitalisation"]}, "expedited 15 days"),
        ({"expected": True}, "non-expedited"),
        ({"expected": True, "special": ["pregnancy"]}, "expedited 15 days"),
        ({"expected": True, "special": ["overdose"]}, "non-expedited"),
        ({"criteria": [], "special": ["pregnancy"]}, "non-expedited"),
    ],
)
def test_the_table_of_the_recipe(changes, expected):
    assert triage.class_of(FACTS | changes, triage.read_table(TABLE)) == expected


def test_every_fault_of_a_table_is_named():
    table = [
        {"class": "soon"},
        {"class": "expedited 7 days", "criteria": ["fever"]},
        {"class": "expedited 7 days", "serious": "yes"},
        {"class": "expedited 15 days", "listed": False},
        {"class": "expedited 15 days", "criteria": [["death"]]},
        {"class": "expedited 15 days", "special": [{"pregnancy": True}]},
    ]  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        triage.read_table(table)
    for words in (
        "row 1: class 'soon'",
        "row 2: criteria",
        "row 3: serious",
        "unknown condition 'listed'",
        "row 5: criteria [['death']]",
        "row 6: special",
        "last row",
    ):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        {}, {"class": "soon"}, {"class": "non-expedited", "criteria": []}, FACTS | {"expected": None},
        FACTS | {"criteria": ["fever"]}, FACTS | {"special": "pregnancy"}, FACTS | {"more": 1},
        {name: FACTS[name] for name in ("criteria", "expected")},
    ],
)  # fmt: skip
def test_values_that_say_too_little_or_too_much(value):
    assert triage.fault(value)
    assert triage.fault(FACTS) is None and triage.fault({"class": "non-expedited"}) is None


@pytest.fixture
def cases() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "case_id": ["a", "b"],
            "narrative": ["She was not admitted.", "Rash."],
            "age_years": [30.0, None],
            "sex": ["F", None],
            "cluster": ["1", "2"],
            "split": ["train", "test"],
        }
    )


def labels(*rows: tuple) -> pd.DataFrame:
    made = [(case, "triage", "", json.dumps(value)) for case, value in rows]
    return pd.DataFrame(made, columns=["case_id", "problem", "target", "value"])


def test_examples(cases):
    table = labels(("b", {"class": "expedited 7 days"}), ("a", FACTS | {"special": ["pregnancy"]}))
    found = by_table(PROBLEMS["triage"], TABLE).examples(cases, table)
    (a,), (b,) = found["train"], found["test"]
    assert (a.label, a.slices) == ("expedited 7 days", ("negation", "pregnancy"))
    assert a.text == "Patient: 30 years, F. She was not admitted." and b.text == "Rash."
    # another table, another label
    strict = by_table(PROBLEMS["triage"], [{"class": "expedited 15 days"}])
    assert strict.examples(cases, table)["train"][0].label == "expedited 15 days"


def test_labels_that_cannot_be_used_are_all_named(cases):
    with pytest.raises(InputError) as caught:
        PROBLEMS["triage"].examples(cases, labels(("a", FACTS), ("b", {"class": "soon"}), ("x", FACTS)))
    assert [fault.where for fault in caught.value.faults] == ["case a", "case b", "case x"]
    assert "no `table`" in caught.value.faults[0].what


def test_a_table_where_none_is_asked_for():
    assert by_table(PROBLEMS["seriousness"], ()) is PROBLEMS["seriousness"]
    with pytest.raises(ConfigError, match="seriousness has a table"):
        by_table(PROBLEMS["seriousness"], TABLE)


def test_questions_and_answers(cases):
    assert PROBLEMS["triage"].parse(" Expedited 7 days") == "expedited 7 days"
    with pytest.raises(ValueError, match="expected one of"):
        PROBLEMS["triage"].parse("expedited")
    assert PROBLEMS["triage"].labels[0] == "non-expedited" and PROBLEMS["triage"].positive is None
