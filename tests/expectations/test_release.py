"""Each kind of damage to a release is found by the suite `release`, with the row's code."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from expectations import validate_release
from expectations.suites import load
from pvcore.errors import ReleaseError

Tables = dict[str, pd.DataFrame]


def put(table: str, column: str, value: str, row: int = 0) -> Callable[[Tables], Tables]:
    def change(tables: Tables) -> Tables:
        frame = tables[table].copy()
        frame.loc[row, column] = value
        return tables | {table: frame}

    return change


def rows(table: str, pick: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Tables], Tables]:
    return lambda tables: tables | {table: pick(tables[table]).reset_index(drop=True)}


def twice(table: str) -> Callable[[Tables], Tables]:
    return rows(table, lambda frame: pd.concat([frame, frame.iloc[[0]]]))


def first(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[:1]


BROKEN: list[tuple[str, Callable[[Tables], Tables]]] = [
    ("release-one-row", twice("meddra_release")),
    ("release-version", put("meddra_release", "version", "twenty")),
    ("release-language", put("meddra_release", "language", " ")),
    ("count-llt", rows("llt", lambda frame: frame.iloc[:9])),
    ("count-soc", rows("soc", lambda frame: pd.concat([frame] * 6))),
    ("count-llt-over-pt", rows("llt", lambda frame: frame.iloc[:299])),
    ("count-pt-over-hlt", rows("pt", first)),
    ("count-hlt-over-hlgt", rows("hlt", first)),
    ("count-hlgt-over-soc", rows("hlgt", first)),
    *[
        (f"{level}-{rule}", put(level, f"{level}_{column}", value))
        for level in ("llt", "pt", "hlt", "hlgt", "soc")
        for rule, column, value in (("code-shape", "code", "9000001"), ("name", "name", " "))
    ],
    *[(f"{level}-code-unique", twice(level)) for level in ("llt", "pt", "hlt", "hlgt", "soc")],
    ("smq-code-shape", put("smq_list", "smq_code", "x")),
    ("smq-code-unique", twice("smq_list")),
    ("smq-name", put("smq_list", "smq_name", "")),
    ("llt-currency", put("llt", "llt_currency", "y")),
    ("llt-share-current", rows("llt", lambda frame: frame.assign(llt_currency="N"))),
    ("llt-pt-known", put("llt", "pt_code", "99999999")),
    ("pt-name-unique", twice("pt")),
    ("pt-own-llt", put("pt", "pt_code", "99999999")),
    ("pt-has-hlt", rows("hlt_pt", first)),
    ("pt-soc-known", put("pt", "pt_soc_code", "99999999")),
    ("pt-one-primary-path", rows("mdhier", first)),
    ("pt-one-primary-path", rows("mdhier", lambda frame: frame.assign(primary_soc_fg="Y"))),
    *[
        (f"{link.replace('_', '-')}-{end}-known", put(link, f"{level}_code", "99999999"))
        for link in ("hlt_pt", "hlgt_hlt", "soc_hlgt")
        for end, level in zip(("upper", "lower"), link.split("_"), strict=True)
    ],
    *[(f"{link.replace('_', '-')}-unique", twice(link)) for link in ("hlt_pt", "hlgt_hlt", "soc_hlgt")],
    ("mdhier-flag", put("mdhier", "primary_soc_fg", "")),
    ("mdhier-primary-soc", rows("mdhier", lambda frame: frame.assign(pt_soc_code="99999999"))),
    *[
        (f"mdhier-{level}-known", put("mdhier", f"{level}_code", "99999999"))
        for level in ("pt", "hlt", "hlgt", "soc")
    ],
    ("smq-content-known", put("smq_content", "smq_code", "99999999")),
    ("smq-content-level", put("smq_content", "term_level", "9")),
]


def test_two_releases_in_a_row_are_fit(releases: Any) -> None:
    before, after = releases
    validation = validate_release(after, previous=before)
    validation.require()
    assert validation.evaluated == validation.expected == sum(len(t.rules) for t in load("release").tables)
    assert not validation.warnings and not validation.skipped
    assert all(result.rows for result in validation.rules)
    assert validation.statistics["llt"] == len(after.tables["llt"])


def test_every_rule_has_a_case_here() -> None:
    names = {rule.name for table in load("release").tables for rule in table.rules}
    assert names == {rule for rule, _ in BROKEN} | {"llt-never-deleted"}


@pytest.mark.parametrize(("rule", "change"), BROKEN, ids=[f"{r}-{i}" for i, (r, _) in enumerate(BROKEN)])
def test_damage_is_found(
    releases: Any, alone: Callable[[str, str], None], rule: str, change: Callable[[Tables], Tables]
) -> None:
    alone("release", rule)
    broken = dataclasses.replace(releases[0], tables=change(dict(releases[0].tables)))
    validation = validate_release(broken)
    assert rule in {result.rule for result in validation.rules if result.failed}
    assert not validation.success


def test_faults_name_the_line_of_the_file_and_the_code(releases: Any) -> None:
    code = releases[0].tables["llt"]["llt_code"].iloc[2]
    tables = put("llt", "llt_currency", "X", row=2)(dict(releases[0].tables))
    validation = validate_release(dataclasses.replace(releases[0], tables=tables))
    assert [str(fault) for fault in validation.failures] == [
        f"llt.asc, row 3, llt_code {code}: currency 'X', expected Y or N"
    ]
    with pytest.raises(ReleaseError, match=f"llt_code {code}"):
        validation.require()


def test_a_deleted_code_is_found_with_the_release_before(releases: Any) -> None:
    before, after = releases
    gone = before.tables["llt"].iloc[4]
    kept = after.tables["llt"][after.tables["llt"]["llt_code"] != gone["llt_code"]].reset_index(drop=True)
    validation = validate_release(
        dataclasses.replace(after, tables={**after.tables, "llt": kept}), previous=before
    )
    found = [fault for fault in validation.failures if fault.where == f"llt_code {gone['llt_code']}"]
    assert [fault.what for fault in found] == [f"{gone['llt_name']!r} of the release before is gone"]


def test_optional_tables_may_be_absent_and_required_ones_may_not(releases: Any) -> None:
    tables = {name: frame for name, frame in releases[0].tables.items() if not name.startswith("smq")}
    validation = validate_release(dataclasses.replace(releases[0], tables=tables))
    assert validation.success and len(validation.skipped) == 3
    assert validation.evaluated == validation.expected < sum(len(t.rules) for t in load("release").tables)
    for name in ("mdhier", "llt"):
        del tables[name]
    with pytest.raises(ReleaseError) as caught:
        validate_release(dataclasses.replace(releases[0], tables=tables))
    assert [fault.where for fault in caught.value.faults] == ["llt.asc", "mdhier.asc"]
