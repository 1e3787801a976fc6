"""What was admitted and what became of it, as the ledger tells: batches that wait, and the last of a kind."""

from __future__ import annotations

from pvcore.annotations import batch as batches
from pvcore.annotations.batch import Batch
from pvcore.config import Workspace
from pvcore.errors import NotFound
from pvcore.registry.blobs import fetched_blob
from pvcore.registry.ledger import Entry


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
    """An admitted batch by its digest or the key that it lay under. Raises NotFound."""
    for entry in workspace.ledger.entries():
        body = entry.body
        if entry.kind == "BatchAdmitted" and name in (body["digest"], body["object"]["key"], body["name"]):
            with fetched_blob(workspace.store, body["blob"]) as path, path.open("rb") as file:
                return batches.read_stored(
                    file, name=body["name"], format=body["format"], dropped=body["dropped"]
                )
    raise NotFound(f"no batch {name} was admitted. `pv status` lists the batches.")


def last(workspace: Workspace, kind: str) -> Entry | None:
    """The newest ledger entry of a kind, or None."""
    return workspace.ledger.state().last(kind)
