"""Coding of real reports: narratives to sets of PTs (VAERS), mentions to a PT (TAC 2017 drug labels).

    python benchmarks/quality_coding.py vaers FOLDER [--rows 2000] [--epochs 2] [--words 20000]
    python benchmarks/quality_coding.py tac FILE [--rows 6000] [--epochs 3] [--folds 5]

vaers: the 500 most frequent PTs of the training years. Train on reports received up to 2001, tune on 2002, test on
2003: never at random, because near-identical reports arrive together. ROWS of training, a sample by digest, 500 of
tune, and half of ROWS of test. The recipe of pts, computed in bfloat16 and reading 160 tokens. The yardstick is that
of the gate: TF-IDF of words and word pairs and one logistic regression a PT, with one threshold for all PTs chosen on
tune, as ours is; it is fitted to WORDS rows, too, for it learns in seconds. Intervals are 95%, from 1,000 resamples
of reports; differences are paired.

tac: five folds by drug label, of which FOLDS are held out in turn; at most ROWS of training, by digest. The candidates
are all PTs of the corpus, by name. A PT is seen if a training row has it. The yardstick is the nearest term by letters,
with the mentions of the training rows as further names. Reordered as in coding_speed.py: the platform does not.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from coding_parts import recipe, reordered, share, trained, untrained

from pvcore.evaluation.baseline import nearest_terms, tfidf_sets
from pvcore.evaluation.compare import evaluate, frame
from pvcore.evaluation.policy import Policy
from pvcore.evaluation.report import Estimate
from pvcore.evaluation.sets import macro_f1, micro_f1, precision_at_5
from pvcore.records import Case, Example, digest

PTS, TUNE = 500, 500


def table_of(names: Sequence[str]) -> pd.DataFrame:
    """PT names as a table of terms, with codes of their own."""
    codes = [f"{90_000_001 + number}" for number in range(len(names))]
    return pd.DataFrame({"llt_code": codes, "llt_name": list(names), "pt_code": codes})


def vaers(folder: Path, rows: int, epochs: int, threads: int, more: int) -> None:
    made, terms = reports(folder, max(rows, more), rows // 2)
    words, seconds = {}, {}
    for size in (rows, more):
        started, way = time.process_time(), f"TF-IDF, {size:,} rows"
        answers = tfidf_sets(made["train"][:size], made["tune"], made["test"])
        words[way], seconds[way] = frame(made["test"], answers), time.process_time() - started
    made["train"] = made["train"][:rows]
    settings = recipe("pts", text__max_tokens=160, training__epochs=epochs, quantisation__compute="bfloat16")
    with tempfile.TemporaryDirectory() as name:
        started = time.process_time()
        held = {"train": made["train"], "tune": made["tune"]}
        model = trained("pts", held, terms, settings, Path(name, "a"), threads=threads)
        ours = frame(made["test"], model.predict(made["test"], terms=terms, threads=threads))
        seconds["pts"] = time.process_time() - started
    chosen, least = [micro_f1(), macro_f1(), precision_at_5()], f"TF-IDF, {rows:,} rows"
    report = evaluate("pts", chosen, ours, None, Policy(), seed=17, baselines=words)
    results = [report.overall.results[metric.name] for metric in chosen]
    print(
        f"\n| | {' | '.join(metric.name for metric in chosen)} | processor seconds |\n|---|---|---|---|---:|"
    )
    for way in words:
        shown(way, [r.against[way].reference for r in results], f"{seconds[way]:.0f}")
    shown(f"pts, {rows:,} rows", [r.candidate for r in results], f"{seconds['pts']:.0f}")
    for way in words:
        shown(f"pts less {way}", [r.against[way].difference for r in results], "", "+")
    by_frequency(made["train"], list(terms["llt_code"]), {least: words[least], "pts": ours})


def reports(folder: Path, rows: int, test: int) -> tuple[dict[str, list[Example]], pd.DataFrame]:
    """The examples of each split, and the PTs that they may have; printed: how many of how many."""
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
    size = {"train": rows, "tune": TUNE, "test": test}

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


def shown(way: str, values: Sequence[Estimate], seconds: str, sign: str = "") -> None:
    cells = [f"{v.value:{sign}.3f} [{v.low:{sign}.3f}, {v.high:{sign}.3f}]" for v in values]
    print(f"| {way} | {' | '.join(cells)} | {seconds} |")


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


def tac(file: Path, rows_a_fold: int, epochs: int, threads: int, asked: int, folds: int = 5) -> None:
    mentioned, terms = mentions(file)
    drugs = sorted({row.cluster for row in mentioned}, key=digest)
    fold_of = {drug: number % folds for number, drug in enumerate(drugs)}
    rows = [(fold_of[row.cluster], row) for row in mentioned]
    print(f"{len(rows)} mentions (once a label), {len(drugs)} drug labels, {len(terms)} PTs", flush=True)
    ways: dict[str, list[tuple[Example, list[str], bool]]] = {
        "letters": [],
        "base as it is": [],
        "coding": [],
        "coding, reordered": [],
    }
    pairs = list(zip(terms["llt_code"], terms["llt_name"], strict=True))
    settings = recipe("coding", training__epochs=epochs, training__dictionary_pairs=0)
    for fold in range(asked):
        train = [row for number, row in rows if number != fold]
        test = [row for number, row in rows if number == fold]
        train = sorted(train, key=lambda row: digest(row.example_id))[:rows_a_fold]
        seen = {row.label for row in train}
        with tempfile.TemporaryDirectory() as name:
            models = {
                "base as it is": untrained("coding", train[0], terms, Path(name, "base"), threads),
                "coding": trained(
                    "coding", {"train": train}, terms, settings, Path(name, "coding"), threads=threads
                ),
            }
            answered = {
                way: model.predict(test, terms=terms, threads=threads) for way, model in models.items()
            }
        answered["letters"] = nearest_terms(pairs, train, test)
        best_of = {way: [[c for c, _ in p.ranked] for p in found] for way, found in answered.items()}
        best_of["coding, reordered"] = reordered(test, [p.ranked for p in answered["coding"]], dict(pairs))
        for way, ranked in best_of.items():
            ways[way] += [(row, best, row.label in seen) for row, best in zip(test, ranked, strict=True)]
    print("\n| way | all: at 1, at 5 | seen PTs: at 1, at 5 | unseen PTs: at 1, at 5 |\n|---|---:|---:|---:|")
    for way, results in ways.items():
        cells = []
        for keep in ((True, False), (True,), (False,)):
            some = [(row, best) for row, best, known in results if known in keep]
            at = [share([r for r, _ in some], [b for _, b in some], top) for top in (1, 5)]
            cells.append(f"{at[0]:.3f}, {at[1]:.3f} ({len(some)})")
        print(f"| {way} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("vaers", "tac"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int, help="2000 of vaers, 6000 of tac")
    parser.add_argument("--epochs", type=int, help="2 of vaers, 3 of tac")
    parser.add_argument("--words", type=int, default=20_000, help="rows of a second TF-IDF (vaers)")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    if asked.what == "vaers":
        vaers(asked.path, asked.rows or 2000, asked.epochs or 2, asked.threads, asked.words)
    else:
        tac(asked.path, asked.rows or 6000, asked.epochs or 3, asked.threads, asked.folds)


if __name__ == "__main__":
    main()
