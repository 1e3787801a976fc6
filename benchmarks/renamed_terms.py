"""Which Preferred Terms of old codes are absent from later ones, and how often suggestions name the successor.

    python benchmarks/renamed_terms.py VAERS_FOLDER [--labels TAC_JSON] [--cut 8.1] [--least 100] [--all]

VAERS_FOLDER holds yearly VAERS zips, which state for every code the MedDRA version it was made in. Part one
counts the terms coded at least LEAST times up to CUT that no later code names, and lists those whose absence
is more than chance (with --all, every one): `expected` is how many later codes a term had at its old rate.

Part two takes the pairs of docs/data/renamed-terms.csv and ranks, for each old name, all other names: by
likeness of letters (what `pv` suggests), by the embedding of the built-in base, and by both together.
TAC_JSON, the TAC 2017 drug-label corpus, adds the Preferred Terms of its labels to the names to choose from.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
PAIRS = ROOT / "docs" / "data" / "renamed-terms.csv"
SYMPTOMS = tuple((f"SYMPTOM{i}", f"SYMPTOMVERSION{i}") for i in range(1, 6))
UNLIKELY = 0.001
"""A term is put down to more than chance if a Poisson count of its expected later codes is 0 this rarely."""
RRF = 60
"""Of reciprocal rank fusion (Cormack, Clarke and Buettcher 2009)."""
TOP = (1, 5)
Ranks = dict[str, list[int]]
"""Way of ranking -> rank of the successor of each pair, from 1."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An old name and the names that took its place, any of which is right."""

    old: str
    successors: tuple[str, ...]
    kind: str
    verified_by: str


def read_pairs(file: Path) -> list[Pair]:
    """The pairs that were verified by hand."""
    with file.open(encoding="utf-8", newline="") as opened:
        return [
            Pair(row["old_name"], tuple(row["successor"].split("|")), row["kind"], row["verified_by"])
            for row in csv.DictReader(opened)
        ]


def count_codes(folder: Path) -> Counter[tuple[str, float]]:
    """How often each (name, MedDRA version) is coded in all yearly zips of a folder."""
    found: Counter[tuple[str, float]] = Counter()
    for archive in sorted(folder.glob("*.zip")):
        with zipfile.ZipFile(archive) as opened:
            (name,) = (n for n in opened.namelist() if n.upper().endswith("VAERSSYMPTOMS.CSV"))
            table = pd.read_csv(
                io.BytesIO(opened.read(name)), encoding="latin-1", dtype="str", keep_default_na=False
            )
        for term, version in SYMPTOMS:
            coded = table[table[term].str.strip() != ""]
            found.update(zip(coded[term].str.strip(), coded[version].astype(float), strict=True))
    return found


def absent(codes: Counter[tuple[str, float]], cut: float, least: int) -> pd.DataFrame:
    """Terms coded `least` times up to `cut` and not later: term, coded, expected, chance of none."""
    before, after = Counter[str](), Counter[str]()
    for (term, version), number in codes.items():
        (before if version <= cut else after)[term] += number
    often = [(term, number) for term, number in before.most_common() if number >= least]
    gone = [(term, number) for term, number in often if term not in after]
    print(
        f"codes up to {cut}: {before.total()}, of {len(before)} terms; later: {after.total()}, of {len(after)}"
    )
    print(f"terms coded {least} times or more: {len(often)}; absent from later codes: {len(gone)}")
    share = after.total() / before.total()
    rows = [(term, number, number * share, math.exp(-number * share)) for term, number in gone]
    return pd.DataFrame(rows, columns=["term", "coded", "expected", "chance"])


def show_absent(table: pd.DataFrame, pairs: Sequence[Pair], labels: set[str], *, every: bool) -> None:
    """What absence may mean: how much of it is more than chance, a known change, or disuse."""
    told = table[table["chance"] < UNLIKELY]
    listed = table["term"].isin({pair.old for pair in pairs}).sum()
    print(f"of these more than chance (p < {UNLIKELY}): {len(told)}; in the list of pairs: {listed}")
    if labels:
        still = table["term"].isin(labels).sum()
        print(f"of these a Preferred Term of the labels still, so disused and not renamed: {still}")
    for row in (table if every else told).itertuples():
        print(f"  {row.term:45} coded {row.coded:6}  expected later {row.expected:5.1f}")


def label_terms(file: Path) -> set[str]:
    """The Preferred Term names of the TAC 2017 corpus: second field of each adverse event."""
    sections = json.loads(file.read_text("utf-8"))
    return {event[1] for section in sections for event in section["adverse_events"] if event[1]}


def candidates(codes: Counter[tuple[str, float]], pairs: Sequence[Pair], labels: set[str]) -> list[str]:
    """Every name that is coded, early or late, or stands in the labels, and the successors; no old name."""
    names = {term for term, _ in codes} | labels | {name for pair in pairs for name in pair.successors}
    return sorted(names - {pair.old for pair in pairs})


def lexical(names: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    """Cosines of `pvcore.meddra.likeness.Likeness`, shape (texts, names)."""
    from pvcore.meddra.likeness import Likeness

    codes = [f"{number:08d}" for number in range(len(names))]  # in order, so that equal scores stay in it
    likeness = Likeness(pd.DataFrame({"llt_code": codes, "llt_name": list(names)}))
    return np.stack(list(likeness.cosines(texts)))


def embedded(names: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    """Cosines of the embeddings of the built-in base, as it is, shape (texts, names)."""
    import yaml

    from pvcore.inference import model
    from pvcore.inference.base import resolve_base
    from pvcore.inference.heads.embedding import embeddings
    from pvcore.inference.text import encode

    recipe = yaml.safe_load((ROOT / "pvcore" / "recipes" / "coding.yaml").read_text("utf-8"))
    folder = resolve_base(recipe["base"]["source"], recipe["base"]["digest"])
    tokenizer = model.load_tokenizer(folder)
    network = model.load_base(folder, head="embedding", labels=(), bits=16, compute="float32")

    def vectors(of: Sequence[str]) -> np.ndarray:
        room = recipe["text"]["max_tokens"]
        return embeddings(network, tokenizer, [encode(tokenizer, text, room) for text in of])

    return np.round(vectors(texts) @ vectors(names).T, 6)


def places(scores: np.ndarray) -> np.ndarray:
    """The place of every name for every text, best 0, equal scores in order; shape (texts, names)."""
    return np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1, kind="stable")


def fused(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Reciprocal rank fusion of two placings."""
    return places(1 / (RRF + 1 + first) + 1 / (RRF + 1 + second))


def alternating(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One of the first, one of the second, and so on; a name that both have stands at its better place."""
    return places(-np.minimum(2 * first, 2 * second + 1).astype(float))


def ranks(pairs: Sequence[Pair], names: Sequence[str]) -> Ranks:
    """The rank of each pair's best successor, by every way of ranking."""
    texts, row = [pair.old for pair in pairs], {name: number for number, name in enumerate(names)}
    by_letters, by_meaning = places(lexical(names, texts)), places(embedded(names, texts))
    ways = {
        "letters (what pv suggests)": by_letters,
        "embedding": by_meaning,
        "letters and embedding in turn": alternating(by_letters, by_meaning),
        "embedding and letters in turn": alternating(by_meaning, by_letters),
        "reciprocal rank fusion": fused(by_letters, by_meaning),
    }
    return {
        way: [
            int(min(found[number, row[name]] for name in pair.successors)) + 1
            for number, pair in enumerate(pairs)
        ]
        for way, found in ways.items()
    }


def report(pairs: Sequence[Pair], found: Ranks) -> None:
    """The share of pairs whose successor is among the first 1 and 5, for all pairs and for groups of them."""
    groups = {
        "all": [True for _ in pairs],
        **{kind: [pair.kind == kind for pair in pairs] for kind in ("renamed", "demoted under", "spelling")},
        "verified in data": [pair.verified_by != "knowledge" for pair in pairs],
    }
    heads = [f"{name} ({sum(chosen)}): top 1, top 5" for name, chosen in groups.items()]
    print("\n| ranked by | " + " | ".join(heads) + " |\n|---|" + "---:|" * len(heads))
    for way, ranked in found.items():
        cells = [
            ", ".join(
                str(sum(rank <= top for rank, one in zip(ranked, chosen, strict=True) if one)) for top in TOP
            )
            for chosen in groups.values()
        ]
        print(f"| {way} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--cut", type=float, default=8.1)
    parser.add_argument("--least", type=int, default=100)
    parser.add_argument(
        "--all", action="store_true", help="list every absent term and the ranks of every pair"
    )
    asked = parser.parse_args()
    pairs, codes = read_pairs(PAIRS), count_codes(asked.folder)
    if not codes:
        parser.error(f"{asked.folder} has no yearly VAERS zip")
    labels = label_terms(asked.labels) if asked.labels else set()
    show_absent(absent(codes, asked.cut, asked.least), pairs, labels, every=asked.all)
    names = candidates(codes, pairs, labels)
    found = ranks(pairs, names)
    print(f"\n{len(pairs)} pairs, {len(names)} names to choose from")
    for number, pair in enumerate(pairs if asked.all else ()):
        told = " ".join(f"{ranked[number]:5}" for ranked in found.values())
        print(f"  {pair.old:50} {' | '.join(pair.successors):40} {told}")
    report(pairs, found)


if __name__ == "__main__":
    main()
