from __future__ import annotations

import doctest
import json
from types import SimpleNamespace

import pandas as pd
import pytest

from pvcore.errors import InputError, NotFound
from pvcore.evaluation.compare import frame
from pvcore.problems import PROBLEMS, coding, ddi, problem, pts, seriousness, triage
from pvcore.problems.problem import example_id
from pvcore.records import CRITERIA, Example, Prediction


@pytest.mark.parametrize("module", [seriousness, coding, pts, triage, ddi])
def test_the_worked_examples(module):
    found = doctest.testmod(module)
    assert found.attempted and not found.failed


def test_problems_by_name():
    assert list(PROBLEMS) == ["seriousness", "coding", "pts", "extraction", "triage", "ddi"]
    with pytest.raises(NotFound, match="seriousness, coding"):
        problem("nothing")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("She was not admitted to hospital.", ("negation",)),
        ("He denied any previous hospitalisation.", ("history", "negation")),
        ("He was hospitalised for four days.", ()),
        ("No rash. She was admitted to hospital.", ()),
        ("Hospitalised in 2015 for appendicitis.", ("history",)),
        ("A pulmonary embolism was ruled out.", ("rule_out",)),
        ("Her mother died of cancer.", ("relative",)),
        ("An elective admission for a knee had been planned.", ("planned",)),
    ],
)
def test_slices_of_seriousness(text, expected):
    assert seriousness.slices(text) == expected


def test_slices_by_age():
    assert seriousness.slices("", 17.9) == ("paediatric",)
    assert seriousness.slices("", 65) == ("elderly",)
    assert seriousness.slices("", 40) == seriousness.slices("", float("nan")) == seriousness.slices("") == ()


def test_only_labels_are_parsed():
    assert seriousness.parse(" Serious\n") == "serious"
    for wrong in ("seriously", "", "serious or not"):
        with pytest.raises(ValueError, match="expected one of"):
            seriousness.parse(wrong)
    assert coding.parse(" 90000001 ") == "90000001"
    for wrong in ("9000000", "9000000x", "\uff190000001"):
        with pytest.raises(ValueError, match="8 digits"):
            coding.parse(wrong)


@pytest.fixture
def cases() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "case_id": ["a", "b", "c"],
            "narrative": ["Not admitted.", "She died.", "Rash."],
            "age_years": [80.0, None, 3.0],
            "cluster": ["1", "2", "3"],
            "split": ["train", "tune", "test"],
        }
    )


def labels(*rows: tuple) -> pd.DataFrame:
    made = [(case, name, target, json.dumps(value)) for case, name, target, value in rows]
    return pd.DataFrame(made, columns=["case_id", "problem", "target", "value"])


def test_examples_of_seriousness(cases):
    table = labels(
        ("b", "seriousness", "", {"serious": True, "criteria": ["death"]}),
        ("a", "seriousness", "", {"serious": False}),
        ("a", "coding", "x", {"llt_code": "90000001"}),
    )
    found = PROBLEMS["seriousness"].examples(cases, table)
    assert {split: [e.label for e in rows] for split, rows in found.items()} == {
        "train": ["non-serious"], "tune": ["serious"], "test": [],
    }  # fmt: skip
    assert found["train"][0].slices == ("elderly", "negation")
    assert found["train"][0].example_id == example_id("a", "seriousness") == "a#seriousness"


@pytest.mark.parametrize(
    ("value", "known"),
    [
        ({"serious": False}, dict.fromkeys(CRITERIA, False)),
        ({"serious": True, "criteria": ["other"]}, {**dict.fromkeys(CRITERIA, False), "other": True}),
        ({"serious": True, "criteria": []}, {}),
        ({"serious": True}, {}),
        (
            {"serious": True, "criteria": ["death"], "unknown": ["other", "disabling"]},
            {"death": True, "life_threatening": False, "hospitalisation": False, "congenital_anomaly": False},
        ),
    ],
)
def test_a_criterion_is_known_or_it_is_not_there(cases, value, known):
    (found,) = PROBLEMS["seriousness"].examples(cases, labels(("a", "seriousness", "", value)))["train"]
    assert found.criteria == known


def test_labels_that_say_nothing_are_all_named(cases):
    table = labels(("a", "seriousness", "", {}), ("x", "seriousness", "", {"serious": True}))
    with pytest.raises(InputError) as caught:
        PROBLEMS["seriousness"].examples(cases, table)
    assert [fault.where for fault in caught.value.faults] == ["case a", "case x"]


@pytest.fixture
def dictionary():
    llts = pd.DataFrame(
        [("90000001", "Rash", "90000001"), ("90000002", "Skin eruption", "90000001")],
        columns=["llt_code", "llt_name", "pt_code"],
    )
    pts = pd.DataFrame({"pt_code": ["90000001", "90000009"], "pt_name": ["Rash", "Pain"]})
    return SimpleNamespace(version="29.1", current_llts=lambda: llts, tables={"llt": llts, "pt": pts})


def test_examples_of_coding(cases, dictionary):
    table = labels(
        ("a", "coding", "skin  ERUPTION", {"llt_code": "90000002"}),
        ("b", "coding", "Skin eruption", {"pt_name": "Rash"}),
        ("c", "coding", "spots", {"llt_code": "90000002"}),
    )
    found = PROBLEMS["coding"].examples(cases, table, dictionary, new_terms={"90000002"})
    assert [(e.label, e.slices) for rows in found.values() for e in rows] == [
        ("90000002", ("as_term", "new_terms")),
        ("90000001", ("free_wording",)),
        ("90000002", ("free_wording", "new_terms", "unseen_wording")),
    ]


def test_a_label_off_the_dictionary_is_named_with_what_to_do(cases, dictionary):
    table = labels(
        ("a", "coding", "x", {"llt_code": "90000005"}),
        ("b", "coding", "y", {"pt_name": "Pain"}),
        ("c", "coding", "z", {"pt_name": "Unheard of"}),
    )
    with pytest.raises(InputError, match=r"migration to MedDRA 29\.1") as caught:
        PROBLEMS["coding"].examples(cases, table, dictionary)
    assert len(caught.value.faults) == 3


def test_metrics_with_and_without_a_dictionary(dictionary):
    rows = pd.DataFrame(
        {"label": ["90000002"], "answer": ["90000001"], "score": [0.9], "ranked": [("90000001", "90000002")]}
    )
    values = {name: metric(rows) for name, metric in PROBLEMS["coding"].metrics_for(dictionary).items()}
    assert values == {"accuracy_at_1": 0.0, "accuracy_at_5": 1.0, "pt_accuracy": 1.0}
    assert "pt_accuracy" not in PROBLEMS["coding"].metrics_for(None)
    assert {"average_precision", "recall", "accuracy"} <= set(PROBLEMS["seriousness"].metrics_for(None))


ANSWERS = {
    "coding": ("90000001", "90000002"),
    "pts": ("90000001 90000002", "", "90000002"),
    "extraction": (
        '{"relations":[],"spans":[{"end":4,"label":"Reaction","start":0}]}',
        '{"relations":[],"spans":[]}',
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_withheld_answer_is_never_better_than_a_right_one_and_every_metric_takes_it(name):
    asked = PROBLEMS[name]
    labels = ANSWERS.get(name, asked.labels) * 3
    examples = [Example(str(n), str(n), "Rash", label, str(n)) for n, label in enumerate(labels)]
    right = [Prediction(str(n), label, 0.9, ((label, 0.9),)) for n, label in enumerate(labels)]
    for n, label in enumerate(labels):
        held = [
            *right[:n],
            Prediction(str(n), "", 0.9, ((label, 0.9),), withheld=label or "none"),
            *right[n + 1 :],
        ]
        for metric in asked.metrics.values():
            best, value = (metric(frame(examples, given, asked.judged)) for given in (right, held))
            better = value > best if metric.higher_is_better else value < best
            assert not better, metric.name
