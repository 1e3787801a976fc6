"""1,000 verbatims against all current terms of a dictionary of full size: ours beside rapidfuzz.

    python benchmarks/coding_speed.py [--verbatims 1000] [--size real] [--training 4000] [--scorers ratio WRatio]

Seconds are of processor time on one thread, so that they hold on a machine that does other work too.
The dictionary is generated at full size. The model is trained first on free wordings of its terms, by the
coding recipe; the verbatims that are asked are other free wordings. Each way gives the ten best terms. `coding`
includes the encoding of the verbatims. The vectors of the terms are made once a model and dictionary: that is a
row of its own. rapidfuzz gets lower-case texts and one thread, as ours does; ours stands beside every pair compared in
the way that was used before (einsum).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from coding_parts import SIZES, recipe, share, trained, wordings

from pvcore.inference import backend
from pvcore.inference.heads.embedding import embedded, embeddings
from pvcore.inference.nearest import nearest
from pvcore.inference.predict import Model
from pvcore.inference.text import encode
from pvcore.meddra.generate import generate
from pvcore.records import Example

T = TypeVar("T")
TOP = 10


def timed(work: Callable[[], T]) -> tuple[T, float]:
    start = time.process_time()
    return work(), time.process_time() - start


def vectors(model: Model, rows: Sequence[Example]) -> np.ndarray:
    asked = [encode(model.tokenizer, row.text, model.card.max_tokens) for row in rows]
    return embeddings(model.network, model.tokenizer, asked)


def noise(terms: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """Vectors that mean nothing, in the place of those that take minutes to make."""
    made = np.random.default_rng(0).normal(size=(len(terms), 384)).astype(np.float32)
    return sorted(terms["llt_code"]), made / np.linalg.norm(made, axis=1, keepdims=True)


def compared(queries: np.ndarray, terms: np.ndarray) -> list[list[int]]:
    """Every pair, 16 queries at a time, as before."""
    found = []
    for start in range(0, len(queries), 16):
        similarity = np.einsum("qd,nd->qn", queries[start : start + 16], terms)
        found += [np.argsort(-row, kind="stable")[:TOP].tolist() for row in similarity]
    return found


def fuzzy(names: Sequence[str], rows: Sequence[Example], scorer: str) -> list[list[int]]:
    from rapidfuzz import fuzz, process

    lower = [name.lower() for name in names]
    return [
        [place for _, _, place in process.extract(row.text.lower(), lower, scorer=getattr(fuzz, scorer), limit=TOP)]
        for row in rows
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--verbatims", type=int, default=1000)
    parser.add_argument("--size", choices=SIZES, default="real")
    parser.add_argument("--training", type=int, default=4000)
    parser.add_argument("--noise", action="store_true", help="random vectors of terms: seconds only, sooner")
    parser.add_argument("--scorers", nargs="*", default=["ratio", "token_sort_ratio", "WRatio"])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, backend.deterministic(threads=1):
        folder = Path(name)
        dictionary = generate(folder, version="29.0", seed=1, size=SIZES[asked.size]).dictionary
        terms = dictionary.current_llts()
        rows = wordings(terms, asked.training, seed=1)
        test = wordings(terms, asked.verbatims, seed=2, unlike=rows)
        some, settings = (
            (rows[:32], recipe("coding", training__dictionary_pairs=0))
            if asked.noise
            else (rows, recipe("coding"))
        )
        model, seconds = timed(
            lambda: trained("coding", {"train": some}, terms, settings, folder / "adapter", threads=1)
        )
        print(f"training on {len(some)} wordings: {seconds:.0f} s", file=sys.stderr)
        (codes, of_terms), seconds = timed(lambda: noise(terms) if asked.noise else embedded(model, terms))
        name_of = dict(zip(terms["llt_code"], terms["llt_name"], strict=True))
        names = [name_of[code] for code in codes]
        print(
            f"{len(terms):,} current terms, {len(test):,} verbatims; vectors of the terms, once: {seconds:.1f} s\n"
        )
        print(
            "| way | processor seconds | accuracy at 1 | accuracy at 10 |\n|---|---:|---:|---:|", flush=True
        )

        def show(way: str, found: Sequence[Sequence[int]], seconds: float) -> None:
            ranked = [[codes[place] for place in places] for places in found]
            at = " | ".join(f"{share(test, ranked, top):.3f}" for top in (1, TOP))
            print(f"| {way} | {seconds:.2f} | {at} |", flush=True)

        queries, encoding = timed(lambda: vectors(model, test))
        best, ranking = timed(lambda: list(nearest(queries, of_terms, TOP)))
        places = [[place for place, _ in found] for found in best]
        show(f"coding (encoding {encoding:.2f}, ranking {ranking:.2f})", places, encoding + ranking)
        before, seconds = timed(lambda: compared(queries, of_terms))
        show("every pair compared by einsum, encoding included", before, encoding + seconds)
        for scorer in asked.scorers:
            found, seconds = timed(lambda scorer=scorer: fuzzy(names, test, scorer))
            show(f"rapidfuzz extract, {scorer}", found, seconds)


if __name__ == "__main__":
    main()
