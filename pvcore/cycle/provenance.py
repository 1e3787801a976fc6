"""Where a version's data comes from, checked: the dataset, its batches, the migrations of its codes, the releases."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from pvcore.annotations import dataset as datasets
from pvcore.annotations.dataset import DatasetInfo
from pvcore.config import Workspace
from pvcore.cycle import arrivals, building, data, dictionaries
from pvcore.cycle.checks import HOLDS, Checks, require_same
from pvcore.errors import NotFound, RegistryError
from pvcore.registry.blobs import get_blob
from pvcore.registry.ledger import Entry
from pvcore.registry.version import Version

TABLES = ("cases", "annotations", "labels", "aside", "open")


def check(workspace: Workspace, version: Version, blob: Callable[[str], None], checks: Checks) -> None:
    """From the dataset to what arrived: its tables, batches, migrations and releases. `blob` reads one to its end."""
    name, digest = f"{version.name}: dataset", version.manifest.dataset
    checks.make(f"{name}: its record", partial(_record, workspace, digest), name)
    if checks.rows[-1]["holds"] != HOLDS:
        return
    named = json.loads(get_blob(workspace.store, digest))
    for part in (*TABLES, *(["nullified"] if "nullified" in named else [])):
        checks.make(f"{name}, {part}", partial(blob, named[part]))
    for mapping in dict.fromkeys(named["mappings"]):
        checks.make(f"{name}, mapping {mapping[:12]}", partial(_mapping, workspace, mapping, blob))
    for batch in dict.fromkeys(data.dataset_entry(workspace, digest).body["batches"]):
        checks.make(f"{name}, batch {batch[:12]}", partial(_batch, workspace, batch, blob))
    if version.manifest.dictionary:
        what = f"{version.name}: dictionary"
        checks.make(what, partial(_release, workspace, version.manifest.dictionary, blob))


def _record(workspace: Workspace, digest: str) -> None:
    """The ledger's entry of a dataset, and those of all before it, say what the datasets themselves say."""
    at: str | None = digest
    while at:
        entry, made = data.dataset_entry(workspace, at), datasets.load_info(workspace.store, at)
        parent = datasets.load_info(workspace.store, made.parent) if made.parent else None
        known = len(parent.batches) if parent else 0
        require_same(
            f"dataset {at[:12]}",
            {
                "parent": (made.parent, entry.body["parent"]),
                "MedDRA version": (made.meddra_version, entry.body["version"]),
                "batches": (
                    list(made.batches),
                    [*made.batches[:known], *_learnt_from(workspace, entry, made, known)],
                ),
                "mappings": (
                    list(made.mappings),
                    [*(parent.mappings if parent else ()), *entry.body["mappings"]],
                ),
                "counts": (dict(made.counts), entry.body["counts"]),
            },
            "the dataset",
            f"ledger entry {entry.sequence}",
        )
        at = made.parent


def _learnt_from(workspace: Workspace, entry: Entry, made: DatasetInfo, known: int) -> list[str]:
    """The batches that an entry added, as they went into the dataset: whole, or a sample of their cases."""
    admitted = entry.body["batches"][known:]
    if admitted == list(made.batches[known:]):
        return list(admitted)
    most = entry.body["sampled"]
    return [building.sampled(arrivals.load_batch(workspace, name), most).digest for name in admitted]


def _batch(workspace: Workspace, name: str, blob: Callable[[str], None]) -> str:
    admitted = workspace.ledger.find("BatchAdmitted", name)
    if admitted is None:
        raise RegistryError(f"no batch {name} was admitted")
    blob(admitted.body["blob"])
    return f"{admitted.body['name']}, entry {admitted.sequence}"


def _mapping(workspace: Workspace, name: str, blob: Callable[[str], None]) -> str:
    blob(name)
    entries = workspace.ledger.entries()
    made = [e for e in entries if e.kind == "Migrated" and e.body["mapping"] == name]
    if not made:
        raise RegistryError(f"no migration with the mapping {name} was recorded")
    ends = {made[0].body["from"], made[0].body["to"]}
    admitted = {e.body["version"]: e.body["blob"] for e in entries if e.kind == "ReleaseAdmitted"}
    for version in sorted(ends & set(admitted)):
        blob(admitted[version])
    # Codes of a release that never arrived are carried over by name.
    absent = ", ".join(sorted(ends - set(admitted)))
    return f"MedDRA {made[0].body['from']} to {made[0].body['to']}" + (
        f"; no {absent} here" if absent else ""
    )


def _release(workspace: Workspace, name: str, blob: Callable[[str], None]) -> None:
    """The dictionary of this digest, read again from its blob."""
    for entry in workspace.ledger.entries():
        if entry.kind == "ReleaseAdmitted" and entry.body["digest"] == name:
            blob(entry.body["blob"])
    if dictionaries.by_digest(workspace, name) is None:
        raise NotFound(f"no release with the digest {name} was admitted")
