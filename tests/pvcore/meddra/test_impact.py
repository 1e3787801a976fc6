"""Rows loaded, valid, impacted: counted on a few rows by hand, and against a migration on many."""

from __future__ import annotations

import json
from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvcore.errors import BatchError
from pvcore.meddra.diff import diff
from pvcore.meddra.generate import Truth
from pvcore.meddra.impact import COLUMNS, ERRORS, impact
from pvcore.meddra.kinds import KINDS
from pvcore.meddra.migrate import migrate
from pvcore.meddra.release import Dictionary

Build = Callable[..., Dictionary]
Pair = Callable[..., tuple[Truth, Truth]]
A, B, X, Y, N = "90000101", "90000102", "90000201", "90000202", "90000203"
BASE = {
    A: ("Hepatic pain", A, "Y"),
    B: ("Renal oedema", B, "Y"),
    X: ("Liver ache", A, "Y"),
    Y: ("Kidney swelling", B, "Y"),
    N: ("Kidney swelling NOS", B, "N"),
}


def test_counts_kinds_and_errors(build: Build) -> None:
    old = build(llts=BASE)
    changed = {**BASE, X: ("Liver pain, dull", B, "Y"), A: ("Hepatalgia", A, "Y")}
    new = build(llts=changed, hlt_names={"90000031": "Heart C"}, hlts={B: ["90000032"]}, version="29.0")
    old = build(llts=BASE, hlts={B: ["90000032"]})
    rows = pd.DataFrame(
        [
            ("1", X, "", ""), ("2", Y, "", "28.1"), ("3", "", "hepatic PAIN", ""), ("4", N, "", ""),
            ("5", "90009999", "", ""), ("6", "", "Liver ache", ""), ("7", "", "", ""), ("8", X, "", "27.0"),
        ],
        columns=["row_id", "llt_code", "pt_name", "meddra_version"],
    )  # fmt: skip
    found = impact(rows, old, diff(old, new))
    assert (found.loaded, found.valid, found.impacted, found.percentage) == (8, 4, 2, 50.0)
    assert found.not_current == 1
    assert {kind: number for kind, number in found.by_kind.items() if number} == {
        "complex_changes": 1, "name_changes": 2, "hierarchy_changes": 2,
    }  # fmt: skip
    assert list(found.by_kind) == list(KINDS) and tuple(found.rows.columns) == COLUMNS
    assert found.errors.values.tolist() == [
        ["5", "no_such_llt", "90009999"],
        ["6", "no_such_pt", "Liver ache"],
        ["7", "no_code", ""],
        ["8", "other_version", "27.0"],
    ]
    assert set(found.errors["error"]) == set(ERRORS)
    value = json.loads(json.dumps(found.to_value()))
    assert value["rows_impacted"] == 2 and len(value["input_errors"]) == 4


@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 2), minor=st.booleans())
def test_what_a_migration_changes_is_impacted(seed: int, minor: bool, pair: Pair) -> None:
    """Except for rows on LLTs that were not current before: nothing changed, they have to go all the same."""
    before, after = pair(seed, None, "29.1" if minor else "29.0")
    old, new = before.dictionary, after.dictionary
    codes = old.tables["llt"]["llt_code"].tolist()
    rows = pd.DataFrame({"row_id": codes, "llt_code": codes, "verbatim": ""})
    found = impact(rows, old, diff(old, new))
    moved = migrate(rows, old, new, policy=1).rows
    touched = set(moved.loc[moved["class"] != "unchanged", "row_id"])
    assert {code for code in touched if old.is_current(code)} <= set(found.rows["row_id"])
    assert found.valid == len(codes) and found.errors.empty
    assert found.not_current == sum(not old.is_current(code) for code in codes)
    kinds = set(found.rows["kind"])
    assert kinds == {kind for kind in kinds if kind in KINDS} and "new_llts" not in kinds


def test_nothing_to_count(build: Build) -> None:
    old = build(llts=BASE)
    found = impact(
        pd.DataFrame({"row_id": []}, dtype="str"), old, diff(old, build(llts=BASE, version="29.0"))
    )
    assert (found.loaded, found.valid, found.impacted, found.percentage) == (0, 0, 0, 0.0)
    with pytest.raises(BatchError, match="no column row_id"):
        impact(pd.DataFrame({"code": ["1"]}), old, diff(old, old))
    with pytest.raises(BatchError, match="there twice"):
        impact(pd.DataFrame({"row_id": ["1", "1"]}), old, diff(old, old))
