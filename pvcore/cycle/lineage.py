"""Which cases a model has learned from: those of its own training and of all that it was continued from.

A case that was trained on can be held out later: a new report that is nearly the same as it and as a
held-out one joins them into one cluster. No model may then be judged by any case of that cluster.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from pvcore.annotations import dataset as datasets
from pvcore.config import Workspace
from pvcore.errors import NotFound
from pvcore.records import Example
from pvcore.registry.manifest import resolve
from pvcore.registry.store import get_blob
from pvcore.training.specification import Specification


def consumed(workspace: Workspace, specification: str) -> set[str]:
    """Ids of the cases that a finished training run, and those that it continued, were trained on.

    Raises NotFound for a specification that was not trained.
    """
    found: set[str] = set()
    name: str | None = specification
    while name:
        trained = workspace.ledger.find("Trained", name)
        if trained is None:
            raise NotFound(f"specification {name[:12]} was not trained: nobody knows what it learned from")
        found.update(json.loads(get_blob(workspace.store, trained.body["consumed"])))
        parent = Specification.from_json(get_blob(workspace.store, name)).parent
        name = resolve(workspace.store, workspace.ledger, parent).manifest.specification if parent else None
    return found


def unseen(
    workspace: Workspace, dataset: str, examples: Sequence[Example], specifications: Iterable[str]
) -> list[Example]:
    """Those of a dataset's examples of whose cluster none of these training runs, nor a run before, had a case."""
    seen = {case for name in specifications for case in consumed(workspace, name)}
    cases = datasets.load(workspace.store, dataset).cases
    clusters = set(cases.loc[cases["case_id"].isin(seen), "cluster"].astype(str))
    return [example for example in examples if example.cluster not in clusters]
