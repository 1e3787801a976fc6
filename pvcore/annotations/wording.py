"""The words of invented narratives, from `wording.yaml`, which says what each list is for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import SimpleNamespace
from typing import Any, NamedTuple

from pvcore import yaml_text


class Fact(NamedTuple):
    """What happened to a patient. happened: past tense; open: infinitive, as after "would" or "may".

    >>> fact("was given a bed | be given a bed").denied
    'was not given a bed'
    >>> fact("passed away {n} days later | pass away").denied
    'did not pass away'
    """

    happened: str
    open: str

    @property
    def denied(self) -> str:
        """Past tense of the denial."""
        return f"was not {self.open[3:]}" if self.open.startswith("be ") else f"did not {self.open}"


def fact(line: str) -> Fact:
    """A fact from its two forms. ValueError for a line without exactly one bar."""
    happened, infinitive = line.split(" | ")
    return Fact(happened, infinitive)


@cache
def words() -> SimpleNamespace:
    """Every list of the file as a tuple; `facts` by criterion, `weights` as pairs, `drugs` made of their parts."""
    text = (resources.files("pvcore.annotations") / "wording.yaml").read_text("utf-8")
    raw: Mapping[str, Any] = yaml_text.load(text)
    made: dict[str, Any] = {name: tuple(value) for name, value in raw.items() if isinstance(value, list)}
    made["facts"] = {name: tuple(map(fact, lines)) for name, lines in raw["facts"].items()}
    made["mild"] = tuple(map(fact, raw["mild"]))
    made["weights"] = tuple(raw["weights"].items())
    made["colloquial"] = {word: tuple(said) for word, said in raw["colloquial"].items()}
    made["drugs"] = tuple(stem + end for stem in raw["drug_stems"] for end in raw["drug_ends"])
    return SimpleNamespace(**made)
