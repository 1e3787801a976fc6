"""The words of invented narratives, from `wording.yaml`, which says what each list is for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import SimpleNamespace
from typing import Any, NamedTuple

import yaml


class Fact(NamedTuple):
    """happened: past tense; denied: its denial; open: infinitive after "would" or "may"."""

    happened: str
    denied: str
    open: str


@cache
def words() -> SimpleNamespace:
    """Every list of the file as a tuple; `facts` by criterion, `weights` as pairs, `drugs` made of their parts."""
    text = (resources.files("pvcore.annotations") / "wording.yaml").read_text("utf-8")
    raw: Mapping[str, Any] = yaml.safe_load(text)
    made: dict[str, Any] = {name: tuple(value) for name, value in raw.items() if isinstance(value, list)}
    made["facts"] = {name: tuple(Fact(**fact) for fact in facts) for name, facts in raw["facts"].items()}
    made["weights"] = tuple(raw["weights"].items())
    made["colloquial"] = {word: tuple(said) for word, said in raw["colloquial"].items()}
    made["drugs"] = tuple(stem + end for stem in raw["drug_stems"] for end in raw["drug_ends"])
    return SimpleNamespace(**made)
