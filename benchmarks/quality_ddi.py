"""Drug-drug interaction on pairs made by a known rule, by whether training saw the drugs: beside popularity and words.

    python benchmarks/quality_ddi.py [--rows 1000] [--seeds 5]

240 invented drugs, a quarter of them held out; a pair interacts where one drug inhibits what the other is a substrate
of (pvcore.annotations.generate_pairs). The recipe learns from ROWS pairs of the other drugs, another draw for each
seed, and is asked about three sets of pairs: both drugs seen, one unseen, both unseen. The sets are written as files
and read back as those of arXiv 2502.06890 are when a user has them (`pv external`); the last table shows
them and both averages in that command's form. Beside it: popularity (both drugs interact with something else), TF-IDF.

What was answered is kept below --work. Intervals are 95%, by pair, differences are paired. Pairs share their drugs: to
other drugs the intervals say too little.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from coding_parts import recipe
from quality_parts import SEEDS, by_recipe, table
from quality_seriousness import some

from pvcore.annotations import pair_files
from pvcore.annotations.generate_pairs import generate_pairs
from pvcore.annotations.pair_sets import read_sets
from pvcore.annotations.pairs import drug_key, drugs_of
from pvcore.cycle.external import examples
from pvcore.evaluation.baseline import tfidf_predictions
from pvcore.evaluation.compare import frame
from pvcore.evaluation.external import summary
from pvcore.problems.ddi import DDI, LABELS, POSITIVE, PREVALENCE, drugs
from pvcore.records import Annotation, Case, Example, digest

DRUGS, PAIRS, UNSEEN = 240, 9000, 4
"""Invented drugs and pairs of them; one drug in so many is held out."""
TUNE, ASKED = 300, 800
SETS = ("both drugs seen", "one unseen", "both unseen")
METRICS = ("average_precision", "roc_auc", "recall", "specificity", "precision_at_2pc")


def sets() -> tuple[dict[str, list[Case]], tuple[Annotation, ...]]:
    """All pairs by how many of their drugs are held out, and what the rule says of them."""
    cases, said = generate_pairs(n=PAIRS, seed=1, drugs=DRUGS)
    found: dict[str, list[Case]] = {name: [] for name in SETS}
    for case in sorted(cases, key=lambda case: digest(case.case_id)):
        pair = drugs_of(case.narrative)
        assert pair is not None
        found[SETS[sum(int(digest(drug_key(drug.name)), 16) % UNSEEN == 0 for drug in pair)]].append(case)
    return found, said


def through_files(made: dict[str, list[Case]], said: Sequence[Annotation]) -> dict[str, list[Example]]:
    """Sets of pairs written as tables and read as a user's reference sets are."""
    with tempfile.TemporaryDirectory() as folder:
        for name, cases in made.items():
            pair_files.write(cases, said, Path(folder, f"{name}.csv"))
        return {name: examples(batch) for name, batch in read_sets(Path(folder)).items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path(".pv/quality-ddi"))
    options = parser.parse_args()
    made, said = sets()
    seen = made[SETS[0]]
    asked = through_files(
        {"tune": seen[:TUNE], SETS[0]: seen[TUNE : TUNE + ASKED], "pool": seen[TUNE + ASKED :]}
        | {name: made[name][:ASKED] for name in SETS[1:]},
        said,
    )
    tune, pool = asked.pop("tune"), asked.pop("pool")
    every = [example for found in asked.values() for example in found]
    settings = recipe("ddi", quantisation__compute="bfloat16")
    ways = {
        "popularity": DDI.baselines["popularity"],
        "TF-IDF": partial(tfidf_predictions, positive=POSITIVE, negative=LABELS[0]),
    }
    frames: dict[str, dict[str, list[pd.DataFrame]]] = {
        name: {way: [] for way in ("recipe", *ways)} for name in asked
    }
    shares = {name: np.mean([e.label == POSITIVE for e in found]) for name, found in asked.items()}
    for seed in range(options.seeds):
        train = some(pool, options.rows, seed)
        known = {drug for example in train for drug in drugs(example)}
        given = {"train": train, "tune": tune, "test": every}
        found = {
            "recipe": by_recipe(
                "ddi", settings, given, seed=seed, work=options.work, threads=options.threads
            ).answers
        }
        found |= {way: make(train, every) for way, make in ways.items()}
        for way, answers in found.items():
            by_id = {answer.example_id: answer for answer in answers}
            for name, rows in asked.items():
                frames[name][way].append(frame(rows, [by_id[e.example_id] for e in rows]))
        print(f"seed {seed}: {len(train):,} pairs of {len(known)} drugs", flush=True)
    metrics = [DDI.metrics[name] for name in METRICS]
    for name, sides in frames.items():
        print(f"\n{name}: {len(asked[name])} pairs, {shares[name]:.0%} interact\n")
        print(*table(sides, metrics, [("recipe", way) for way in ways]), sep="\n")
    print(f"\nseed 0; precision at a prevalence of {PREVALENCE:.0%}\n")
    print(f"| answered by | set | pairs | {' | '.join(METRICS)} |\n|---|---|---:|" + "---:|" * len(METRICS))
    for way in ("recipe", *ways):
        first = {name: sides[way][0] for name, sides in frames.items()}
        for line in summary(first, {name: DDI.metrics[name] for name in METRICS}, POSITIVE):
            cells = ["" if line[name] is None else f"{line[name]:.3f}" for name in METRICS]
            print(f"| {way} | {line['set']} | {line['pairs']} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
