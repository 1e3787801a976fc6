"""What a proof that a case was not read costs, by the number of records that were.

    python benchmarks/absence.py [--records 1000000 10000000] [--asked 10000]

For each number in a process of its own: building the tree of so many ids, proving from its arrays on the disk as
`pv audit absent` does, and checking (the middle of all, and the worst), in processor time. `proof` and `file` are
the longest of all those asked for, in bytes: what shows the absence, and the whole document with the ledger's entry
that binds it and the limits in words. `peak` is the most resident memory while building, of which `before` is the
program's own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from pvcore.records import canonical, digest
from pvcore.registry import absence, absence_tree

SECRET = bytes(range(32))
COLUMNS = (
    "records",
    "build, s",
    "before, MB",
    "peak, MB",
    "kept, MB",
    "prove, ms",
    "check, ms",
    "worst, ms",
    "proof",
    "file",
)


def bound(tree: absence_tree.Tree, case: str) -> dict[str, Any]:
    """A document as registration and `pv audit absent` write it: an entry with all its fields, an id of 40 letters."""
    read = {"root": tree.root, "records": len(tree.index)}
    names = dict.fromkeys(("adapter", "specification", "version"), "a" * 64)
    entry = {
        "format": 1, "sequence": 123456, "previous": "a" * 64, "time": "2026-11-26T05:00:00.000Z", "kind": "Registered",
        "actor": "retrain", "key": "seriousness " + "a" * 64, "nonce": "a" * 32,
        "body": {"problem": "seriousness", "number": 12, "read": read, **names},
    }  # fmt: skip
    text = canonical(entry)
    said = {"version": "seriousness@12", "manifest": "a" * 64, "entry": digest(text)}
    proof = {"format": absence.FORMAT, "case": case, **said, **read, **tree.prove(case)}
    return {"proof": proof, "registered": text.decode(), "limits": list(absence.LIMITS)}


def measure(records: int, asked: int) -> tuple[Any, ...]:
    """One row of the table (see COLUMNS)."""
    before = peak()
    start = time.process_time()
    built = absence_tree.build((f"US-COMPANY-2026{number:09d}" for number in range(records)), SECRET)
    took, most = time.process_time() - start, peak()
    with tempfile.TemporaryDirectory() as folder:
        absence_tree.keep(built, Path(folder))
        root = built.root
        del built
        tree = absence_tree.kept(Path(folder), root, SECRET)
        assert tree
        kept = tree.index.nbytes + tree.nodes.nbytes
        proving, checking, proofs, files = [], [], [], []
        for number in range(asked):
            case = f"EU-ANOTHER-COMPANY-OF-A-LONG-NAME-{number:06d}"
            start = time.process_time()
            found = tree.prove(case)
            proving.append(time.process_time() - start)
            document = bound(tree, case)
            assert document["proof"]["path"] == found["path"]
            text = canonical(document).decode()
            start = time.process_time()
            checked = absence.check(json.loads(text))
            checking.append(time.process_time() - start)
            assert checked.claim == absence.ABSENT
            proofs.append(len(canonical(document["proof"])))
            files.append(len(text))
    middle = statistics.median
    times = (middle(proving) * 1e3, middle(checking) * 1e3, max(checking) * 1e3)
    return records, took, before, most, kept // 10**6, *times, max(proofs), max(files)


def peak() -> int:
    """The most resident memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--asked", type=int, default=10_000, help="absent cases that are asked for")
    given = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---:|" * len(COLUMNS), flush=True)
    for records in given.records:
        with multiprocessing.get_context("spawn").Pool(1) as one:
            row = one.apply(measure, (records, given.asked))
        cells = [f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" for value in row]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
