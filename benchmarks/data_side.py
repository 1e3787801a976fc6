"""The data side measured beside its alternatives, in the same run.

    python benchmarks/data_side.py release|diff|migrate            [--rounds 5]
    python benchmarks/data_side.py e2b         [--cases 10000]     [--rounds 3]
    python benchmarks/data_side.py duplicates FOLDER_WITH_VAERS    [--rounds 1] [--sample 4000]

Each prints one table. The sides take turns; seconds are those of the processor (all threads), medians over
the rounds, because a shared machine's clock measures its neighbours; wall seconds stand beside them. The
ratio is the median of the rounds' ratios. `duplicates` needs datasketch (the extra `dev`).
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import multiprocessing
import platform
import re
import statistics
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from pvcore.meddra.generate import Size, Truth, generate
from pvcore.meddra.release import read

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
    sides = {"diff": partial(compare, old, new), "read and verify one": partial(read, folder / "29.1")}
    notes = {"read and verify one": "goal less than 1"}
    table("Difference of two full-size releases", measured(sides, options.rounds), notes)


def migrate(folder: Path, options: argparse.Namespace) -> None:
    from pvcore.meddra.matching import Likeness
    from pvcore.meddra.migrate import migrate as carry

    releases(folder)
    old, new = read(folder / "29.0"), read(folder / "29.1")
    rows = coded_rows(old.current_llts(), options.rows)
    frame = new.tables["llt"]
    taken = measured(
        {
            "migrate, policy 2": partial(carry, rows, old, new, policy=2),
            "migrate, policy 3": partial(carry, rows, old, new, policy=3),
            "pandas merge on the code": partial(rows.merge, frame, on="llt_code", how="left"),
            "likeness of names alone": partial(Likeness, new.current_llts()),
        },
        options.rounds,
    )
    notes = {
        "pandas merge on the code": "goal 3 or less",
        "likeness of names alone": "in both migrations, if one row or more needs review",
    }
    table(f"Migration of {len(rows):,} coded rows", taken, notes)


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


def e2b(folder: Path, options: argparse.Namespace) -> None:
    file, fewer = folder / "cases.xml", folder / "fewer.xml"
    write_e2b(fewer, options.cases // 10)
    write_e2b(file, options.cases)
    sides = {"ingest E2B(R3)": ingest, "lxml.iterparse, cleared": iterparse}
    taken = measured({name: partial(run, file) for name, run in sides.items()}, options.rounds)
    notes = {
        name: f"peak {peak(run, file):,.0f} MiB, {peak(run, fewer):,.0f} MiB at a tenth of the cases"
        for name, run in sides.items()
    }
    notes["lxml.iterparse, cleared"] += "; goal 1.67 or less (60% of its speed)"
    size = file.stat().st_size / 2**20
    table(f"{options.cases:,} cases in one E2B(R3) file of {size:,.0f} MiB", taken, notes)


def ingest(file: Path) -> None:
    from pvcore.annotations import e2b_r3

    e2b_r3.read(file.read_bytes(), file.name)


def iterparse(file: Path) -> None:
    from lxml import etree

    for _, node in etree.iterparse(file, tag="{urn:hl7-org:v3}PORR_IN049016UV", huge_tree=True):
        node.clear()
        while node.getprevious() is not None:
            del node.getparent()[0]


def write_e2b(file: Path, cases: int, chunk: int = 500) -> None:
    """A batch of generated cases: `chunk` of them again and again, each time under other ids."""
    from pvcore.annotations import e2b_r3
    from pvcore.annotations.generate import generate_cases

    truth = generate(file.parent, version="29.0", seed=1, size=Size.small())
    e2b_r3.write(*generate_cases(truth.dictionary, n=chunk, seed=1, prefix="PFX0000"), file, "29.0")
    text = file.read_bytes()
    begin, end = text.index(b"<PORR_IN049016UV"), text.rindex(b"</PORR_IN049016UV>") + 18
    with file.open("wb") as out:
        out.write(text[:begin])
        for number in range(max(cases // chunk, 1)):
            out.write(text[begin:end].replace(b"PFX0000", b"PFX%04d" % number))
        out.write(text[end:])


def peak(run: Callable[[Path], None], file: Path) -> float:
    """MiB that a fresh process needs at most, beyond what it has after its imports."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (run, file))


def _peak(run: Callable[[Path], None], file: Path) -> float:
    import pvcore.annotations.e2b_r3  # noqa: F401

    process, done = psutil.Process(), threading.Event()
    before = most = process.memory_info().rss

    def watch() -> None:
        nonlocal most
        while not done.wait(0.002):
            most = max(most, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    run(file)
    done.set()
    watcher.join()
    return (most - before) / 2**20


def duplicates(folder: Path, options: argparse.Namespace) -> None:
    from pvcore.annotations import vaers
    from pvcore.annotations.duplicates import clusters

    texts = [
        case.narrative
        for file in sorted(options.folder.glob("*.zip"))
        for case in vaers.read(file.read_bytes(), file.name).cases
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


COMMANDS = {run.__name__: run for run in (release, diff, migrate, e2b, duplicates)}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=COMMANDS)
    parser.add_argument("folder", nargs="?", type=Path, help="duplicates: folder with the zips of VAERS")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000, help="migrate: coded rows")
    parser.add_argument("--cases", type=int, default=10_000, help="e2b: cases; 100000 shows flat memory")
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
