"""The contest of writers in small: it passes on a store that keeps the contract, and fails on one that does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
BOTH = """
import json, sys, put_if_absent as it
size = {"writers": 6, "rounds": 8, "entries": 3}
honest = it.contest((sys.argv[1] + "/honest", None), **size)
real = it.open_store

def lying(url, endpoint=None):
    store = real(url, endpoint=endpoint)
    put = store.put_if_absent
    store.put_if_absent = lambda key, data: put(key, data) or key.startswith("rounds/")
    return store

it.open_store = lying
deceived = it.contest((sys.argv[1] + "/lying", None), **size)
print(json.dumps([[*told[:5], told.holds] for told in (honest, deceived)]))
"""


def test_one_winner_a_round_and_no_lost_entry(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BOTH, str(tmp_path)],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    honest, deceived = json.loads(done.stdout)
    assert honest[:2] == [8, 8] and honest[3:] == [18, 18, True]
    assert deceived[:2] == [8, 0] and not deceived[-1]
