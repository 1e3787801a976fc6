"""Which cases a model has learned from: those of its own training and of all that it was continued from.

A case that was trained on can be held out later: a new report that is nearly the same as it and as a
held-out one joins them into one cluster. No model may then be judged by any case of that cluster.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence, Set

from pvcore.annotations import dataset as datasets
from pvcore.config import Workspace
from pvcore.errors import NotFound
from pvcore.records import Example
from pvcore.registry.blobs import get_blob
from pvcore.registry.ledger import Entry
from pvcore.registry.names import resolve
from pvcore.training.specification import Specification

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
    workspace: Workspace, dataset: str, examples: Sequence[Example], specifications: Iterable[str]
) -> list[Example]:
    """Those of a dataset's examples of whose cluster none of these training runs, nor a run before, had a case."""
    seen = {case for name in specifications for case in consumed(workspace, name)}
    cases = datasets.load(workspace.store, dataset).cases
    clusters = set(cases.loc[cases["case_id"].isin(seen), "cluster"].astype(str))
    return [example for example in examples if example.cluster not in clusters]
