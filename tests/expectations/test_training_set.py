"""Each rule of the suite `training_set` finds what it is there for."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from expectations import Validation, validate_training_set
from expectations.suites import load
from pvcore.errors import InputError

Change = Callable[[Any], None]


def judge(given: Any, **options: Any) -> Validation:
    return validate_training_set(
        given.cases, given.labels, given.examples,
        problem=given.problem, dictionary=given.dictionary, **options,
    )  # fmt: skip


def failed(validation: Validation) -> set[str]:
    return {result.rule for result in validation.rules if result.failed}


def cell(table: str, column: str, value: object, row: int = 2) -> Change:
    def change(given: Any) -> None:
        frame = getattr(given, table)
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value

    return change


def example(split: str = "train", **changes: Any) -> Change:
    def change(given: Any) -> None:
        given.examples[split][0] = dataclasses.replace(given.examples[split][0], **changes)

    return change


def also_held_out(given: Any) -> None:
    given.examples["test"].append(dataclasses.replace(given.examples["train"][0], example_id="another"))


def repeated(table: str) -> Change:
    return lambda given: setattr(given, table, pd.concat([getattr(given, table)] * 2, ignore_index=True))


def only(label: str) -> Change:
    def change(given: Any) -> None:
        given.examples["train"] = [e for e in given.examples["train"] if e.label == label] * 2

    return change


BROKEN: list[tuple[str, Change]] = [
    ("case-has-id", cell("cases", "case_id", " ")),
    ("case-id-unique", repeated("cases")),
    ("case-split-known", cell("cases", "split", "validation")),
    ("cluster-in-one-split", cell("cases", "split", "test")),
    ("label-case-known", cell("labels", "case_id", "US-99")),
    ("label-one-per-question", repeated("labels")),
    ("label-becomes-example", lambda given: given.examples["train"].pop()),
    ("example-id-unique", lambda given: given.examples["train"].append(given.examples["train"][0])),
    ("example-has-text", example(text=" ")),
    ("example-label-known", example(label="Serious")),
    ("example-case-known", example(case_id="US-99")),
    ("example-split-of-case", lambda given: given.examples["tune"].append(given.examples["train"].pop())),
    ("example-cluster-of-case", example(cluster="999")),
    ("example-case-in-one-split", also_held_out),
    ("example-cluster-in-one-split", also_held_out),
    ("train-large-enough", lambda given: given.examples.update(train=given.examples["train"][:9])),
    ("test-not-empty", lambda given: given.examples.update(test=[])),
    ("train-has-every-class", only("serious")),
]


def test_a_good_training_set_is_fit(seriousness: Any, coding: Any) -> None:
    for given in (seriousness, coding):
        validation = judge(given)
        validation.require()
        assert validation.evaluated == validation.expected and len(validation.skipped) == 1
        assert not validation.warnings
        assert validation.statistics["examples"] == validation.statistics["cases"] == 40


@pytest.mark.parametrize(("rule", "change"), BROKEN, ids=[rule for rule, _ in BROKEN])
def test_what_is_broken_is_found(
    seriousness: Any, alone: Callable[[str, str], None], rule: str, change: Change
) -> None:
    alone("training_set", rule)
    change(seriousness)
    validation = judge(seriousness)
    assert rule in failed(validation)
    with pytest.raises(InputError, match="Nothing of this training set was used"):
        validation.require()


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("example-code-shape", example(label="9000001")),
        ("label-version", cell("labels", "meddra_version", "28.1")),
        ("label-version", cell("labels", "meddra_version", None)),
        ("label-code-exists", cell("labels", "value", '{"llt_code":"99999999"}')),
        ("label-code-exists", cell("labels", "value", '{"pt_name":"No such term"}')),
    ],
)
def test_codes_that_do_not_fit_the_dictionary_are_found(coding: Any, rule: str, change: Change) -> None:
    change(coding)
    assert failed(judge(coding)) == {rule}


def test_no_label_on_a_non_current_term_reaches_training(coding: Any) -> None:
    llt = coding.dictionary.tables["llt"]
    stale = llt.loc[llt["llt_currency"] == "N", "llt_code"].iloc[0]
    cell("labels", "value", json.dumps({"llt_code": stale}))(coding)
    validation = judge(coding)
    assert [str(fault) for fault in validation.failures] == [
        f"case US-2, 'belly ache': LLT {stale} is not current in MedDRA 29.0 (run the migration)"
    ]


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("tune-not-empty", lambda given: given.examples.update(tune=[])),
        ("held-out-has-every-class",
         lambda given: given.examples.update(test=[e for e in given.examples["test"] if e.label == "serious"])),
    ],
)  # fmt: skip
def test_what_makes_the_gate_weak_is_a_warning(
    seriousness: Any, alone: Callable[[str, str], None], rule: str, change: Change
) -> None:
    alone("training_set", rule)
    change(seriousness)
    validation = judge(seriousness)
    assert rule in {r.rule for r in validation.rules if r.failed and r.severity == "warning"}


def test_a_class_that_the_policy_table_cannot_give_is_not_asked_for(seriousness: Any) -> None:
    """A site of spontaneous reports has no case for 7 days, and could never train."""
    low, high = "non-expedited", "expedited 15 days"
    given = dataclasses.replace(seriousness, problem="triage")
    given.labels = seriousness.labels.assign(
        problem="triage", value=[json.dumps({"class": (low, high)[i // 5 % 2]}) for i in range(40)]
    )
    given.pose()
    table = [{"serious": True, "class": high}, {"class": low}]
    assert "train-has-every-class" in failed(judge(given))
    assert not judge(given, table=table).warnings and not failed(judge(given, table=table))
    assert failed(judge(given, table=[{"study": True, "class": "expedited 7 days"}, *table]))
    only(low)(given)  # the other class is still held out
    assert "train-has-every-class" in failed(judge(given, table=[{"class": low}]))


def test_leakage_names_cluster_and_splits(seriousness: Any) -> None:
    cell("cases", "split", "test")(seriousness)
    fault = next(f for f in judge(seriousness).failures if f.where == "case US-3")
    assert fault.what == "its cluster 2 of near-identical cases is split between test and train"


def test_labels_of_another_problem_are_not_judged(seriousness: Any, coding: Any) -> None:
    seriousness.labels = pd.concat([seriousness.labels, coding.labels], ignore_index=True)
    assert judge(seriousness).success


def test_the_minimum_is_a_setting(seriousness: Any, alone: Callable[[str, str], None]) -> None:
    alone("training_set", "train-large-enough")
    assert not judge(seriousness, minimum=25).success
    assert judge(seriousness, minimum=24).success


def test_missing_columns_and_unknown_splits_are_refused_together(seriousness: Any) -> None:
    del seriousness.cases["cluster"]
    del seriousness.labels["value"]
    seriousness.examples["validation"] = []
    with pytest.raises(InputError) as caught:
        judge(seriousness)
    assert [fault.where for fault in caught.value.faults] == ["cases", "labels", "examples"]


def test_every_rule_has_a_case_here() -> None:
    names = {rule.name for table in load("training_set").tables for rule in table.rules}
    elsewhere = {"example-code-shape", "label-version", "label-code-exists", "label-code-current",
                 "tune-not-empty", "held-out-has-every-class"}  # fmt: skip
    assert names == {rule for rule, _ in BROKEN} | elsewhere
