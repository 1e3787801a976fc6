"""The page of a version change in a browser: search, filter by kind, affected cases, and nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from pvcore.dossier.release import release_report
from pvcore.meddra.diff import diff
from pvcore.meddra.generate import Size, generate
from pvcore.meddra.impact import impact
from pvcore.meddra.kinds import KINDS


def test_search_filter_and_cases(chromium: Any, tmp_path: Path) -> None:
    size = Size(4, 8, 24, 120, 400, 3)
    old = generate(tmp_path, version="28.1", seed=1, size=size).dictionary
    new = generate(tmp_path, version="29.0", seed=1, size=size, previous=old).dictionary
    found = diff(old, new)
    renamed = found.of("name_changes").iloc[0]
    codings = pd.DataFrame(
        {"row_id": ["1"], "case_id": ["US-1"], "verbatim": ["<b>sore</b>"], "llt_code": [renamed["code"]]}
    )
    file = tmp_path / "page.html"
    file.write_text(
        release_report(found, old, new, impact=impact(codings, old, found), codings=codings), encoding="utf-8"
    )
    page = chromium.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda sent: None if sent.url == file.as_uri() else said.append(sent.url))
    page.goto(file.as_uri())
    assert page.locator("#status").inner_text() == f"{len(found.changes)} of {len(found.changes)} changes"
    page.locator(f"button[data-kind='{list(KINDS).index('name_changes')}']").click()
    assert page.locator("#rows tr").count() == found.counts["name_changes"]
    page.locator("#affected").check()
    assert page.locator("#rows tr").count() == 1
    page.locator("summary").click()
    page.get_by_text("US-1: <b>sore</b>").wait_for()
    page.locator("#search").fill("no such words")
    assert page.locator("#rows tr").count() == 0
    page.locator("#search").fill(str(renamed["code"]))
    assert page.locator("#rows tr").count() == 1
    assert said == []
    page.close()
