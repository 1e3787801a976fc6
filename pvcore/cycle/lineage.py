"""Which cases a model has learned from: those of its own training and of all that it was continued from.

A case that was trained on can be held out later: a new report that is nearly the same as it and as a
held-out one joins them into one cluster. No model may then be judged by any case of that cluster, nor by
one that is nearly what a case said when it was trained on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

import pandas as pd

from pvcore.annotations import dataset as datasets
from pvcore.annotations import leakage
from pvcore.annotations.pairs import drugs_of
from pvcore.config import Workspace
from pvcore.errors import NotFound
from pvcore.records import Example
from pvcore.registry.blobs import get_blob
from pvcore.registry.ledger import Entry
from pvcore.registry.names import resolve
from pvcore.training.specification import Specification

BY_TEXT = {"unseen": "by text"}
"""What a Trained or Evaluated entry says of how `unseen` told its cases, since it looks at their texts."""
READ = frozenset({"consumed", "fitted", "pretrained"})
"""Fields of a Trained entry: blobs of the ids of cases that were read, and for what."""


def consumed(workspace: Workspace, specification: str) -> set[str]:
    """Ids of the cases that a finished training run, and those that it continued, were trained on.

    Raises NotFound for a specification that was not trained.
    """
    return _cases(workspace, specification, {"consumed"})


def trained_on(workspace: Workspace, specification: str) -> Callable[[Example], bool]:
    """Whether a finished training run, or one that it continued, was trained on an example: of a case with several,
    a bound on the rows may have left some out. Raises NotFound as `consumed`.
    """
    examples, cases = set[str](), set[str]()
    for trained in runs(workspace, specification):
        part, found = ("examples", examples) if "examples" in trained.body else ("consumed", cases)
        found |= _recorded(workspace, trained, {part})  # a run of before recorded the cases alone
    return lambda example: example.example_id in examples or example.case_id in cases


def read(workspace: Workspace, specification: str) -> set[str]:
    """Ids of all cases that a training run, and those that it continued, read for anything.

    Those that were trained on, those that thresholds, calibration and guardrails were fitted on, and those that
    the base was pretrained further on. Raises NotFound as `consumed`, and for a run of a time that did not record it.
    """
    return _cases(workspace, specification, READ)


def runs(workspace: Workspace, specification: str) -> Iterator[Entry]:
    """The Trained entries of a specification and of all that it was continued from, newest first."""
    name: str | None = specification
    while name:
        trained = workspace.ledger.find("Trained", name)
        if trained is None:
            raise NotFound(f"specification {name[:12]} was not trained: nobody knows what it learned from")
        yield trained
        parent = Specification.from_json(get_blob(workspace.store, name)).parent
        name = resolve(workspace.store, workspace.ledger, parent).manifest.specification if parent else None


def _cases(workspace: Workspace, specification: str, parts: Set[str]) -> set[str]:
    found: set[str] = set()
    for trained in runs(workspace, specification):
        found |= _recorded(workspace, trained, parts)
    return found


def _recorded(workspace: Workspace, trained: Entry, parts: Set[str]) -> set[str]:
    if absent := sorted(parts - set(trained.body)):
        raise NotFound(f"training run {trained.key[:12]} did not record its {', '.join(absent)} cases")
    return {
        name
        for blob in {trained.body[part] for part in parts}
        for name in json.loads(get_blob(workspace.store, blob))
    }


def unseen(
    workspace: Workspace,
    dataset: str,
    examples: Sequence[Example],
    specifications: Iterable[str],
    *,
    by_text: bool = True,
) -> list[Example]:
    """Those of a dataset's examples of whose cluster none of these training runs, nor a run before, had a case.

    A case may be set aside since, or say something else by now: then what it said as it was trained on counts
    as well. A record of before is counted again as it was made, without either (`told_by_text`).
    """
    names = list(specifications)
    loaded = datasets.load(workspace.store, dataset)
    cases = pd.concat(
        [loaded.cases, *([datasets.set_aside(workspace.store, loaded.info)] if by_text else [])]
    )
    seen = {case for name in names for case in consumed(workspace, name)}
    clusters = set(cases.loc[cases["case_id"].isin(seen), "cluster"].astype(str))
    if by_text:
        said = dict(zip(cases["case_id"], cases["narrative"], strict=True))
        former = sorted(_former(workspace, dataset, names, said))
        clusters |= _like(former, [(e.cluster, said[e.case_id]) for e in examples]) if former else set()
    return [example for example in examples if example.cluster not in clusters]


def told_by_text(body: Mapping[str, Any]) -> bool:
    """Whether the record of a training run or an evaluation is of a time in which `unseen` looked at texts."""
    return BY_TEXT.items() <= body.items()


def _former(
    workspace: Workspace, dataset: str, specifications: Iterable[str], said: Mapping[str, str]
) -> set[str]:
    """Narratives that these training runs, or a run before, had of cases that do not say that any more.

    A pair of drugs is known by its drugs, however they are described.
    """
    every = {run.body["specification"]: run for name in specifications for run in runs(workspace, name)}
    found: set[str] = set()
    for name, run in every.items():
        trained_in = Specification.from_json(get_blob(workspace.store, name)).dataset
        if trained_in == dataset:
            continue
        then = datasets.load(workspace.store, trained_in).cases
        then = then[then["case_id"].isin(_recorded(workspace, run, {"consumed"}))]
        rows = zip(then["case_id"], then["narrative"], strict=True)
        found |= {text for case_id, text in rows if said.get(case_id) != text and drugs_of(text) is None}
    return found


def _like(former: Sequence[str], examples: Sequence[tuple[str, str]]) -> set[str]:
    """The clusters of examples, each with its narrative, that are nearly one of these texts."""
    rows = sorted(set(examples))
    first = leakage.clusters([*former, *(text for _, text in rows)])[len(former) :]
    return {cluster for (cluster, _), place in zip(rows, first, strict=True) if place < len(former)}
