"""1,000 verbatims against all current terms of a dictionary of full size: ours beside rapidfuzz, time and accuracy.

    python benchmarks/coding_speed.py [--verbatims 1000] [--size real] [--training 2000] [--scorers ratio WRatio]

Seconds are of processor time on one thread, so that they hold on a machine that does other work too.
The dictionary is generated at full size. The model is trained first on free wordings of some of its terms, by the
coding recipe; the verbatims that are asked are free wordings of other terms, and beside it stands the base as it
is, which has seen none. Each way gives the ten best terms. Our seconds include the encoding of the verbatims. The
vectors of the terms are made once a model and dictionary, and said before the table. rapidfuzz gets lower-case texts
and one thread, as ours does; `letters` is the yardstick of the other benchmarks of coding, without training rows.
Reordered: its ten by the sum of cosine and letter triples in common (`support.alike`), which the platform does not do.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from coding_parts import SIZES, recipe, reordered, share, trained, untrained, wordings

from pvcore.evaluation.baseline import nearest_terms
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
    parser.add_argument("--training", type=int, default=2000)
    parser.add_argument("--scorers", nargs="*", default=["WRatio", "token_sort_ratio", "ratio"])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, backend.deterministic(threads=1):
        folder = Path(name)
        dictionary = generate(folder, version="29.0", seed=1, size=SIZES[asked.size]).dictionary
        terms = dictionary.current_llts()
        rows = wordings(terms, asked.training, seed=1)
        learned = {row.label for row in rows}
        other = wordings(terms, 2 * asked.verbatims, seed=2, unlike=rows)
        test = [row for row in other if row.label not in learned][: asked.verbatims]
        model, seconds = timed(
            lambda: trained("coding", {"train": rows}, terms, recipe("coding"), folder / "adapter", threads=1)
        )
        print(
            f"{len(dictionary.tables['llt']):,} LLTs, {len(terms):,} of them current; {len(test):,} verbatims of terms "
            f"that no training row has. Training on {len(rows):,} wordings: {seconds:.0f} s"
        )
        base = untrained("coding", rows[0], terms, folder / "base", threads=1)
        ours = {"the base as it is": base, "coding, trained": model}
        of_terms = {}
        for way, one in ours.items():
            (codes, of_terms[way]), seconds = timed(lambda one=one: embedded(one, terms))
            print(f"vectors of the terms, once, {way}: {seconds:.0f} s", flush=True)
        name_of = dict(zip(terms["llt_code"], terms["llt_name"], strict=True))
        print(
            "\n| way | processor seconds | accuracy at 1 | accuracy at 10 |\n|---|---:|---:|---:|", flush=True
        )

        def show(way: str, ranked: Sequence[Sequence[str]], seconds: float) -> None:
            at = " | ".join(f"{share(test, ranked, top):.3f}" for top in (1, TOP))
            print(f"| {way} | {seconds:.2f} | {at} |", flush=True)

        for way, one in ours.items():
            queries, encoding = timed(lambda one=one: vectors(one, test))
            best, ranking = timed(lambda q=queries, way=way: list(nearest(q, of_terms[way], TOP)))
            found = [[(codes[place], similarity) for place, similarity in places] for places in best]
            shown = f"{way} (encoding {encoding:.2f}, ranking {ranking:.2f})"
            show(shown, [[code for code, _ in pairs] for pairs in found], encoding + ranking)
            again, more = timed(lambda found=found: reordered(test, found, name_of))
            show(f"{way}, reordered", again, encoding + ranking + more)
        names = [name_of[code] for code in codes]
        for scorer in asked.scorers:
            found, seconds = timed(lambda scorer=scorer: fuzzy(names, test, scorer))
            show(f"rapidfuzz extract, {scorer}", [[codes[p] for p in places] for places in found], seconds)
        pairs = list(zip(terms["llt_code"], terms["llt_name"], strict=True))
        answers, seconds = timed(lambda: nearest_terms(pairs, [], test, first=TOP))
        show("letters", [[code for code, _ in answer.ranked] for answer in answers], seconds)


if __name__ == "__main__":
    main()
