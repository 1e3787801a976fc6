"""Drug-drug interaction: the same example for swapped drugs, and slices by what training knew."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from pvcore.annotations.pairs import Described, pair_case
from pvcore.errors import InputError
from pvcore.problems import PROBLEMS
from pvcore.records import Case

GENES = {"a": ("CYP3A4 inhibitor",), "b": ("CYP3A4 substrate",), "c": ("F10",), "d": (), "e": ("F10",)}
DRUGS = {name: Described(name, "CCO", (), genes) for name, genes in GENES.items()}


def tables(*rows: tuple[str, str, bool]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of pairs such as ("ab", "train", True)."""
    pairs = [(pair_case(DRUGS[names[0]], DRUGS[names[1]]), split, said) for names, split, said in rows]
    cases = [(case.case_id, case.narrative, case.case_id, split) for case, split, _ in pairs]
    labels = [(case.case_id, "ddi", "x", json.dumps({"interaction": said})) for case, _, said in pairs]
    return (
        pd.DataFrame(cases, columns=["case_id", "narrative", "cluster", "split"]),
        pd.DataFrame(labels, columns=["case_id", "problem", "target", "value"]),
    )


def test_swapped_drugs_are_the_same_example():
    one = PROBLEMS["ddi"].examples(*tables(("ab", "train", True)))
    assert (
        one == PROBLEMS["ddi"].examples(*tables(("ba", "train", True)))
        and one["train"][0].label == "interaction"
    )
    cases, labels = tables(("ab", "train", True))
    first, second = cases.loc[0, "narrative"].replace("Drug 1: ", "").split("\n\nDrug 2: ")
    cases.loc[0, "narrative"] = f"Drug 1: {second}\n\nDrug 2: {first}"  # as somebody else may write it down
    assert PROBLEMS["ddi"].examples(cases, labels) == one


def test_slices():
    found = PROBLEMS["ddi"].examples(
        *tables(("ab", "train", True), ("ae", "tune", False), ("ce", "test", False))
    )
    assert [e.slices for rows in found.values() for e in rows if e.label == "no interaction"] == [
        ("one_drug_unseen",), ("both_drugs_unseen", "shared_gene"),
    ]  # fmt: skip
    assert found["train"][0].slices == ("shared_gene",)
    assert PROBLEMS["ddi"].slices("She had a rash.") == ()


def test_labels_that_cannot_be_used_are_all_named():
    cases, labels = tables(("ab", "train", True), ("ac", "train", True))
    cases.loc[0, "narrative"] = "She had a rash."
    labels.loc[1, "value"] = '{"interaction": "yes"}'
    labels.loc[2] = ("x", "ddi", "", '{"interaction": true}')
    with pytest.raises(InputError) as caught:
        PROBLEMS["ddi"].examples(cases, labels)
    assert len(caught.value.faults) == 3
    assert {f.what[:12] for f in caught.value.faults} == {"the case doe", "interaction ", "no such case"}


def test_questions_are_about_pairs_only():
    pair = pair_case(DRUGS["a"], DRUGS["b"])
    assert PROBLEMS["ddi"].questions([pair, Case("US-1", "She had a rash.")]) == [
        (f"{pair.case_id}#ddi", pair.narrative, ())
    ]
    assert PROBLEMS["ddi"].parse(" No interaction\n") == "no interaction"
    with pytest.raises(ValueError, match="expected one of"):
        PROBLEMS["ddi"].parse("interactions")


def test_the_popularity_baseline_is_part_of_the_problem():
    found = PROBLEMS["ddi"].examples(
        *tables(("ab", "train", True), ("cd", "train", True), ("ac", "test", False))
    )
    (answer,) = PROBLEMS["ddi"].baselines["popularity"](found["train"], found["test"])
    assert (answer.answer, answer.score) == ("interaction", 1.0)
