"""Which coded rows a version change touches, counted as the maintenance organisation's impact report does.

Its report takes rows (row id, term, code) with a start and an end version and answers with rows loaded,
valid, impacted and the percentage, then the impacted rows by kind of change, and input errors. Here a
row is impacted if anything has changed about its LLT, the PT of that LLT, or an HLT, HLGT or SOC on the
PT's primary path; it is counted under every kind that it meets, and once in `impacted`. What becomes of
a row is not said here but by a migration (`pvcore.meddra.migrate`), which looks at the same changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from pvcore.errors import BatchError, Fault
from pvcore.meddra import matching
from pvcore.meddra.diff import DictionaryDiff
from pvcore.meddra.kinds import KINDS
from pvcore.meddra.release import Dictionary

COLUMNS = ("row_id", "term", "level", "code", "name", "kind", "old", "new")
ERRORS: dict[str, str] = {
    "no_code": "neither an LLT code nor a PT name",
    "other_version": "coded in another MedDRA version than the one to start from",
    "no_such_llt": "the code is no LLT of the version to start from",
    "no_such_pt": "the name is no PT of the version to start from",
}


@dataclass(frozen=True, eq=False)
class Impact:
    """Counts and rows. `rows` has COLUMNS: a line for every row and every change that it meets, with
    the term that the row is coded by and the change as in `DictionaryDiff.changes`; `errors` has
    row_id, error (a key of ERRORS) and what was said.

    `not_current` counts valid rows on LLTs that were not current before: no change touches them, and a
    migration recodes them all the same.
    """

    old_version: str
    new_version: str
    loaded: int
    valid: int
    not_current: int
    rows: pd.DataFrame = field(repr=False)
    errors: pd.DataFrame = field(repr=False)

    @cached_property
    def impacted(self) -> int:
        """Rows that meet a change, each once."""
        return int(self.rows["row_id"].nunique())

    @property
    def percentage(self) -> float:
        """Impacted rows of a hundred valid ones; 0 without any."""
        return 100 * self.impacted / self.valid if self.valid else 0.0

    @cached_property
    def by_kind(self) -> dict[str, int]:
        """Rows that meet a change of each kind, zero included, in the order of KINDS."""
        found = self.rows.drop_duplicates(["row_id", "kind"])["kind"].value_counts()
        return {kind: int(found.get(kind, 0)) for kind in KINDS}

    def to_value(self) -> dict[str, Any]:
        """Everything as one JSON value."""
        return {
            "old": self.old_version,
            "new": self.new_version,
            "rows_loaded": self.loaded,
            "rows_valid": self.valid,
            "rows_impacted": self.impacted,
            "percentage": round(self.percentage, 2),
            "not_current_before": self.not_current,
            "impacted_by_kind": self.by_kind,
            "impacted": self.rows.to_dict(orient="records"),
            "input_errors": self.errors.to_dict(orient="records"),
        }


def impact(rows: pd.DataFrame, old: Dictionary, found: DictionaryDiff) -> Impact:
    """The impact of a version change (`found` starts at `old`) on `rows`.

    `rows` has row_id and any of llt_code, pt_name and meddra_version; "" or a missing value is none. A
    row with both is taken by its LLT; one without a version is taken to be in OLD. Raises BatchError
    for rows without row_id or with one twice.
    """
    given = _given(rows)
    errors, llts = _checked(given, old)
    valid = given[errors == ""].assign(code=llts[errors == ""])
    valid["term"] = valid["code"].map(old.llt_name).astype("str")
    pts = valid["code"].map(old.pt_of).astype("str")
    path = old.paths.reindex(pts)[["hlt_code", "hlgt_code", "soc_code"]]
    met = {"LLT": valid["code"], "PT": pts}
    met |= {
        level: pd.Series(path[f"{level.lower()}_code"].array, valid.index) for level in ("HLT", "HLGT", "SOC")
    }
    tables = [_meeting(valid, level, codes, found.changes) for level, codes in met.items()]
    # the change of a PT stands at level PT also where the row is on the LLT with the PT's own code
    table = pd.concat(tables, ignore_index=True).drop_duplicates(["row_id", "level", "code", "kind"])
    order = {row_id: number for number, row_id in enumerate(given["row_id"])}
    table = table.sort_values("row_id", key=lambda ids: ids.map(order), kind="stable", ignore_index=True)
    wrong = given[errors != ""]
    said = wrong["llt_code"].where(wrong["llt_code"] != "", wrong["pt_name"])
    said = said.where(errors[wrong.index] != "other_version", wrong["meddra_version"])
    faults = pd.DataFrame({"row_id": wrong["row_id"], "error": errors[wrong.index], "said": said})
    stale = sum(not old.is_current(code) for code in valid["code"])
    return Impact(
        found.old_version, found.new_version, len(given), len(valid), stale,
        table[list(COLUMNS)], faults.reset_index(drop=True),
    )  # fmt: skip


def _given(rows: pd.DataFrame) -> pd.DataFrame:
    """row_id, llt_code, pt_name, meddra_version as text."""
    if "row_id" not in rows:
        raise BatchError("rows", [Fault("rows", "no column row_id")])
    twice = rows["row_id"][rows["row_id"].duplicated()]
    if len(twice):
        raise BatchError("rows", [Fault(f"row {row_id}", "the row_id is there twice") for row_id in twice])
    empty = pd.Series("", index=rows.index, dtype="str")
    names = ("row_id", "llt_code", "pt_name", "meddra_version")
    given = {name: rows.get(name, empty).fillna("").astype("str") for name in names}
    return pd.DataFrame(given).reset_index(drop=True)


def _checked(given: pd.DataFrame, old: Dictionary) -> tuple[pd.Series, pd.Series]:
    """For every row a key of ERRORS or "", and its LLT (that of the PT for a name)."""
    pt = old.tables["pt"]
    named = dict(zip(map(matching.exact, pt["pt_name"].tolist()), pt["pt_code"].tolist(), strict=True))
    by_code, by_name = given["llt_code"] != "", given["pt_name"] != ""
    found = given["pt_name"].map(lambda name: named.get(matching.exact(name), "") if name else "")
    llts = given["llt_code"].where(by_code, found)
    known = pd.Series([code in old for code in llts], index=given.index, dtype="bool")
    errors = pd.Series("", index=given.index, dtype="str")
    errors[by_code & ~known] = "no_such_llt"
    errors[~by_code & ~known] = "no_such_pt"
    errors[~by_code & ~by_name] = "no_code"
    errors[(given["meddra_version"] != "") & (given["meddra_version"] != old.version)] = "other_version"
    return errors, llts


def _meeting(valid: pd.DataFrame, level: str, codes: pd.Series, changes: pd.DataFrame) -> pd.DataFrame:
    """Valid rows beside the changes of their term at a level (a PT's own LLT is listed at level PT)."""
    some = changes[changes["level"].isin(["LLT", "PT"] if level == "LLT" else [level])]
    return valid[["row_id", "term"]].assign(code=codes.astype("str")).merge(some, on="code")
