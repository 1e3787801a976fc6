"""Terms that are new in a release: answered before any retraining, and after it.

    python benchmarks/new_terms.py [--size middle|small|real] [--training 4000] [--no-wordings] [--threads 1]

A champion is trained on free wordings of the first release's terms. The second release is read: its new terms
become candidates by their names alone (before). Then training goes on from the champion with wordings of the new
terms and half as many old ones (after). Asked are other wordings, of new terms and of old ones; the candidates are
all current terms of the second release. The yardstick is the nearest term by letters, which gets the same wordings.
Seconds are of processor time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from coding_parts import SIZES, recipe, share, trained, wordings

from pvcore.evaluation.baseline import nearest_terms
from pvcore.meddra.diff import diff
from pvcore.meddra.generate import generate
from pvcore.records import Example, Prediction
from pvcore.training.mixture import mix


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="middle")
    parser.add_argument("--training", type=int, default=4000)
    parser.add_argument(
        "--wordings", action=argparse.BooleanOptionalAction, default=True, help="keep those of training rows"
    )
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, size = Path(name), SIZES[asked.size]
        old = generate(folder, version="28.1", seed=1, size=size).dictionary
        new = generate(folder, version="29.0", seed=1, size=size, previous=old).dictionary
        before, after = old.current_llts(), new.current_llts()
        fresh = after[after["llt_code"].isin(diff(old, new).new_terms())]
        kept = after[after["llt_code"].isin(before["llt_code"]) & ~after["llt_code"].isin(fresh["llt_code"])]
        old_rows = wordings(before, asked.training, seed=1)
        new_rows = wordings(fresh, 3 * len(fresh), seed=2, unlike=old_rows)
        seen = [*old_rows, *new_rows]
        tests = {
            "new": wordings(fresh, min(1000, 3 * len(fresh)), seed=3, unlike=seen),
            "old": wordings(kept, 1000, seed=4, unlike=seen),
        }
        settings = recipe("coding", training__wordings=asked.wordings)
        options = {"threads": asked.threads}
        champion = trained("coding", {"train": old_rows}, before, settings, folder / "one", **options)
        started = time.process_time()
        champion.predict(tests["new"], terms=before, **options)
        read = time.process_time()
        champion.predict(tests["new"], terms=after, **options)
        again = time.process_time()
        print(
            f"{len(after):,} current terms, {len(fresh)} of them new or renamed. Processor seconds for "
            f"{len(tests['new'])} answers with all vectors of the old release: {read - started:.1f}; then with "
            f"those of the new one's new names: {again - read:.1f}\n"
        )
        current = set(after["llt_code"])
        known = [row for row in old_rows if row.label in current]
        rows = {
            "train": mix(new_rows, known, replay=0.5, max_rows=None, seed=17),
            "known": [*new_rows, *known],
        }
        candidate = trained("coding", rows, after, settings, folder / "two", parent=folder / "one", **options)
        table = list(zip(after["llt_code"], after["llt_name"], strict=True))
        print("| wordings of | way | accuracy at 1 | accuracy at 5 |\n|---|---|---:|---:|")
        for which, test in tests.items():
            show(which, test, "champion, before retraining", champion.predict(test, terms=after, **options))
            show(which, test, "letters, before", nearest_terms(table, known, test))
            show(which, test, "candidate, after retraining", candidate.predict(test, terms=after, **options))
            show(which, test, "letters, after", nearest_terms(table, [*known, *new_rows], test))


def show(which: str, test: Sequence[Example], way: str, found: Sequence[Prediction]) -> None:
    ranked = [[code for code, _ in answer.ranked] for answer in found]
    at = " | ".join(f"{share(test, ranked, top):.3f}" for top in (1, 5))
    print(f"| {which} terms ({len(test)}) | {way} | {at} |", flush=True)


if __name__ == "__main__":
    main()
