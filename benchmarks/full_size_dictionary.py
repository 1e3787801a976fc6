"""A dictionary of full size and its next version: generate, read, translate, compare, apply, report, migrate.

    python benchmarks/full_size_dictionary.py [CODED_ROWS]

Prints one row a step with seconds, the peak of memory so far, and what came of it; the migration stands
beside one pandas merge of the same rows on the code. Exits with 1 if the comparison does not find what
the generator changed, exactly, or a stored difference does not give the other release.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from pvcore.dossier.release import release_report
from pvcore.meddra.diff import DictionaryDiff, diff
from pvcore.meddra.generate import Size, generate
from pvcore.meddra.languages import join
from pvcore.meddra.migrate import migrate
from pvcore.meddra.release import Dictionary, read

T = TypeVar("T")


def timed(step: str, work: Callable[[], T], said: Callable[[T], str] = lambda value: "") -> T:
    """Do the work and print its row."""
    start = time.perf_counter()
    value = work()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {step} | {seconds:.2f} | {peak:.0f} | {said(value)} |", flush=True)
    return value


def coded_rows(old: Dictionary, number: int) -> pd.DataFrame:
    """Rows on LLTs of `old` as a safety database has them: few terms often, and verbatims that repeat."""
    llt = old.tables["llt"]
    picked = np.minimum(np.random.default_rng(0).zipf(1.3, number), len(llt)) - 1
    chosen = llt.iloc[picked]
    return pd.DataFrame(
        {
            "row_id": np.arange(number).astype(str),
            "llt_code": chosen["llt_code"].array,
            "verbatim": chosen["llt_name"].str.lower().array,
        }
    )


def main() -> int:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print("| step | seconds | peak memory, MiB | result |\n|---|---:|---:|---|")
    with tempfile.TemporaryDirectory() as name:
        folder, size = Path(name), Size.real()
        first = timed("generate", lambda: generate(folder, version="28.1", seed=1, size=size),
                      lambda t: f"{len(t.dictionary.tables['llt']):,} LLTs")  # fmt: skip
        second = timed("generate the next version",
                       lambda: generate(folder, version="29.0", seed=1, size=size, previous=first.dictionary),
                       lambda t: f"{len(t.changes):,} changes")  # fmt: skip
        old = timed("read and verify one release", lambda: read(first.archive))
        new = read(second.archive)
        found = timed("compare", lambda: diff(old, new), lambda d: f"{len(d.changes):,} changes found")
        text = timed("store the difference", found.to_json, lambda t: f"{len(t) / 2**20:.1f} MiB of JSON")
        stored = DictionaryDiff.from_json(text)
        there = timed("apply it to OLD", lambda: stored.apply(old))
        back = timed("take it back from NEW", lambda: stored.revert(new))
        timed("HTML report", lambda: release_report(found, old, new), lambda p: f"{len(p) / 2**20:.1f} MiB")
        rows = coded_rows(old, number)
        llt = new.tables["llt"][["llt_code", "llt_name", "pt_code"]]
        timed(
            "one pandas merge on the code",
            lambda: rows.merge(llt, on="llt_code"),
            lambda m: f"{len(m):,} rows",
        )
        timed(
            "migrate, policy 3", lambda: migrate(rows, old, new), lambda m: f"{len(m.rows):,} rows {m.counts}"
        )
        german = timed("generate it in another language",
                       lambda: generate(folder, version="28.1", seed=1, size=size, language="German"))  # fmt: skip
        other = read(german.archive)
        timed("join the two languages", lambda: join(old, [other]), lambda j: f"{len(j.names):,} names")
    keys = set(found.changes[["level", "code", "kind"]].itertuples(index=False, name=None))
    exact = keys == set(second.changes.itertuples(index=False, name=None)) and len(keys) == len(found.changes)
    same = there.digest == new.digest and back.digest == old.digest
    print(f"\nThe truth table was found exactly: {exact}. OLD and NEW from each other: {same}.")
    return 0 if exact and same else 1


if __name__ == "__main__":
    sys.exit(main())
