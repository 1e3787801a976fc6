"""Rows coded by the name of a Preferred Term, with and without the release they were coded in."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from pvcore.errors import BatchError
from pvcore.meddra.generate import Truth
from pvcore.meddra.mapping import CLASSES, Migration
from pvcore.meddra.preferred import migrate_names
from pvcore.meddra.release import Dictionary
from pvcore.meddra.rules import RULES

Build = Callable[..., Dictionary]
Pair = Callable[..., tuple[Truth, Truth]]
A, B, C, X, Z = "90000101", "90000102", "90000103", "90000201", "90000203"
BASE = {
    A: ("Hepatic pain", A, "Y"),
    B: ("Renal oedema", B, "Y"),
    C: ("Convulsion", C, "Y"),
    X: ("Liver ache", A, "Y"),
}
Expected = tuple[str | None, str, str]
DEMOTED = {C: ("Convulsion", Z, "Y"), Z: ("Seizure", Z, "Y")}
RENAMED = {B: ("Renal swelling", B, "Y")}
SPELLED = {B: ("Edema of kidneys, renal", B, "Y"), A: ("Hepatic pains", A, "Y")}

CASES: dict[str, tuple[str, dict, Expected, Expected]] = {
    # name, changes, with the old release at hand, by name alone
    "unchanged": ("Renal oedema", {}, (B, "unchanged", ""), (B, "unchanged", "name_of_pt")),
    "written otherwise": ("RENAL OEDEMA", {}, (B, "renamed", ""), (B, "renamed", "name_of_pt")),
    "demoted": ("Convulsion", DEMOTED, (Z, "recoded", "demoted"), (Z, "recoded", "name_of_llt")),
    "demoted and not current": (
        "Convulsion", {**DEMOTED, C: ("Convulsion", Z, "N")},
        (None, "needs_review", "not_current_and_moved"), (None, "needs_review", "not_current_and_moved"),
    ),
    "renamed": ("Renal oedema", RENAMED, (B, "renamed", ""), (None, "needs_review", "no_such_name")),
    "renamed to a variant": (
        "Hepatic pain", SPELLED, (A, "renamed", ""), (A, "recoded", "lexical_name"),
    ),
    "unknown": ("Zzz", {}, (None, "unknown_code", "no_pt_in_old"), (None, "needs_review", "no_such_name")),
    "an LLT is no PT": (
        "Liver ache", {}, (None, "unknown_code", "no_pt_in_old"), (A, "recoded", "name_of_llt"),
    ),
    "no name": ("", {}, (None, "unknown_code", "no_pt_in_old"), (None, "needs_review", "no_such_name")),
}  # fmt: skip


def _one(name: str, old: Dictionary | str, new: Dictionary, policy: int = 3) -> pd.Series:
    rows = pd.DataFrame({"row_id": ["1"], "pt_name": [name]})
    return migrate_names(rows, old, new, policy=policy).rows.iloc[0]


@pytest.mark.parametrize("name", CASES)
def test_one_name(name: str, build: Build) -> None:
    term, changes, by_code, by_name = CASES[name]
    old, new = build(llts=BASE), build(llts={**BASE, **changes}, version="29.0")
    for given, expected in ((old, by_code), ("28.1", by_name)):
        row = _one(term, given, new)
        assert (row["new_code"], row["class"], row["rule"]) == expected
        assert row["rule"] in RULES
        assert row["new_name"] == (new.pt_name(expected[0]) if expected[0] else None)


def test_no_recoding_by_words_below_policy_3(build: Build) -> None:
    new = build(llts={**BASE, **SPELLED}, version="29.0")
    row = _one("Hepatic pain", "28.1", new, policy=2)
    assert (row["class"], row["rule"]) == ("needs_review", "no_such_name") and row["suggestions"][0] == A


def test_suggestions_are_pts_each_once(build: Build) -> None:
    row = _one("Liver soreness and ache", "8.1", build(llts=BASE))
    assert row["suggestions"][0] == A and len(set(row["suggestions"])) == len(row["suggestions"])


def test_the_model_comes_after_what_has_the_letters(build: Build) -> None:
    """Lexical first, then by embedding, and each term once."""
    new = build(llts={**BASE, **RENAMED}, version="29.0")
    rows = pd.DataFrame({"row_id": ["1", "2"], "pt_name": ["Hepatic pain syndrome", "Fits"]})
    asked: list[str] = []

    def nearest(texts, terms):  # type: ignore[no-untyped-def]
        asked.extend(texts)
        assert list(terms["llt_code"]) == sorted(terms["llt_code"])
        return [[C, A] for _ in texts]

    found = migrate_names(rows, "8.1", new, nearest=nearest).rows["suggestions"].tolist()
    assert asked == ["Hepatic pain syndrome", "Fits"]
    assert found[0][:2] == [A, C] and found[1][:2] == [C, A]


def test_stored_replayed_and_taken_back(pair: Pair) -> None:
    before, after = pair(1)
    names = before.dictionary.tables["pt"]["pt_name"].tolist()
    rows = pd.DataFrame({"row_id": [f"r{i}" for i in range(len(names))], "pt_name": names})
    for old in (before.dictionary, "28.1"):
        moved = migrate_names(rows, old, after.dictionary)
        again = Migration.from_json(moved.to_json())
        assert again.to_json() == moved.to_json() and again.label == "pt_name"
        assert again.rows.equals(moved.rows)
        assert sum(moved.counts.values()) == len(rows) and set(moved.rows["class"]) <= set(CLASSES)
        carried = again.apply(rows)
        assert set(carried["pt_name"]) <= set(after.dictionary.tables["pt"]["pt_name"])
        back = again.revert(carried)
        assert back["pt_name"].tolist() == rows[rows["row_id"].isin(back["row_id"])]["pt_name"].tolist()
    with pytest.raises(BatchError, match="pt_name Zzz"):
        again.apply(rows.assign(pt_name="Zzz"))
    demoted = set(after.changes.query("kind == 'demotions'")["code"])
    by_code = migrate_names(rows, before.dictionary, after.dictionary).rows
    assert demoted <= set(by_code.loc[by_code["rule"] == "demoted", "old_code"])
    with pytest.raises(BatchError, match="no column pt_name"):
        migrate_names(rows[["row_id"]], "8.1", after.dictionary)
