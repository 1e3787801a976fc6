"""The data side measured beside its alternatives, in the same run.

    python benchmarks/data_side.py release|diff|migrate            [--rounds 5]
    python benchmarks/data_side.py duplicates FOLDER_WITH_VAERS    [--rounds 1] [--sample 4000]

Each prints one table. The sides take turns; seconds are those of the processor (all threads), medians over
the rounds, because a shared machine's clock measures its neighbours; wall seconds stand beside them. The
ratio is the median of the rounds' ratios. `duplicates` needs datasketch (the extra `dev`). Ingestion of E2B has a
benchmark of its own, e2b_ingestion.py.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import itertools
import platform
import re
import statistics
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pvcore.meddra.generate import Size, Truth, generate
from pvcore.meddra.release import Dictionary, read

THRESHOLD = 0.8
"""Jaccard similarity of two narratives' word triples from which they are near duplicates."""
Seconds = list[tuple[float, float]]


def measured(sides: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Seconds]:
    """(processor, wall) seconds of every round of every side, the sides in turns."""
    taken: dict[str, Seconds] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            gc.collect()
            cpu, wall = time.process_time(), time.perf_counter()
            run()
            taken[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return taken


def table(title: str, taken: Mapping[str, Seconds], notes: Mapping[str, str] | None = None) -> None:
    """The first side is ours; every other one gets the ratio ours : it."""
    ours = next(iter(taken.values()))
    used = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "pandas", "pyarrow"))
    print(f"\n{title}\n{platform.python_implementation()} {platform.python_version()}, {used}\n")
    print("| side | processor s | wall s | ours : it | |\n|---|---:|---:|---:|---|")
    for name, seconds in taken.items():
        cpu, wall = (statistics.median(column) for column in zip(*seconds, strict=True))
        ratios = [mine[0] / its[0] for mine, its in zip(ours, seconds, strict=True)]
        ratio = "" if seconds is ours else f"{statistics.median(ratios):.2f}"
        print(f"| {name} | {cpu:.3f} | {wall:.3f} | {ratio} | {(notes or {}).get(name, '')} |", flush=True)


def releases(folder: Path) -> tuple[Truth, Truth]:
    """Two invented releases of full size, 29.0 and 29.1, as zip and unpacked in folders beside it."""
    old = generate(folder, version="29.0", seed=1, size=Size.real())
    new = generate(folder, version="29.1", seed=1, size=Size.real(), previous=old.dictionary)
    for truth in (old, new):
        with zipfile.ZipFile(truth.archive) as archive:
            archive.extractall(folder / truth.version, [n for n in archive.namelist() if "MedAscii" in n])
    return old, new


def release(folder: Path, options: argparse.Namespace) -> None:
    releases(folder)
    files = sorted((folder / "29.0" / "MedAscii").glob("*.asc"))

    def pandas_reads(**how: Any) -> None:
        for file in files:
            pd.read_csv(file, sep="$", header=None, **how)

    sides = {
        "read and verify (folder)": partial(read, folder / "29.0"),
        "pandas.read_csv, as text": partial(pandas_reads, dtype=str, keep_default_na=False),
        "pandas.read_csv, types guessed": pandas_reads,
        "read and verify (zip)": partial(read, folder / "MedDRA_29_0_English.zip"),
    }
    notes = {
        "pandas.read_csv, as text": "goal 1.5 or less: what a dictionary needs",
        "pandas.read_csv, types guessed": "codes as numbers, a term 'NA' lost",
    }
    table("A full-size release, read and verified", measured(sides, options.rounds), notes)


def diff(folder: Path, options: argparse.Namespace) -> None:
    from pvcore.meddra.diff import diff as compare

    releases(folder)
    old, new = read(folder / "29.0"), read(folder / "29.1")

    def named_and_exact() -> None:
        """All of a difference, of dictionaries that nothing was looked up in yet."""
        compare(replace(old), replace(new))

    sides = {"diff": named_and_exact, "read and verify one": partial(read, folder / "29.1")}
    notes = {"read and verify one": "goal less than 1"}
    table("Difference of two full-size releases", measured(sides, options.rounds), notes)


def migrate(folder: Path, options: argparse.Namespace) -> None:
    from pvcore.meddra.likeness import Likeness
    from pvcore.meddra.migrate import migrate as carry

    releases(folder)
    plain = read(folder / "29.0"), read(folder / "29.1")
    wordy = many_words(plain[0]), many_words(plain[1])
    rows = {id(pair): coded_rows(pair[0].current_llts(), options.rows) for pair in (plain, wordy)}

    def migrated(pair: tuple[Dictionary, Dictionary], policy: int) -> None:
        old, new = map(replace, pair)  # as just read: nothing that an earlier round looked up is kept
        carry(rows[id(pair)], old, new, policy=policy)

    merge = "pandas merge on the code"
    few, many = "invented names", "names of many words"
    given, terms = rows[id(plain)], plain[1].tables["llt"]
    taken = measured(
        {
            f"policy 2, {few}": partial(migrated, plain, 2),
            f"policy 3, {few}": partial(migrated, plain, 3),
            f"policy 3, {many}": partial(migrated, wordy, 3),
            merge: partial(given.merge, terms, on="llt_code", how="left"),
            f"weights of {few}": partial(Likeness, plain[1].current_llts()),
            f"weights of {many}": partial(Likeness, wordy[1].current_llts()),
        },
        options.rounds,
    )
    notes = {merge: "goal 3 or less"}
    for side, kind in ((f"policy 2, {few}", few), (f"policy 3, {few}", few), (f"policy 3, {many}", many)):
        weights = f"weights of {kind}"
        notes[weights] = "in the migration, if one row or more needs review"
        parts = {name: taken[name] for name in (side, merge, weights)}
        table(f"Migration of {options.rows:,} coded rows, {side}", parts, notes)
    for (_, new), kind in ((plain, few), (wordy, many)):
        listed = new.current_llts()["llt_name"].str.lower().str.split()
        print(f"\n{kind}: {len(listed):,} terms of {len(set(itertools.chain(*listed))):,} words")


def many_words(dictionary: Dictionary) -> Dictionary:
    """The same with 40 times as many different words in the names of its LLTs: invented names have few words
    beside a real dictionary, and what is done once for each word would look cheaper than it is.
    """
    llt = dictionary.tables["llt"]
    ends = ["".join(pair) for pair in itertools.product("bdfgklmn", "aeiou")]
    names = [
        " ".join(word + ends[zlib.crc32(name.encode()) % len(ends)] for word in name.split())
        for name in llt["llt_name"].tolist()
    ]
    tables = {**dictionary.tables, "llt": llt.assign(llt_name=pd.Series(names, index=llt.index, dtype="str"))}
    return replace(dictionary, tables=tables)


def coded_rows(current: pd.DataFrame, number: int) -> pd.DataFrame:
    """Rows as in a safety database: few terms are most rows (Zipf); the verbatim is the name, half in small
    letters.
    """
    rng = np.random.default_rng(1)
    at = rng.permutation(len(current))[(rng.zipf(1.3, number) - 1) % len(current)]
    names = current["llt_name"].array.take(at)
    small = rng.random(number) < 0.5
    return pd.DataFrame(
        {
            "row_id": pd.Series(np.arange(number)).astype("str"),
            "llt_code": current["llt_code"].array.take(at),
            "verbatim": pd.Series(names).where(~small, pd.Series(names).str.lower()),
        }
    )


def duplicates(folder: Path, options: argparse.Namespace) -> None:
    from pvcore.annotations import batch
    from pvcore.annotations.duplicates import clusters

    texts = [
        case.narrative for file in sorted(options.folder.glob("*.zip")) for case in batch.read(file).cases
    ]
    found: dict[str, Any] = {}
    sides = {
        "clusters": lambda: found.update(ours=clusters(texts, threshold=THRESHOLD).tolist()),
        "datasketch MinHashLSH": lambda: found.update(theirs=datasketch_likes(texts)),
    }
    taken = measured(sides, options.rounds)
    pairs = near_pairs(texts, options.sample)
    ours = statistics.mean(found["ours"][a] == found["ours"][b] for a, b in pairs)
    theirs = statistics.mean(b in found["theirs"][a] or a in found["theirs"][b] for a, b in pairs)
    notes = {
        "clusters": f"recall {ours:.4f} of {len(pairs)} pairs, every pair checked",
        "datasketch MinHashLSH": f"recall {theirs:.4f}, candidates only; goal 0.33 or less",
    }
    table(f"Near duplicates in {len(texts):,} VAERS narratives", taken, notes)


def triples(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    words += ["#"] * (3 - len(words))
    return set(zip(words, words[1:], words[2:], strict=False))


def datasketch_likes(texts: Sequence[str]) -> list[set[int]]:
    """For every text the texts that MinHashLSH proposes: as many permutations and bands as ours has."""
    import xxhash
    from datasketch import MinHash, MinHashLSH

    from pvcore.annotations.duplicates import BANDS, PERMUTATIONS

    listed = ([" ".join(t).encode() for t in triples(text)] for text in texts)
    sketches = MinHash.bulk(listed, num_perm=PERMUTATIONS, hashfunc=xxhash.xxh32_intdigest)
    lsh = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, PERMUTATIONS // BANDS))
    with lsh.insertion_session() as session:
        for number, sketch in enumerate(sketches):
            session.insert(number, sketch)
    return [set(lsh.query(sketch)) for sketch in sketches]


def near_pairs(texts: Sequence[str], sample: int) -> list[tuple[int, int]]:
    """All pairs of a sampled text with any text, not word for word the same, whose similarity is THRESHOLD."""
    from scipy.sparse import csr_array

    sets = [triples(text) for text in texts]
    column: dict[tuple[str, ...], int] = {}
    indices = [column.setdefault(t, len(column)) for s in sets for t in s]
    sizes = np.array([len(s) for s in sets])
    shape = (len(sets), len(column))
    matrix = csr_array(
        (np.ones(len(indices), np.int32), indices, np.concatenate([[0], sizes.cumsum()])), shape
    )
    turned = matrix.T.tocsr()
    chosen = np.sort(np.random.default_rng(1).permutation(len(texts))[:sample])
    pairs = set()
    for start in range(0, len(chosen), 200):
        part = chosen[start : start + 200]
        shared = (matrix[part] @ turned).tocoo()
        left, right = part[shared.row], shared.col
        near = shared.data >= THRESHOLD * (sizes[left] + sizes[right] - shared.data)
        pairs |= {
            (min(a, b), max(a, b)) for a, b in zip(left[near].tolist(), right[near].tolist(), strict=True)
        }
    return sorted(
        (a, b)
        for a, b in pairs
        if re.findall(r"\w+", texts[a].lower()) != re.findall(r"\w+", texts[b].lower())
    )


COMMANDS = {run.__name__: run for run in (release, diff, migrate, duplicates)}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=COMMANDS)
    parser.add_argument("folder", nargs="?", type=Path, help="duplicates: folder with the zips of VAERS")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000, help="migrate: coded rows")
    parser.add_argument(
        "--sample", type=int, default=4000, help="duplicates: texts whose pairs are all known"
    )
    options = parser.parse_args()
    if options.what == "duplicates" and not (options.folder and any(options.folder.glob("*.zip"))):
        parser.error("duplicates needs the folder with the yearly zips of VAERS")
    with tempfile.TemporaryDirectory(prefix="pv-data-") as folder:
        COMMANDS[options.what](Path(folder), options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
