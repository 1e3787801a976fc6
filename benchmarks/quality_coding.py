"""Coding of real reports: narratives to sets of PTs (VAERS), mentions to a PT (TAC 2017 drug labels).

    python benchmarks/quality_coding.py vaers FOLDER [--rows 2000] [--epochs 2] [--words 20000] [--seeds 5]
    python benchmarks/quality_coding.py tac FILE [--rows N] [--epochs 2] [--folds 5]

vaers: the 500 most frequent PTs of the training years. Train on reports received up to 2001, tune on 2002, test on
2003: never at random, because near-identical reports arrive together. ROWS of training, another draw for each seed, 500
of tune, and half of ROWS of test. The recipe of pts, computed in bfloat16 and reading 160 tokens. The yardstick is that
of the gate: TF-IDF of words and word pairs and one logistic regression a PT, with one threshold for all PTs chosen on
tune, as ours is; it is fitted to WORDS rows, too (one draw), for it learns in seconds.

tac: five folds by drug label, of which FOLDS are held out in turn; at most ROWS of training, by digest. The candidates
are all PTs of the corpus, by name. A PT is seen if a training row has it. The yardstick is the nearest term by letters,
with the mentions of the training rows as further names; ours has them (training.wordings), or the terms' names alone.

What was answered is kept below --work. Intervals are 95%, by report or drug label; differences are paired.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from coding_parts import recipe
from quality_parts import FOLDS, SEEDS, Answered, by_recipe, fold, kept, rows_digest, table, timed
from quality_seriousness import some

from pvcore.evaluation.baseline import nearest_terms, tfidf_sets
from pvcore.evaluation.compare import frame
from pvcore.evaluation.metrics import Floats, Metric, ratio
from pvcore.evaluation.sets import macro_f1, micro_f1, precision_at_5
from pvcore.records import Case, Example, digest

PTS, TUNE = 500, 500
WAYS = {
    "letters": (False, False),
    "the base, terms alone": (False, True),
    "the base, with wordings": (False, False),
    "coding, terms alone": (True, True),
    "coding, with wordings": (True, False),
}
"""Of tac: whether the base is trained, and asked with the names of the terms alone."""


def table_of(names: Sequence[str]) -> pd.DataFrame:
    """PT names as a table of terms, with codes of their own."""
    codes = [f"{90_000_001 + number}" for number in range(len(names))]
    return pd.DataFrame({"llt_code": codes, "llt_name": list(names), "pt_code": codes})


def vaers(options: argparse.Namespace) -> None:
    rows, seeds = options.rows or 2000, range(options.seeds)
    pools, terms = reports(options.path, rows // 2)
    least, most = f"TF-IDF, {rows:,} rows", f"TF-IDF, {options.words:,} rows"
    ours, held = f"pts, {rows:,} rows", {split: pools[split] for split in ("tune", "test")}
    settings = recipe(
        "pts", text__max_tokens=160, training__epochs=options.epochs or 2, quantisation__compute="bfloat16"
    )
    made: dict[str, list[pd.DataFrame]] = {least: [], most: [], ours: []}
    seconds: dict[str, list[float]] = {name: [] for name in made}

    def add(way: str, found: Answered) -> None:
        made[way].append(frame(held["test"], found.answers))
        seconds[way].append(found.seconds)

    def words(train: list[Example]) -> Answered:
        make = timed(lambda: tfidf_sets(train, held["tune"], held["test"]))
        return kept(
            options.work, ["tfidf", rows_digest(train), rows_digest(held["test"])], held["test"], make
        )

    for seed in seeds:
        train = some(pools["train"], max(rows, options.words), seed)
        add(least, words(train[:rows]))
        if seed == 0:
            add(most, words(train[: options.words]))
        given = {"train": train[:rows], **held}
        found = by_recipe(
            "pts", settings, given, seed=seed, work=options.work, threads=options.threads, terms=terms
        )
        add(ours, found)
        print(f"seed {seed}: micro F1 {micro_f1()(made[ours][-1]):.3f}", flush=True)
    print()
    print(*table(made, [micro_f1(), macro_f1(), precision_at_5()], [(ours, least), (ours, most)]), sep="\n")
    print("\nprocessor seconds:", "; ".join(f"{way} {np.mean(s):.0f}" for way, s in seconds.items()))
    first = some(pools["train"], max(rows, options.words), 0)[:rows]
    by_frequency(first, list(terms["llt_code"]), {way: made[way][0] for way in (least, ours)})


def reports(folder: Path, test: int) -> tuple[dict[str, list[Example]], pd.DataFrame]:
    """All examples of train, samples of tune and test, and the PTs that they may have; printed: of how many."""
    from pvcore.annotations import batch as batches

    cases = [case for file in sorted(folder.glob("*.zip")) for case in batches.read(file).cases]
    cases.sort(key=lambda case: digest(case.case_id))
    years = {"train": range(1990, 2002), "tune": range(2002, 2003), "test": range(2003, 2004)}
    of = {
        split: [c for c in cases if c.reactions and c.received and int(c.received[:4]) in inside]
        for split, inside in years.items()
    }
    counts = Counter(name for case in of["train"] for name in {r.pt_name for r in case.reactions})
    names = [name for name, _ in sorted(counts.items(), key=lambda p: (-p[1], p[0]))[:PTS]]
    terms = table_of(names)
    code_of = dict(zip(terms["llt_name"], terms["llt_code"], strict=True))
    size = {"train": None, "tune": TUNE, "test": test}

    def example(case: Case) -> Example:
        codes = sorted({code_of[r.pt_name] for r in case.reactions if r.pt_name in code_of})
        return Example(case.case_id, case.case_id, case.narrative, " ".join(codes), case.case_id)

    made = {split: [example(case) for case in found[: size[split]]] for split, found in of.items()}
    held = sum(len(row.label.split()) for row in made["test"]) / len(made["test"])
    share = sum(r.pt_name in code_of for c in of["test"] for r in c.reactions) / sum(
        len(c.reactions) for c in of["test"]
    )
    parts = ", ".join(f"{split} {len(made[split]):,} of {len(of[split]):,}" for split in made)
    print(f"{parts}; {len(names)} PTs, {share:.0%} of the codings of 2003; {held:.1f} a test report")
    return made, terms


def by_frequency(train: Sequence[Example], codes: Sequence[str], ways: dict[str, pd.DataFrame]) -> None:
    """Micro F1 over the PTs that so many training rows have."""
    counts = Counter(code for row in train for code in row.label.split())
    print(f"\n| training rows of a PT | PTs | {' | '.join(ways)} |\n|---|---:|" + "---:|" * len(ways))
    for low, high in ((0, 0), (1, 4), (5, 19), (20, 99), (100, len(train))):
        some = {code for code in codes if low <= counts[code] <= high}
        values = []
        for rows in ways.values():
            kept = {
                column: [" ".join(c for c in text.split() if c in some) for text in rows[column]]
                for column in ("label", "answer")
            }
            values.append(f"{micro_f1()(pd.DataFrame(kept)):.3f}")
        print(f"| {low} to {high:,} | {len(some)} | {' | '.join(values)} |")


def mentions(file: Path) -> tuple[list[Example], pd.DataFrame]:
    """The mentions of TAC 2017, each wording once a drug label (its cluster) and PT, and all their PTs as terms."""
    found = {
        (section["label_id"], event[0].lower(), event[1])
        for section in json.loads(file.read_text("utf-8"))
        for event in section["adverse_events"]
        if event[0] and event[1]
    }
    terms = table_of(sorted({name for _, _, name in found}))
    code_of = dict(zip(terms["llt_name"], terms["llt_code"], strict=True))
    rows = [
        Example(f"{drug} {text} {name}", drug, text, code_of[name], drug)
        for drug, text, name in sorted(found)
    ]
    return rows, terms


def tac(options: argparse.Namespace) -> None:
    mentioned, terms = mentions(options.path)
    drugs = {row.cluster for row in mentioned}
    print(f"{len(mentioned)} mentions (once a label), {len(drugs)} drug labels, {len(terms)} PTs", flush=True)
    pairs = list(zip(terms["llt_code"], terms["llt_name"], strict=True))
    coding = recipe(
        "coding",
        training__dictionary_pairs=0,
        quantisation__compute="bfloat16",
        training__epochs=options.epochs or 2,
    )
    nothing = coding | {"training": coding["training"] | {"epochs": 1, "learning_rate": 1e-12}}
    found: dict[str, list[pd.DataFrame]] = {way: [] for way in WAYS}
    for number in range(options.folds):
        rest, test = fold(mentioned, number)
        train = sorted(rest, key=lambda row: digest(row.example_id))[: options.rows or len(rest)]
        seen = {row.label for row in train}
        answered = {"letters": nearest_terms(pairs, train, test)}
        for way, (trains, alone) in WAYS.items():
            if way != "letters":
                given = {"train": train if trains else train[:1], "known": train, "test": test}
                answered[way] = by_recipe(
                    "coding", coding if trains else nothing, given, seed=17, work=options.work,
                    threads=options.threads, terms=terms, alone=alone,
                ).answers  # fmt: skip
        for way, answers in answered.items():
            one = frame(test, answers)
            found[way].append(one.assign(seen=one["label"].isin(seen)))
        print(f"fold {number}: {len(train)} rows of training", flush=True)
    made = {way: [pd.concat(frames, ignore_index=True)] for way, frames in found.items()}
    count = made["letters"][0]["seen"].value_counts()
    print(f"\nseen PTs: {count[True]:,} mentions, unseen: {count[False]:,}")
    ours = "coding, with wordings"
    against = [(ours, other) for other in ("letters", "coding, terms alone")]
    asked = [at(top, seen) for seen in (None, True, False) for top in (1, 5)]
    print(*table(made, asked, against), sep="\n")


def at(top: int, seen: bool | None) -> Metric:
    """Accuracy among the first `top`, of the rows whose PT training has seen, has not, or all."""

    def parts(rows: pd.DataFrame) -> tuple[Floats, Floats]:
        counted = np.ones(len(rows), bool) if seen is None else (rows["seen"] == seen).to_numpy()
        pairs = zip(rows["label"], rows["ranked"], strict=True)
        right = np.array([label in ranked[:top] for label, ranked in pairs])
        return (right & counted).astype(float), counted.astype(float)

    of = {None: "all", True: "seen", False: "unseen"}[seen]
    return Metric(f"{of} at {top}", ratio(parts), parts=parts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("vaers", "tac"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int, help="2000 of vaers, all of tac")
    parser.add_argument("--epochs", type=int, help="default 2")
    parser.add_argument("--words", type=int, default=20_000, help="rows of a second TF-IDF (vaers)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="draws of the training rows (vaers)")
    parser.add_argument("--folds", type=int, default=FOLDS, help="tac")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path(".pv/quality-coding"))
    options = parser.parse_args()
    {"vaers": vaers, "tac": tac}[options.what](options)


if __name__ == "__main__":
    main()
