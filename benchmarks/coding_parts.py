"""What the benchmarks of coding share: wordings of invented terms, models trained on them, and shares."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from pvcore.annotations.verbatims import say
from pvcore.inference.base import resolve_base
from pvcore.inference.predict import Model, load
from pvcore.inference.support import alike
from pvcore.meddra.generate import Size
from pvcore.problems.coding import normal
from pvcore.records import Example
from pvcore.training import qlora
from pvcore.training.settings import Sections
from pvcore.training.specification import Specification
from pvcore.training.train import train

ROOT = Path(__file__).resolve().parents[1]
SIZES = {
    "small": Size.small(),
    "middle": Size(socs=27, hlgts=200, hlts=700, pts=5000, llts=17_000, smqs=10, changes=Size.real().changes),
    "real": Size.real(),
}


def recipe(problem: str, **changes: Any) -> dict[str, Any]:
    """The sections of a problem's recipe; `training__epochs=4` changes one value."""
    raw = yaml.safe_load((ROOT / "pvcore" / "recipes" / f"{problem}.yaml").read_text("utf-8"))
    settings = {name: raw[name] for name in Sections.model_fields if name in raw}
    for name, value in changes.items():
        section, _, key = name.partition("__")
        settings[section] = {**settings[section], key: value}
    return Sections.model_validate(settings).model_dump(mode="json")


def wordings(terms: pd.DataFrame, number: int, seed: int, unlike: Sequence[Example] = ()) -> list[Example]:
    """`number` free wordings of terms drawn evenly: never a term's own words, nor a wording of `unlike`."""
    chance, table = random.Random(seed), list(zip(terms["llt_code"], terms["llt_name"], strict=True))
    used = {normal(name) for _, name in table} | {normal(row.text) for row in unlike}
    made: list[Example] = []
    while len(made) < number:
        code, name = chance.choice(table)
        text = say(name, chance)
        if normal(text) not in used:
            used.add(normal(text))
            made.append(
                Example(f"{seed}-{len(made)}", f"{seed}-{len(made)}", text, code, f"{seed}-{len(made)}")
            )
    return made


def trained(
    problem: str, rows: Mapping[str, Sequence[Example]], terms: pd.DataFrame, settings: Mapping[str, Any],
    folder: Path, *, parent: Path | None = None, threads: int | None = None, seed: int = 17,
) -> Model:  # fmt: skip
    """A model of an adapter in `folder`, trained from the base or on from `parent`."""
    base = resolve_base(settings["base"]["source"], settings["base"]["digest"])
    asked = Specification(
        problem=problem, family="encoder", settings=settings, dataset="0" * 64, seed=seed,
        parent="0" * 64 if parent else None, parent_files=qlora.adapter_files(parent) if parent else None,
    )  # fmt: skip
    train(
        asked, rows, base=base, workdir=folder.parent / "work", output=folder, parent=parent, terms=terms,
        threads=threads,
    )  # fmt: skip
    return load(folder, base)


def untrained(
    problem: str, row: Example, terms: pd.DataFrame, folder: Path, threads: int | None = None
) -> Model:
    """A model of an adapter that changes nothing: the base as it is."""
    nothing = recipe(problem, training__epochs=1, training__learning_rate=1e-12, training__dictionary_pairs=0)
    return trained(problem, {"train": [row]}, terms, nothing, folder, threads=threads)


def reordered(
    rows: Sequence[Example], ranked: Sequence[Sequence[tuple[str, float]]], name_of: Mapping[str, str]
) -> list[list[str]]:
    """The same terms by the sum of their similarity and of the letters in common with the row's text."""
    sums = [
        {code: similarity + alike(name_of[code], row.text) for code, similarity in pairs}
        for row, pairs in zip(rows, ranked, strict=True)
    ]
    return [sorted(one, key=lambda code: -one[code]) for one in sums]


def share(rows: Sequence[Example], ranked: Sequence[Sequence[str]], top: int) -> float:
    """The share of rows whose label is among the first `top`."""
    return sum(row.label in best[:top] for row, best in zip(rows, ranked, strict=True)) / max(1, len(rows))
