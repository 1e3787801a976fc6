"""Every kind of change on a dictionary of a few terms, and all of them at once on a generated one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvcore.errors import ReleaseError
from pvcore.meddra.diff import DictionaryDiff, diff, kinds_of_terms
from pvcore.meddra.evolve import CHANGES
from pvcore.meddra.generate import Truth
from pvcore.meddra.kinds import COLUMNS, KINDS
from pvcore.meddra.release import Dictionary, content_digest

Build = Callable[..., Dictionary]
Pair = Callable[..., tuple[Truth, Truth]]
A, B, X, Y, Z = "90000101", "90000102", "90000201", "90000202", "90000203"
BASE = {A: ("Aa", A, "Y"), B: ("Bb", B, "Y"), X: ("Xx", A, "Y"), Y: ("Yy", A, "Y")}
SMQS = {"99000001": ("S (SMQ)", "1", "Text", "A", "N")}
CONTENT = {("99000001", A): ("4", "2", "A", "28.1", "28.1"), ("99000001", X): ("5", "2", "A", "28.1", "28.1")}
LIVER = ["90000033"]

CASES: dict[str, tuple[dict, dict, set[tuple[str, str, str]]]] = {
    "nothing": ({}, {}, set()),
    "new LLT": ({"llts": {**BASE, Z: ("Zz", A, "Y")}}, {}, {("LLT", Z, "new_llts")}),
    "new PT": ({"llts": {**BASE, Z: ("Zz", Z, "Y")}}, {}, {("PT", Z, "new_pts")}),
    "promotion": ({"llts": {**BASE, X: ("Xx", X, "Y")}}, {}, {("PT", X, "promotions")}),
    "demotion, LLTs move along": (
        {"llts": {k: (n, B, c) for k, (n, _, c) in BASE.items()}, "smq_content": {}},
        {"smq_content": {}},
        {("PT", A, "demotions"), ("LLT", X, "llts_moved"), ("LLT", Y, "llts_moved")},
    ),
    "moved": ({"llts": {**BASE, X: ("Xx", B, "Y")}}, {}, {("LLT", X, "llts_moved")}),
    "moved to another SOC": (
        {"llts": {**BASE, X: ("Xx", B, "Y")}, "hlts": {B: LIVER}},
        {"hlts": {B: LIVER}},
        {("LLT", X, "llts_moved")},
    ),
    "primary SOC": (
        {"hlts": {A: ["90000033", "90000031"]}},
        {"hlts": {A: ["90000031", "90000033"]}},
        {("PT", A, "pt_primary_soc_changes"), *(("LLT", code, "llt_primary_soc_changes") for code in (A, X, Y))},
    ),
    "name of an LLT": ({"llts": {**BASE, X: ("Xxx", A, "Y")}}, {}, {("LLT", X, "name_changes")}),
    "name of a PT is one change": ({"llts": {**BASE, A: ("Aaa", A, "Y")}}, {}, {("PT", A, "name_changes")}),
    "names exchanged": (
        {"llts": {**BASE, X: ("Yy", A, "Y"), Y: ("Xx", A, "Y")}},
        {},
        {("LLT", X, "code_switches"), ("LLT", Y, "code_switches")},
    ),
    "name goes to a new code": (
        {"llts": {**BASE, X: ("Xx, old", A, "Y"), Z: ("Xx", A, "Y")}},
        {},
        {("LLT", X, "code_switches"), ("LLT", Z, "new_llts")},
    ),
    "no longer current": ({"llts": {**BASE, X: ("Xx", A, "N")}}, {}, {("LLT", X, "currency_changes")}),
    "current again": ({}, {"llts": {**BASE, X: ("Xx", A, "N")}}, {("LLT", X, "currency_changes")}),
    "moved and not current": ({"llts": {**BASE, X: ("Xx", B, "N")}}, {}, {("LLT", X, "complex_changes")}),
    "promoted and renamed": ({"llts": {**BASE, X: ("Xxx", X, "Y")}}, {}, {("PT", X, "complex_changes")}),
    "other HLT, same SOC": ({"hlts": {A: ["90000032"]}}, {}, {("PT", A, "hierarchy_changes")}),
    "another primary HLT, same links": (
        {"hlts": {A: ["90000032", "90000031"]}},
        {"hlts": {A: ["90000031", "90000032"]}},
        {("PT", A, "hierarchy_changes")},
    ),
    "renamed and under another HLT is one change": (
        {"llts": {**BASE, A: ("Aaa", A, "Y")}, "hlts": {A: ["90000032"]}},
        {},
        {("PT", A, "complex_changes")},
    ),
    "HLT renamed": ({"hlt_names": {"90000031": "Heart C"}}, {}, {("HLT", "90000031", "hierarchy_changes")}),
    "SMQ text": (
        {"smqs": {"99000001": ("S (SMQ)", "1", "Other", "A", "N")}},
        {},
        {("SMQ", "99000001", "smq_changes")},
    ),
    "SMQ terms": (
        {"smq_content": {("99000001", A): ("4", "1", "A", "28.1", "29.0"),
                         ("99000001", Y): ("5", "2", "A", "29.0", "29.0")}},
        {},
        {
            ("PT", f"99000001/{A}", "smq_pt_changes"),
            ("LLT", f"99000001/{X}", "smq_llt_changes"),
            ("LLT", f"99000001/{Y}", "smq_llt_changes"),
        },
    ),
    "gone": ({"llts": {k: v for k, v in BASE.items() if k != Y}}, {}, {("LLT", Y, "removed")}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_one_change(name: str, build: Build) -> None:
    after, before, expected = CASES[name]
    common = {"llts": BASE, "smqs": SMQS, "smq_content": CONTENT}
    result = diff(build(**{**common, **before}), build(**{**common, **after}, version="29.0"))
    assert set(result.changes[["level", "code", "kind"]].itertuples(index=False, name=None)) == expected
    assert sum(result.counts.values()) == len(expected)


def test_what_a_row_says(build: Build) -> None:
    result = diff(build(llts=BASE), build(llts={**BASE, X: ("Xxx", B, "N")}, version="29.0"))
    row = result.changes.iloc[0]
    assert row["name"] == "Xxx"
    assert row["old"] == f"llts_moved: {A}; name_changes: Xx; currency_changes: Y"
    assert row["new"] == f"llts_moved: {B}; name_changes: Xxx; currency_changes: N"


def test_a_generated_version_is_found_exactly(old: Dictionary, second: Truth) -> None:
    result = diff(old, second.dictionary)
    found = set(result.changes[["level", "code", "kind"]].itertuples(index=False, name=None))
    assert found == set(second.changes.itertuples(index=False, name=None))
    assert len(found) == len(result.changes), "a change is listed twice"
    assert list(result.changes.columns) == list(COLUMNS)
    assert {kind for kind, number in result.counts.items() if not number} == {"removed"}


def test_backwards_the_new_ones_are_gone(old: Dictionary, new: Dictionary) -> None:
    there, back = diff(old, new), diff(new, old)
    assert back.counts["removed"] == there.counts["new_llts"] + there.counts["new_pts"]
    assert back.counts["promotions"] == there.counts["demotions"]
    assert back.counts["currency_changes"] == there.counts["currency_changes"]


def test_new_terms(build: Build) -> None:
    after = {**BASE, A: ("Aaa", A, "Y"), X: ("Xxx", B, "Y"), Y: ("Yy", B, "N"), Z: ("Zz", A, "Y")}
    assert diff(build(llts=BASE), build(llts=after, version="29.0")).new_terms() == {A, X, Z}


def test_summary_and_json(old: Dictionary, new: Dictionary) -> None:
    result = diff(old, new)
    assert "| MedDRA 28.1 to 29.0 | changes |" in result.summary()
    assert f"| {KINDS['new_llts']} | {result.counts['new_llts']} |" in result.summary()
    value = json.loads(result.to_json())
    assert value["counts"] == result.counts and len(value["changes"]) == len(result.changes)
    assert value["new"] == {"version": "29.0", "digest": new.digest}


def test_a_release_against_itself(old: Dictionary) -> None:
    assert diff(old, old).changes.empty


def test_without_smqs(build: Build, old: Dictionary) -> None:
    tables = {name: frame for name, frame in old.tables.items() if not name.startswith("smq")}
    assert diff(Dictionary("28.1", "English", "", "UTF-8", tables), old).changes.empty


MIXES = st.dictionaries(st.sampled_from(sorted(CHANGES)), st.integers(0, 3))
"""Kinds of operation and how often: every mix makes another pair of releases."""
SETS = {("unchanged",), *((kind,) for kind in KINDS)} | {
    (kind, "pt_primary_soc_changes") if kind != "complex_changes" else (kind, "llt_primary_soc_changes")
    for kind in ("llt_primary_soc_changes", "complex_changes")
}


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2), changes=MIXES, minor=st.booleans())
def test_any_mix_of_changes_is_found_and_every_term_has_one_set_of_kinds(
    seed: int, changes: dict[str, int], minor: bool, pair: Pair
) -> None:
    before, after = pair(seed, changes, "29.1" if minor else "29.0")
    for old, new in ((before.dictionary, after.dictionary), (after.dictionary, before.dictionary)):
        result = diff(old, new)
        kinds = kinds_of_terms(old, new, result.changes)
        codes = set(old.tables["llt"]["llt_code"]) | set(new.tables["llt"]["llt_code"])
        assert kinds.index.is_unique and set(kinds.index) == codes
        assert set(kinds) <= SETS
        assert (kinds != ("unchanged",)).sum() == result.changes.loc[
            result.changes["level"].isin(["LLT", "PT"]) & ~result.changes["code"].str.contains("/"), "code"
        ].nunique()
    found = diff(before.dictionary, after.dictionary).changes[["level", "code", "kind"]]
    assert set(found.itertuples(index=False, name=None)) == set(
        after.changes.itertuples(index=False, name=None)
    )


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2), changes=MIXES, cut=st.sampled_from(["", "old", "new", "both"]))
def test_a_stored_difference_applied_to_old_is_new_and_reversed_is_old(
    seed: int, changes: dict[str, int], cut: str, pair: Pair
) -> None:
    """`cut` leaves the SMQ tables out on a side."""
    before, after = pair(seed, changes)
    old = _without_smqs(before.dictionary) if cut in ("old", "both") else before.dictionary
    new = _without_smqs(after.dictionary) if cut in ("new", "both") else after.dictionary
    stored = DictionaryDiff.from_json(diff(old, new).to_json())
    for made, wanted in ((stored.apply(old), new), (stored.revert(new), old)):
        assert made.digest == wanted.digest == content_digest(made.tables)
        assert (made.version, made.language) == (wanted.version, wanted.language)
        assert set(made.tables) == set(wanted.tables)
    assert stored.to_json() == diff(old, new).to_json()


def _without_smqs(dictionary: Dictionary) -> Dictionary:
    tables = {name: frame for name, frame in dictionary.tables.items() if not name.startswith("smq")}
    return replace(dictionary, tables=tables, digest=content_digest(tables))


def test_a_difference_is_for_its_own_release(pair: Pair) -> None:
    before, after = pair(0)
    result = diff(before.dictionary, after.dictionary)
    for use, end, advice in ((result.apply, after, "take it back"), (result.revert, before, "leave out")):
        with pytest.raises(ReleaseError, match=f"what the difference leads to.*{advice}"):
            use(end.dictionary)
    other = replace(before.dictionary, digest="0" * 64)
    for use, start in ((result.apply, "28.1"), (result.revert, "29.0")):
        with pytest.raises(ReleaseError, match=f"another release than the one to start from, MedDRA {start}"):
            use(other)
    altered = json.loads(result.to_json())
    altered["tables"]["llt"]["added"][0] = "90000001$Something else$90000001$$$$$$$Y$"
    with pytest.raises(ReleaseError, match="the difference is altered"):
        DictionaryDiff.from_json(json.dumps(altered)).apply(before.dictionary)
    altered["tables"]["llt"]["removed"].append("90000001$Never there$90000001$$$$$$$Y$")
    with pytest.raises(ReleaseError, match="Never there"):
        DictionaryDiff.from_json(json.dumps(altered)).apply(before.dictionary)
    altered["tables"]["llt"]["added"] = ["90000001$cut"]
    for text in ("{}", "[]", '{"old": 1}', "[" * 100_000, b"\xff", json.dumps(altered)):
        with pytest.raises(ReleaseError, match=r"x\.json(.|\n)*not a stored difference"):
            DictionaryDiff.from_json(text, name="x.json")


def test_the_order_of_rows_is_no_change(old: Dictionary, new: Dictionary) -> None:
    turned = replace(new, tables={name: t[::-1].reset_index(drop=True) for name, t in new.tables.items()})
    assert diff(old, turned).to_json() == diff(old, new).to_json()
    assert not diff(new, turned).rows


def test_two_languages_are_not_compared(old: Dictionary, new: Dictionary) -> None:
    with pytest.raises(ReleaseError, match="is in German"):
        diff(old, replace(new, language="German"))
