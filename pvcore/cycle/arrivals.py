"""What was admitted and what became of it, as the ledger tells: batches that wait, and the last of a kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from pvcore.annotations import batch as batches
from pvcore.annotations.batch import Batch
from pvcore.config import Workspace
from pvcore.errors import NotFound
from pvcore.plain import line
from pvcore.registry.blobs import fetched_blob
from pvcore.registry.ledger import Entry

NAMED = 5
"""Reasons for which something of a batch was left out, as many as a line of the history names."""


def pending_batches(workspace: Workspace) -> list[Entry]:
    """Admitted batches that are in no dataset yet, in the order of admission."""
    latest = last(workspace, "DatasetBuilt")
    taken = set(latest.body["batches"]) if latest else set()
    return [
        entry
        for entry in workspace.ledger.entries()
        if entry.kind == "BatchAdmitted" and entry.body["digest"] not in taken
    ]


def load_batch(workspace: Workspace, name: str) -> Batch:
    """An admitted batch by its digest, key or file name, as `find_batch` finds it. Raises NotFound."""
    body = find_batch(workspace, name).body
    with fetched_blob(workspace.store, body["blob"]) as path, path.open("rb") as file:
        return batches.read_stored(file, name=body["name"], format=body["format"], dropped=body["dropped"])


def find_batch(workspace: Workspace, name: str) -> Entry:
    """The record of an admitted batch by its digest, the key that it lay under, or the last part of that.

    A key means what was found there last, also where that had been admitted under another key before. Raises
    NotFound, and for a file name that means several batches.
    """
    if by_digest := workspace.ledger.find("BatchAdmitted", name):
        return by_digest
    arrived = _by_key(workspace)
    called = {key: entry for key, entry in arrived.items() if PurePosixPath(key).name == name}
    found = [arrived[name]] if name in arrived else list({e.digest: e for e in called.values()}.values())
    if not found:
        raise NotFound(f"no batch {name} was admitted. `pv history` lists the batches.")
    if len(found) > 1:
        raise NotFound(f"{len(found)} batches are called {name}. Say which: {', '.join(called)}.")
    return found[0]


def _by_key(workspace: Workspace) -> dict[str, Entry]:
    """Key in the inbox -> the record of the batch that was found there last."""
    entries, found = workspace.ledger.entries(), dict[str, Entry]()
    for entry in entries:
        said = entries[entry.body["as"] - 1] if entry.kind == "AlreadyAdmitted" else entry
        if said.kind == "BatchAdmitted":
            found[entry.body["object"]["key"]] = said
    return found


def in_words(admitted: Mapping[str, Any]) -> str:
    """What the body of a BatchAdmitted entry counts; one of before nullifications were taken says nothing of them.

    The most frequent reasons for which something was left out stand in it: so a project with controls or columns
    of other names is noticed.
    """
    nullified, dropped = admitted.get("nullified", 0), admitted.get("dropped", {})
    words = f"{admitted['cases']} cases, {admitted['annotations']} annotations"
    words += f", {nullified} nullified cases" if nullified else ""
    return words + (f"; left out: {_ranked(dropped)}" if dropped else "")


def _ranked(dropped: Mapping[str, Any]) -> str:
    """Reasons with their counts, the most frequent first. A reason may name what a file called a column."""
    counts = sorted(dropped.items(), key=lambda one: one[1] if isinstance(one[1], int) else 0, reverse=True)
    named = [f"{count} {line(reason)[:100]}" for reason, count in counts[:NAMED]]
    return ", ".join([*named, *([f"and {len(counts) - NAMED} more reasons"] if len(counts) > NAMED else [])])


def last(workspace: Workspace, kind: str) -> Entry | None:
    """The newest ledger entry of a kind, or None."""
    return workspace.ledger.state().last(kind)
