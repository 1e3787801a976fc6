"""A causal model that writes terms: the loss stands on the tokens of the term's name."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pvcore.problems import Problem
from pvcore.records import Example
from pvcore.training.objectives.contrastive import verbatims
from pvcore.training.objectives.label_tokens import label_tokens
from pvcore.training.objectives.objective import Given, Objective

if TYPE_CHECKING:
    import pandas as pd


def terms(task: Problem, rows: Sequence[Example], given: Given) -> Objective:
    """Rows with the names of their terms as labels, and `dictionary_pairs` terms reported in their own words.

    A reporter's words that are a current LLT are coded to it (MedDRA Term Selection: Points to Consider),
    so a name is a right answer to itself.
    """
    named = [
        dataclasses.replace(row, label=name)
        for row, (_, name, _) in zip(rows, verbatims(task, rows, given.terms), strict=True)
    ]
    assert given.terms is not None  # `verbatims` has looked
    own = _own_words(given.terms)
    wanted = min(given.settings.training.dictionary_pairs, len(own))
    own = random.Random(given.seed).sample(own, wanted)
    names = tuple(sorted(set(given.terms["llt_name"])))
    return label_tokens(dataclasses.replace(task, labels=names), [*named, *own], given)


def _own_words(table: pd.DataFrame) -> list[Example]:
    return [
        Example(f"term {code}", f"term {code}", name, name, code)
        for code, name in zip(table["llt_code"], table["llt_name"], strict=True)
    ]
