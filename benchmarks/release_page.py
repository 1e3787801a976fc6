"""The page of a version change at full size, in a real Chromium: how large it is, and how long a coder waits.

    python benchmarks/release_page.py [--changes 24] [--rows 0 20000 200000] [--rounds 5]

Two releases of Size.real(), the second with CHANGES times `--changes`; one line of the table for each number
of coded rows that the page is made with. Opened: from the call until the list and its count stand there.
Search and kind: from the last key (or the click) until the list has followed; medians over the rounds, each
in a page of its own. Needs playwright and an installed Chromium (PV_CHROMIUM names another one).
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_side import coded_rows
from playwright.sync_api import sync_playwright

from pvcore.dossier.release import release_report
from pvcore.meddra.diff import DictionaryDiff, diff
from pvcore.meddra.evolve import CHANGES
from pvcore.meddra.generate import Size, generate
from pvcore.meddra.impact import impact
from pvcore.meddra.kinds import KINDS
from pvcore.meddra.release import Dictionary

SEARCH = """text => {
    const field = document.getElementById("search"), start = performance.now();
    field.value = text;
    field.dispatchEvent(new Event("input"));
    document.body.offsetHeight;  // the list is laid out
    return performance.now() - start;
}"""
CLICK = """number => {
    const start = performance.now();
    document.querySelector(`button[data-kind="${number}"]`).click();
    document.body.offsetHeight;
    return performance.now() - start;
}"""


def releases(folder: Path, times: int) -> tuple[Dictionary, Dictionary]:
    size = Size.real()
    more = replace(size, changes={kind: number * times for kind, number in CHANGES.items()})
    old = generate(folder, version="28.1", seed=1, size=size).dictionary
    return old, generate(folder, version="29.0", seed=1, size=more, previous=old).dictionary


def page_of(found: DictionaryDiff, old: Dictionary, new: Dictionary, number: int) -> str:
    """The page with `number` coded rows, or with none."""
    if not number:
        return release_report(found, old, new)
    rows = coded_rows(old.current_llts(), number)
    rows["case_id"] = "US-" + rows["row_id"]
    return release_report(found, old, new, impact=impact(rows, old, found), codings=rows)


def looked_at(browser: Any, file: Path, word: str) -> tuple[float, float, float]:
    """Milliseconds until the page is open, a search has its result, and a kind is chosen."""
    page = browser.new_page()
    start = time.perf_counter()
    page.goto(file.as_uri())
    page.locator("#rows tr").first.wait_for()
    opened = 1000 * (time.perf_counter() - start)
    searched = page.evaluate(SEARCH, word)
    assert page.locator("#rows tr").count(), f"nothing found for {word!r}"
    page.evaluate(SEARCH, "")
    chosen = page.evaluate(CLICK, list(KINDS).index("new_llts"))
    page.close()
    return opened, searched, chosen


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--changes", type=int, default=24, help="times the usual small number of changes")
    parser.add_argument("--rows", type=int, nargs="+", default=[0, 20_000, 200_000], help="coded rows")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    program = os.environ.get("PV_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory(prefix="pv-page-") as name, sync_playwright() as driver:
        folder = Path(name)
        old, new = releases(folder, options.changes)
        found = diff(old, new)
        word = str(found.of("name_changes")["name"].iloc[0])
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        print(f"{len(found.changes):,} changes, Chromium {browser.version}\n")
        print(
            "| coded rows | made, s | page, MB | opened, ms | search, ms | kind, ms |\n|---|---|---|---|---|---|"
        )
        for number in options.rows:
            start = time.perf_counter()
            file = folder / f"{number}.html"
            file.write_text(page_of(found, old, new, number), encoding="utf-8")
            made, size = time.perf_counter() - start, file.stat().st_size / 1e6
            rounds = [looked_at(browser, file, word) for _ in range(options.rounds)]
            opened, searched, chosen = (statistics.median(column) for column in zip(*rounds, strict=True))
            print(
                f"| {number:,} | {made:.1f} | {size:.2f} | {opened:.0f} | {searched:.0f} | {chosen:.0f} |",
                flush=True,
            )
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
