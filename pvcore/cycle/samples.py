"""Runs from the base on samples of a dataset, for advice: written down, and asked about the tune split.

The tune split, never the test split: what is looked at again and again cannot judge a candidate any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pvcore.config import Recipe, Workspace
from pvcore.cycle import arrivals, candidate, data
from pvcore.errors import ConfigError, GateError, NotFound
from pvcore.problems import PROBLEMS
from pvcore.records import Example, Prediction
from pvcore.registry.blobs import put_blob
from pvcore.training.specification import Specification, code_digest

TUNE = 50
"""Rows to score on below which nothing is told."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A run: on how many rows, drawn by which seed, and the specification that trains on them."""

    size: int
    seed: int
    specification: str


def refuse(what: str, sizes: Sequence[int], examples: Mapping[str, Sequence[Example]], *, least: int) -> None:
    """Raise GateError, with every reason, where a dataset's examples do not carry runs of these sizes."""
    rows, tune = len(examples.get("train", ())), len(examples.get("tune", ()))
    faults = [f"{size} rows are asked for, {rows} are there" for size in sizes if size > rows]
    faults += [f"a size is a number of rows, found {size}" for size in sizes if size < 1]
    faults += [f"{tune} rows to score on (split tune), {TUNE} are needed"] if tune < TUNE else []
    if len(sizes) < least:
        faults.append(f"{len(sizes)} sizes, {least} are needed at least; there are {rows} training rows")
    if faults:
        raise GateError(f"{what}:\n" + "\n".join(f"  {fault}" for fault in faults))


def read_sizes(text: str) -> list[int]:
    """The sizes that were typed, with commas or blanks between them. Raises ConfigError for what is no number."""
    found = text.replace(",", " ").split()
    if wrong := [size for size in found if not size.isdecimal()]:
        raise ConfigError(f"{', '.join(wrong)}: a size is a number of rows. Write them as 250,500,1000.")
    return [int(size) for size in found]


def latest(workspace: Workspace) -> str:
    """The digest of the newest dataset. Raises NotFound."""
    entry = arrivals.last(workspace, "DatasetBuilt")
    if entry is None:
        raise NotFound(
            "no dataset was built yet. Put a batch of labelled cases into the inbox: pv ingest FILE"
        )
    return str(entry.body["dataset"])


def specified(workspace: Workspace, recipe: Recipe, dataset: str, *, size: int, seed: int) -> str:
    """Write down a run from the base on `size` rows of a dataset; returns the specification's digest.

    Nothing in it has seen another row: words beside the network are those of the sample, too.
    """
    settings = recipe.trained_by()
    settings["training"] |= {"max_rows": size}
    if settings["training"]["word_weights"]:
        settings["training"]["word_weights"] = "sample"
    asked = Specification(
        problem=recipe.problem,
        family=recipe.family,
        settings=settings,
        dataset=dataset,
        seed=seed,
        code=code_digest(),
        dictionary=data.dictionary_digest(workspace, dataset) if PROBLEMS[recipe.problem].terms else None,
    )
    return put_blob(workspace.store, asked.to_json())


def answers(
    workspace: Workspace, specification: str
) -> tuple[Specification, Mapping[str, Any], list[Prediction]]:
    """A planned run that was trained: its specification, what was recorded of it, its answers to the tune split.

    Raises NotFound for one that was not trained.
    """
    asked = candidate.load_specification(workspace, specification)
    trained = workspace.ledger.find("Trained", specification)
    if trained is None:
        raise NotFound(f"specification {specification[:12]} was not trained yet")
    tune = data.examples(workspace, asked.problem, asked.dataset, asked.settings)["tune"]
    guardrails = workspace.policy(workspace.recipe(asked.problem).policy).guardrails
    answered = candidate.predict(
        workspace, trained.body["files"], asked.settings["base"], tune, data.terms(workspace, asked), guardrails
    )  # fmt: skip
    return asked, trained.body, answered
