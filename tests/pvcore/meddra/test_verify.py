"""Every invariant of a release: broken one at a time, each names table, row, code and what was expected."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pandas as pd
import pytest

from pvcore.meddra.release import Dictionary
from pvcore.meddra.verify import verify

Change = Callable[[dict[str, pd.DataFrame]], None]


def _broken(dictionary: Dictionary, change: Change) -> Dictionary:
    tables = {name: frame.copy() for name, frame in dictionary.tables.items()}
    change(tables)
    return dataclasses.replace(dictionary, tables=tables)


def _set(table: str, column: str, value: str, row: int = 0) -> Change:
    def change(tables: dict[str, pd.DataFrame]) -> None:
        tables[table].loc[row, column] = value

    return change


def _drop(table: str, row: int = 0) -> Change:
    def change(tables: dict[str, pd.DataFrame]) -> None:
        tables[table] = tables[table].drop(index=row).reset_index(drop=True)

    return change


def _repeat(table: str) -> Change:
    def change(tables: dict[str, pd.DataFrame]) -> None:
        tables[table] = pd.concat([tables[table], tables[table].iloc[[0]]], ignore_index=True)

    return change


def _stale_pt(tables: dict[str, pd.DataFrame]) -> None:
    llt = tables["llt"]
    llt.loc[llt["llt_code"] == tables["pt"]["pt_code"][0], "llt_currency"] = "N"


def _foreign_pt(tables: dict[str, pd.DataFrame]) -> None:
    llt, pt = tables["llt"], tables["pt"]["pt_code"]
    llt.loc[llt["llt_code"] == pt[0], "pt_code"] = pt[1]


def _renamed_llt(tables: dict[str, pd.DataFrame]) -> None:
    llt = tables["llt"]
    llt.loc[llt["llt_code"] == tables["pt"]["pt_code"][0], "llt_name"] = "Tampered"


def _second_primary(tables: dict[str, pd.DataFrame]) -> None:
    hierarchy = tables["mdhier"]
    hierarchy.loc[hierarchy["primary_soc_fg"] == "N", "primary_soc_fg"] = "Y"


def _no_primary(tables: dict[str, pd.DataFrame]) -> None:
    tables["mdhier"].loc[0, "primary_soc_fg"] = "N"


def _other_soc(tables: dict[str, pd.DataFrame]) -> None:
    pt, soc = tables["pt"], tables["soc"]["soc_code"]
    pt.loc[0, "pt_soc_code"] = next(code for code in soc if code != pt["pt_soc_code"][0])


CASES: dict[str, tuple[Change, str, str]] = {
    "code malformed": (_set("llt", "llt_code", "9000021"), "llt.asc, row 1", "expected 8 digits"),
    "code in other digits": (_set("hlt", "hlt_code", "٩٠٠٠٠٠٠١"), "hlt.asc, row 1", "expected 8 digits"),
    "code twice": (_repeat("hlgt"), "hlgt.asc, row 61", "is there twice"),
    "no name": (_set("pt", "pt_name", " "), "pt.asc, row 1", "has no name"),
    "currency": (_set("llt", "llt_currency", "y", 4), "llt.asc, row 5", "expected Y or N"),
    "primary flag": (_set("mdhier", "primary_soc_fg", ""), "mdhier.asc, row 1", "expected Y or N"),
    "LLT of no PT": (_set("llt", "pt_code", "90999999", 7), "llt.asc, row 8", "expected a code of pt.asc"),
    "SOC of no SOC": (_set("pt", "pt_soc_code", "90999999"), "pt.asc, row 1", "expected a code of soc.asc"),
    "HLT lost": (_drop("hlt"), "hlt_pt.asc", "expected a code of hlt.asc"),
    "PT lost": (_drop("pt"), "hlt_pt.asc", "expected a code of pt.asc"),
    "link twice": (_repeat("hlt_pt"), "hlt_pt.asc", "is there twice"),
    "intl_ord": (_set("intl_ord", "soc_code", "90999999"), "intl_ord.asc, row 1", "expected a code of soc.asc"),
    "PT without LLT": (_drop("llt"), "pt.asc, row 1", "expected an LLT with the same code"),
    "PT not current": (_stale_pt, "pt.asc, row 1", "is not current"),
    "PT of another PT": (_foreign_pt, "pt.asc, row 1", "expected itself"),
    "PT and LLT names": (_renamed_llt, "pt.asc, row 1", "expected 'Tampered' as in llt.asc"),
    "PT without HLT": (_drop("hlt_pt"), "mdhier.asc", "expected this link in hlt_pt.asc"),
    "HLT under no HLGT": (_drop("hlgt_hlt"), "mdhier.asc", "expected this link in hlgt_hlt.asc"),
    "HLGT under no SOC": (_drop("soc_hlgt"), "mdhier.asc", "expected this link in soc_hlgt.asc"),
    "path lost": (_drop("mdhier"), "hlt_pt.asc", "expected a path in mdhier.asc"),
    "no primary path": (_no_primary, "pt.asc, row 1", "has 0 primary paths in mdhier.asc, expected one"),
    "two primary paths": (_second_primary, "pt.asc", "has 2 primary paths"),
    "primary SOC": (_other_soc, "mdhier.asc, row 1", "as in pt.asc"),
    "PT name": (_set("mdhier", "pt_name", "Older name"), "mdhier.asc, row 1", "as in pt.asc"),
    "SOC name": (_set("mdhier", "soc_name", "Older name"), "mdhier.asc, row 1", "as in soc.asc"),
    "SOC abbreviation": (_set("mdhier", "soc_abbrev", "Old"), "mdhier.asc, row 1", "as in soc.asc"),
    "SMQ unknown": (_set("smq_content", "smq_code", "99999999"), "smq_content.asc, row 1", "of smq_list.asc"),
    "SMQ term": (_set("smq_content", "term_code", "90999999", 1), "smq_content.asc, row 2", "of pt.asc"),
    "SMQ level": (_set("smq_content", "term_level", "9"), "smq_content.asc, row 1", "expected 0 to 5"),
    "SMQ version": (_set("smq_list", "MedDRA_version", "29.0"), "smq_list.asc, row 1", "expected 28.1"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_broken_invariant_is_found(name: str, old: Dictionary) -> None:
    change, where, what = CASES[name]
    faults = verify(_broken(old, change))
    assert [f for f in faults if f.where.startswith(where) and what in f.what], faults[:5]


def test_a_whole_release_has_no_faults(old: Dictionary, new: Dictionary) -> None:
    assert verify(old) == [] and verify(new) == []


@pytest.mark.parametrize("table", ["llt", "pt", "hlt", "hlgt", "mdhier", "hlt_pt", "hlgt_hlt", "smq_list"])
def test_a_table_of_another_version_is_found(table: str, old: Dictionary, new: Dictionary) -> None:
    def mix(tables: dict[str, pd.DataFrame]) -> None:
        tables[table] = old.tables[table]

    assert verify(_broken(new, mix))


def test_smqs_all_of_an_older_version(new: Dictionary) -> None:
    def older(tables: dict[str, pd.DataFrame]) -> None:
        tables["smq_list"]["MedDRA_version"] = "28.1"

    faults = verify(_broken(new, older))
    assert len(faults) == len(new.tables["smq_list"])


def test_an_inactive_term_of_an_smq_may_be_a_pt_no_more(old: Dictionary) -> None:
    def inactive(tables: dict[str, pd.DataFrame]) -> None:
        llt = tables["llt"]
        below = llt.loc[~llt["llt_code"].isin(tables["pt"]["pt_code"]), "llt_code"].iloc[0]
        row = tables["smq_content"]["term_level"].eq("4").idxmax()
        tables["smq_content"].loc[row, ["term_code", "term_status"]] = [below, "I"]

    assert verify(_broken(old, inactive)) == []


def test_names_may_hold_braces(old: Dictionary) -> None:
    def braces(tables: dict[str, pd.DataFrame]) -> None:
        tables["mdhier"].loc[0, "pt_name"] = "{evil} {0}"

    assert "{evil} {0}" in verify(_broken(old, braces))[0].what
