"""The page of a version change: in words, self-contained, harmless whatever a term or a case says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pvcore.dossier.release import MEANING, release_report
from pvcore.meddra.diff import diff
from pvcore.meddra.generate import Size, Truth, generate
from pvcore.meddra.impact import impact
from pvcore.meddra.kinds import KINDS

HOSTILE = "</script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, Truth]:
    folder, size = tmp_path_factory.mktemp("pair"), Size(4, 8, 24, 120, 400, 3)
    first = generate(folder, version="28.1", seed=1, size=size)
    return first, generate(folder, version="29.0", seed=1, size=size, previous=first.dictionary)


@pytest.fixture(scope="module")
def page(pair: tuple[Truth, Truth]) -> str:
    old, new = (truth.dictionary for truth in pair)
    codes = old.tables["llt"]["llt_code"].tolist()
    codings = pd.DataFrame(
        {"row_id": codes, "case_id": [f"case-{c}" for c in codes], "verbatim": HOSTILE, "llt_code": codes}
    )
    found = diff(old, new)
    return release_report(
        found, old, new, impact=impact(codings, old, found), codings=codings, created="2026-09-01"
    )


def _data(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_every_change_stands_on_it_in_words(page: str, pair: tuple[Truth, Truth]) -> None:
    data = _data(page)
    keys = {(level, code, list(KINDS)[kind]) for level, code, _, kind, _, _ in data["changes"]}
    assert keys == set(pair[1].changes.itertuples(index=False, name=None))
    assert set(MEANING) == set(KINDS)
    said = [text for *_, before, after in data["changes"] for text in (before, after)]
    assert not any(re.search(r"\b9\d{7}\b", text) for text in said), "a code where a name should stand"
    currency = [c[4:] for c in data["changes"] if list(KINDS)[c[3]] == "currency_changes"]
    assert {tuple(sides) for sides in currency} == {("current", "not current"), ("not current", "current")}
    smq = [c for c in data["changes"] if list(KINDS)[c[3]] == "smq_pt_changes"]
    assert {c[4] for c in smq} >= {"not in it"} and all("(SMQ)" in c[2] and " in " in c[2] for c in smq)
    assert any(c[5] in ("scope: broad", "scope: narrow") for c in smq)


def test_affected_cases_stand_beside_their_change(page: str, pair: tuple[Truth, Truth]) -> None:
    data = _data(page)
    renamed = [n for n, c in enumerate(data["changes"]) if list(KINDS)[c[3]] == "name_changes"]
    for number in renamed:
        assert [f"case-{data['changes'][number][1]}", HOSTILE] in data["cases"][str(number)]
    assert "rows that meet a change" in page and "only what meets our rows" in page


def test_nothing_is_loaded_and_nothing_else_runs(page: str) -> None:
    assert not re.search(r"(?:src|href)\s*=|url\(|@import|https?://", page)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1 and HOSTILE not in page
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page
    assert "innerHTML" not in page


def test_without_cases_and_the_same_bytes_twice(pair: tuple[Truth, Truth]) -> None:
    old, new = (truth.dictionary for truth in pair)
    found = diff(old, new)
    page = release_report(found, old, new)
    assert page == release_report(found, old, new)
    assert "data-cases" not in page.split("<script")[0] and "our rows" not in page.split("<script")[0]
    assert _data(page)["cases"] == {}


def test_a_difference_without_smqs_and_one_without_changes(pair: tuple[Truth, Truth], tmp_path: Path) -> None:
    old, new = (truth.dictionary for truth in pair)
    bare = [
        replace(d, tables={n: t for n, t in d.tables.items() if not n.startswith("smq")}) for d in (old, new)
    ]
    assert "28.1 to 29.0" in release_report(diff(*bare), *bare)
    assert "28.1 to 28.1" in release_report(diff(old, old), old, old)
