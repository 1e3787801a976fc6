"""Coding of real reports: narratives to sets of PTs (VAERS), mentions to a PT (TAC 2017 drug labels).

    python benchmarks/quality_coding.py vaers FOLDER [--rows 6000] [--epochs 3]
    python benchmarks/quality_coding.py tac FILE [--rows 6000] [--epochs 4] [--folds 5]

vaers: the 500 most frequent PTs of the training years. Train on reports received up to 2001, tune on 2002, test on
2003: never at random, because near-identical reports arrive together. ROWS of training, a sample by digest, and a
quarter as many of tune and test. The yardstick is TF-IDF of words and word pairs and one logistic regression a PT,
with one threshold for all PTs chosen on tune, as ours is.

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

import numpy as np
import pandas as pd
from coding_parts import recipe, reordered, share, trained, untrained

from pvcore.evaluation.baseline import nearest_terms
from pvcore.evaluation.sets import macro_f1, micro_f1, precision_at_5
from pvcore.records import Example, digest

PTS = 500


def table_of(names: Sequence[str]) -> pd.DataFrame:
    """PT names as a table of terms, with codes of their own."""
    codes = [f"{90_000_001 + number}" for number in range(len(names))]
    return pd.DataFrame({"llt_code": codes, "llt_name": list(names), "pt_code": codes})


def vaers(folder: Path, rows: int, epochs: int, threads: int) -> None:
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
    made = {
        split: [
            Example(
                c.case_id, c.case_id, c.narrative,
                " ".join(sorted({code_of[r.pt_name] for r in c.reactions if r.pt_name in code_of})), c.case_id,
            )
            for c in found[: rows if split == "train" else rows // 4]
        ]
        for split, found in of.items()
    }  # fmt: skip
    print({split: f"{len(made[split])} of {len(of[split])}" for split in made}, "reports;", len(names), "PTs")
    print(
        "\n| way | micro F1 | macro F1 | precision at 5 | processor seconds |\n|---|---:|---:|---:|---:|",
        flush=True,
    )
    test = made["test"]
    started = time.process_time()
    scores = one_a_pt(made, terms)
    show_sets(test, *scores, "TF-IDF, one logistic regression a PT", started)
    settings = recipe(
        text__max_tokens=160, training__batch=16, training__epochs=epochs, training__learning_rate=5e-4
    )
    with tempfile.TemporaryDirectory() as name:
        started = time.process_time()
        model = trained(
            "pts",
            {"train": made["train"], "tune": made["tune"]},
            terms,
            settings,
            Path(name, "a"),
            threads=threads,
        )
        found = model.predict(test, terms=terms, threads=threads)
        answers = [answer.answer for answer in found]
        ranked = [tuple(code for code, _ in answer.ranked) for answer in found]
        show_sets(test, answers, ranked, "pts", started)


def one_a_pt(made: dict[str, list[Example]], terms: pd.DataFrame) -> tuple[list[str], list[tuple[str, ...]]]:
    """The answers and rankings of a logistic regression a PT."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    from pvcore.inference.heads.mentions import best_cut

    codes = list(terms["llt_code"])
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    texts = {split: [row.text for row in rows] for split, rows in made.items()}
    train = words.fit_transform(texts["train"])
    held = {split: words.transform(texts[split]) for split in ("tune", "test")}
    right = {
        split: np.array([[code in row.label.split() for code in codes] for row in rows])
        for split, rows in made.items()
    }
    scores = {split: np.zeros((len(made[split]), len(codes))) for split in held}
    for number in range(len(codes)):
        truth = right["train"][:, number]
        if truth.any():
            model = LogisticRegression(C=10.0, solver="liblinear").fit(train, truth)
            for split, features in held.items():
                scores[split][:, number] = model.predict_proba(features)[:, 1]
    cut = best_cut(scores["tune"].ravel(), right["tune"].ravel())
    answers = [" ".join(codes[i] for i in np.flatnonzero(row >= cut)) for row in scores["test"]]
    ranked = [tuple(codes[i] for i in np.argsort(-row, kind="stable")[:5]) for row in scores["test"]]
    return answers, ranked


def show_sets(
    test: Sequence[Example], answers: Sequence[str], ranked: Sequence[Sequence[str]], way: str, started: float
) -> None:
    frame = pd.DataFrame({"label": [row.label for row in test], "answer": answers, "ranked": list(ranked)})
    values = " | ".join(f"{metric(frame):.3f}" for metric in (micro_f1(), macro_f1(), precision_at_5()))
    print(f"| {way} | {values} | {time.process_time() - started:.0f} |", flush=True)


def tac(file: Path, rows_a_fold: int, epochs: int, threads: int, asked: int, folds: int = 5) -> None:
    sections = json.loads(file.read_text("utf-8"))
    found = {
        (section["label_id"], event[0].lower(), event[1])
        for section in sections
        for event in section["adverse_events"]
        if event[0] and event[1]
    }
    terms = table_of(sorted({name for _, _, name in found}))
    code_of = dict(zip(terms["llt_name"], terms["llt_code"], strict=True))
    drugs = sorted({drug for drug, _, _ in found}, key=digest)
    fold_of = {drug: number % folds for number, drug in enumerate(drugs)}
    rows = [
        (fold_of[drug], Example(f"{drug} {text} {name}", drug, text, code_of[name], drug))
        for drug, text, name in sorted(found)
    ]
    print(f"{len(rows)} mentions (once a label), {len(drugs)} drug labels, {len(terms)} PTs", flush=True)
    ways: dict[str, list[tuple[Example, list[str], bool]]] = {
        "letters": [],
        "base as it is": [],
        "coding": [],
        "coding, reordered": [],
    }
    pairs = list(zip(terms["llt_code"], terms["llt_name"], strict=True))
    settings = recipe(training__epochs=epochs, training__dictionary_pairs=0)
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
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    if asked.what == "vaers":
        vaers(asked.path, asked.rows, asked.epochs, asked.threads)
    else:
        tac(asked.path, asked.rows, asked.epochs, asked.threads, asked.folds)


if __name__ == "__main__":
    main()
