"""A dataset read back, for whoever learns from it or is judged by it: its examples, dictionary and terms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import pandas as pd

from pvcore.annotations import dataset as datasets
from pvcore.annotations import leakage
from pvcore.config import Workspace
from pvcore.cycle import dictionaries
from pvcore.cycle.releases import difference
from pvcore.errors import NotFound
from pvcore.meddra.diff import DictionaryDiff
from pvcore.meddra.release import Dictionary
from pvcore.problems import PROBLEMS
from pvcore.problems.extraction import AS_BEFORE, EXTRACTION, WHOLE_WORDS
from pvcore.problems.problem import by_table
from pvcore.records import Example, canonical
from pvcore.registry.ledger import Entry
from pvcore.training.specification import Specification

LABELLED_BY = {"pts": "coding"}
"""Problems whose labels follow from another one's annotations."""


def dataset_entry(workspace: Workspace, dataset: str) -> Entry:
    """The ledger's record of a dataset. Raises NotFound."""
    entry = workspace.ledger.find("DatasetBuilt", dataset)
    if entry is None:
        raise NotFound(f"no dataset {dataset} was built. `pv history` lists the datasets.")
    return entry


def dictionary_digest(workspace: Workspace, dataset: str) -> str | None:
    """The digest of the dictionary that a dataset's labels are in, or None."""
    version = dataset_entry(workspace, dataset).body["version"]
    return dictionaries.known_releases(workspace)[version] if version else None


@lru_cache(maxsize=4)
def _examples(
    workspace: Workspace, problem: str, dataset: str, table: bytes, marks: str
) -> dict[str, list[Example]]:
    before = problem == EXTRACTION.name and marks != WHOLE_WORDS
    posed = AS_BEFORE if before else by_table(PROBLEMS[problem], json.loads(table))
    loaded = datasets.load(workspace.store, dataset)
    dictionary = dictionaries.by_digest(workspace, dictionary_digest(workspace, dataset))
    return posed.examples(loaded.cases, loaded.labels, dictionary, new_terms=new_terms(workspace, dataset))


def examples(
    workspace: Workspace, problem: str, dataset: str, settings: Mapping[str, Any] | None = None
) -> dict[str, list[Example]]:
    """Split -> examples of a problem in a dataset.

    Labels that follow from a policy table follow from that of `settings` (a specification's), else from
    the recipe's as it is now; and what a specification of before made of a dataset stays as it was (`marks`).
    """
    if settings is None:
        recipe = workspace.recipes().get(problem)
        settings = recipe.trained_by() if recipe else {"marks": WHOLE_WORDS}
    table = canonical(list(settings.get("table", ())))
    return _examples(workspace, problem, dataset, table, settings.get("marks", ""))


def known_cases(workspace: Workspace, problem: str, dataset: str) -> set[str]:
    """Cases of a dataset of which nobody needs to be asked: somebody said something of them for the problem, their
    source did, or their sender took them back.
    """
    loaded = datasets.load(workspace.store, dataset)
    said = loaded.annotations
    known = set(said.loc[said["problem"] == LABELLED_BY.get(problem, problem), "case_id"])
    known |= {e.case_id for rows in examples(workspace, problem, dataset).values() for e in rows}
    return known | set(datasets.nullified(workspace.store, loaded.info))


def release_change(workspace: Workspace, dataset: str) -> DictionaryDiff | None:
    """What the dataset's MedDRA version changed, since the version before it; None where there was none."""
    version = dataset_entry(workspace, dataset).body["version"]
    adopted = workspace.ledger.find("DictionaryAdopted", version) if version else None
    before = adopted.body["from"] if adopted else None
    return difference(workspace, before, version) if before and before != version else None


def new_terms(workspace: Workspace, dataset: str) -> set[str]:
    """LLTs that the dataset's MedDRA version brought or renamed, since the version before it."""
    found = release_change(workspace, dataset)
    return found.new_terms() if found else set()


def terms(workspace: Workspace, asked: Specification) -> pd.DataFrame | None:
    """The terms that a model may answer with, by the dictionary that it was trained with; None if it names none."""
    return terms_of(asked.problem, dictionaries.by_digest(workspace, asked.dictionary))


def terms_of(problem: str, dictionary: Dictionary | None) -> pd.DataFrame | None:
    """The terms of a dictionary that a problem's answers may name; None without one, or if they name none."""
    chosen = PROBLEMS[problem].terms
    return chosen(dictionary) if chosen and dictionary else None


def refuse_leakage(workspace: Workspace, dataset: str, train: Sequence[Example]) -> None:
    """Raises LeakageError, naming the pairs, if a training case is nearly one that was ever held out.

    The last check before training. It does not believe the clusters and splits that are written in the
    dataset: the narratives are compared anew, with those of all datasets before it too.
    """
    loaded = datasets.load(workspace.store, dataset)
    narrative = dict(zip(loaded.cases["case_id"], loaded.cases["narrative"], strict=True))
    held_out = datasets.once_held_out(workspace.store, loaded)
    leakage.check_held_out(
        {e.case_id: narrative[e.case_id] for e in train}, [(name, text) for name, text, _ in held_out]
    )


def training_set(
    workspace: Workspace, problem: str, dataset: str
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, list[Example]], Dictionary | None]:
    """What a problem learns from in a dataset: cases, its labels, its examples by split, the dictionary."""
    loaded = datasets.load(workspace.store, dataset)
    dictionary = dictionaries.by_digest(workspace, dictionary_digest(workspace, dataset))
    labels = loaded.labels[loaded.labels["problem"] == problem]
    return loaded.cases, labels, examples(workspace, problem, dataset), dictionary
