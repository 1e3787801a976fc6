"""Codes made wrong on purpose, and how many of them come first: the table of docs/consistency.md.

    python benchmarks/doubtful_codes.py            # an invented dictionary of real size; about two minutes

Of the labels of an invented batch 100 get the code of another PT: any, or one under the same HLT, which is
the mistake that a coder makes. Nothing is read but what is generated.
"""

from __future__ import annotations

import dataclasses
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pvcore.annotations.agreement import Label, consensus
from pvcore.annotations.doubtful_codes import LIKELY, doubtful_codes
from pvcore.annotations.generate import generate_cases
from pvcore.meddra.generate import Size, generate
from pvcore.meddra.release import Dictionary

CASES, PLANTED, SEEDS = 2000, 100, (1, 2, 3)


def plant(
    labels: Sequence[Label], dictionary: Dictionary, *, near: bool, seed: int
) -> tuple[list[Label], set[tuple[str, str]]]:
    """The labels with PLANTED wrong codes, and (case, verbatim) of those."""
    llts = dictionary.current_llts()
    group = {pt: (path["hlt_code"] if near else "") for pt, path in dictionary.paths.iterrows()}
    pool: dict[str, list[str]] = defaultdict(list)
    for code, pt in zip(llts["llt_code"], llts["pt_code"], strict=True):
        pool[group[pt]].append(code)
    rng, made, wrong = random.Random(seed), list(labels), set()
    for i in rng.sample(range(len(labels)), len(labels)):
        right = dictionary.pt_of(labels[i].value["llt_code"])
        others = [code for code in pool[group[right]] if dictionary.pt_of(code) != right]
        if others and len(wrong) < PLANTED:
            made[i] = dataclasses.replace(labels[i], value={"llt_code": rng.choice(others)})
            wrong.add((labels[i].case_id, labels[i].target))
    return made, wrong


def main() -> None:
    """Print the table."""
    print(f"\n| dictionary | wrong code | seed | labels | among the first {PLANTED} "
          f"| doubt {LIKELY} and more | of them planted | s |")  # fmt: skip
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for title, size in (("1,000 LLTs", Size.small()), ("88,500 LLTs", Size.real())):
            dictionary = generate(Path(folder, title), version="29.0", seed=1, size=size).dictionary
            for near in (False, True):
                for seed in SEEDS:
                    _, said = generate_cases(dictionary, n=CASES, seed=seed, prefix="B")
                    labels = [one for one in consensus(said).resolved if one.problem == "coding"]
                    given, wrong = plant(labels, dictionary, near=near, seed=seed)
                    began = time.perf_counter()
                    found = doubtful_codes(given, dictionary)
                    seconds = time.perf_counter() - began
                    hits = [(d.case_id, d.verbatim) in wrong for d in found]
                    likely = sum(d.likely for d in found)
                    print(
                        f"| {title} | {'of the same HLT' if near else 'any'} | {seed} | {len(labels):,} "
                        f"| {sum(hits[:PLANTED])} | {likely} | {sum(hits[:likely])} | {seconds:.0f} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
