"""Which failure modes of the last phase before its training a candidate closed, by its answers to the same rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pvcore.advice.failures import Mode, closed
from pvcore.config import Workspace
from pvcore.cycle import targeting
from pvcore.errors import NotFound
from pvcore.records import canonical
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.ledger import Entry, State
from pvcore.training.specification import Specification

PHASE = "Phase"
ALIKE = "wrong answers that read alike"
"""What a group is called where its words, which come out of narratives, may not be shown."""


def phases(state: State, problem: str, before: int | None = None) -> list[Entry]:
    """The phases of a problem, oldest first; those before an entry of the ledger, if its number is given."""
    entries = state.entries if before is None else state.entries[: before - 1]
    return [e for e in entries if e.kind == PHASE and e.body["problem"] == problem]


def modes_of(workspace: Workspace, phase: Entry) -> list[Mode]:
    """The failure modes that a phase recorded, without the texts of their examples."""
    found = json.loads(get_blob(workspace.store, phase.body["modes"]))
    return [Mode(**{**mode, "cases": tuple(mode["cases"]), "examples": ()}) for mode in found]


def record(workspace: Workspace, asked: Specification, files: Mapping[str, Any]) -> dict[str, str]:
    """{"mended": blob} of what an adapter made of the last phase's modes; {} where no phase was before its training.

    Raises NotFound for a specification that was not trained.
    """
    trained = workspace.ledger.find("Trained", asked.digest)
    if trained is None:
        raise NotFound(f"specification {asked.digest[:12]} was not trained yet")
    past = phases(workspace.ledger.state(), asked.problem, trained.sequence)
    if not past:
        return {}
    last, found = past[-1], targeting.asked_tune(workspace, asked, files)
    told = {
        "phase": last.body["number"],
        "version": last.body["name"],
        "asked": last.body["asked"],
        "modes": closed(modes_of(workspace, last), found.rows, found.learned),
    }
    return {"mended": put_blob(workspace.store, canonical(told))}


def shown(told: Mapping[str, Any], excerpts: int) -> dict[str, Any]:
    """What was recorded, as a page may show it: words of narratives only where the policy lets texts out."""
    hidden = [
        {**row, "mode": ALIKE} if row["mode"].startswith("like: ") and not excerpts else row
        for row in told["modes"]
    ]
    return {**told, "modes": hidden}
