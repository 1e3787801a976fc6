"""What becomes of an inbox object: it is recorded as admitted, or put in quarantine, and announced once."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pvcore.annotations import batch as batches
from pvcore.annotations.batch import Batch
from pvcore.config import Workspace
from pvcore.cycle.arrivals import in_words
from pvcore.cycle.inbox import Found
from pvcore.errors import InputError
from pvcore.meddra.release import Dictionary
from pvcore.plain import inert
from pvcore.records import canonical, digest
from pvcore.registry.blobs import put_blob
from pvcore.registry.ledger import Entry
from pvcore.registry.store import copy_object, fetched

SHOWN = 50
"""Faults on the page of a quarantined object; its report names all."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an inbox object: `kind` is the ledger's word, `version` the MedDRA version if any.

    `digest` is that of what was admitted; of what was quarantined, key and etag.
    """

    kind: str
    key: str
    line: str
    digest: str = ""
    version: str = ""


def admit_release(workspace: Workspace, found: Found, dictionary: Dictionary, validation: bytes) -> Outcome:
    """Keep the release as a blob and record it. A release that is known is recorded as such."""
    with tempfile.TemporaryDirectory(prefix="pv-release-") as folder:
        # A copy of our own: what lies in the inbox may be changed by whoever put it there.
        blob = put_blob(workspace.store, copy_object(workspace.store, found.key, Path(folder, "release")))
    body = {
        "version": dictionary.version,
        "language": dictionary.language,
        "digest": dictionary.digest,
        "blob": blob,
        "name": found.name,
        "validation": put_blob(workspace.store, validation),
    }
    line = f"{found.name}: MedDRA {dictionary.version} {dictionary.language} admitted"
    outcome = Outcome("ReleaseAdmitted", found.key, line, dictionary.digest, dictionary.version)
    return _record(workspace, found, outcome, body)


def admit_batch(workspace: Workspace, found: Found, batch: Batch, validation: bytes) -> Outcome:
    """Keep the batch as a blob and record it, with its counts. The same content again is recorded as such."""
    with tempfile.TemporaryDirectory(prefix="pv-batch-") as folder:
        kept = Path(folder, "batch.json")
        with kept.open("wb") as file:
            file.writelines(batches.stored(batch))
        blob = put_blob(workspace.store, kept)
    versions = sorted({a.meddra_version for a in batch.annotations if a.meddra_version})
    body = {
        "digest": batch.digest,
        "blob": blob,
        "name": batch.name,
        "format": batch.format,
        "cases": len(batch.cases),
        "annotations": len(batch.annotations),
        "nullified": len(batch.nullified),
        "annotators": sorted({a.annotator for a in batch.annotations}),
        "meddra_versions": versions,
        "dropped": dict(batch.dropped),
        "validation": put_blob(workspace.store, validation),
    }
    line = f"{found.name}: {batch.format}, {in_words(body)} admitted"
    outcome = Outcome("BatchAdmitted", found.key, line, batch.digest, ",".join(versions))
    return _record(workspace, found, outcome, body)


def quarantine(workspace: Workspace, found: Found, error: InputError, page: str = "") -> Outcome:
    """Copy the object, with a report that names all faults, to quarantine/<digest>/ and record it.

    The digest is that of key and etag, so that each object has a report of its own, whatever its content.
    `page` is the validation as HTML, where it came so far.
    """
    folder = f"quarantine/{digest([found.key, found.etag])}"
    told = [f"{error.source}: {len(error.faults)} fault(s)", *(f"  {fault}" for fault in error.faults)]
    faults = [{"where": f.where, "what": f.what, "advice": f.advice} for f in error.faults]
    with fetched(workspace.store, found.key) as file:
        size = file.stat().st_size
        workspace.store.put_if_absent(f"{folder}/object/{found.name}", file)
    report = {"object": found.key, "size": size, "advice": error.advice, "faults": faults}
    workspace.store.put_if_absent(f"{folder}/report.json", canonical(report))
    text = "\n".join([*told, error.advice]).rstrip() + "\n"
    workspace.store.put_if_absent(f"{folder}/report.txt", text.encode("utf-8", "backslashreplace"))
    if page:
        workspace.store.put_if_absent(f"{folder}/report.html", page.encode())
    body = {"report": f"{folder}/report.json", "faults": len(faults), "first": str(error.faults[0])[:500]}
    line = f"{found.name}: quarantined, {len(faults)} fault(s), {folder}/report.txt"
    outcome = Outcome("Quarantined", found.key, line, f"{found.key} {found.etag}")
    return _record(workspace, found, outcome, body)


def page(found: Found, error: InputError) -> str:
    """Why an object was quarantined, as Markdown that shows the words of the file and does nothing."""
    lines = [
        f"## {inert(found.name)} was quarantined",
        "",
        f"{len(error.faults)} fault(s). {inert(error.advice)}",
        "",
    ]
    lines += [f"- {inert(str(fault))}" for fault in error.faults[:SHOWN]]
    more = len(error.faults) - SHOWN
    return "\n".join([*lines, *([f"- ... and {more} more"] if more > 0 else [])])


def _record(workspace: Workspace, found: Found, outcome: Outcome, body: Mapping[str, object]) -> Outcome:
    """Record the outcome, once for its digest; an object with the content of another is recorded as such."""
    item = {"key": found.key, "etag": found.etag}
    entry = workspace.ledger.append(outcome.kind, {**body, "object": item}, actor="watch", key=outcome.digest)
    if entry.body["object"] == item:
        return outcome
    workspace.ledger.append(
        "AlreadyAdmitted",
        {"object": item, "as": entry.sequence},
        actor="watch",
        key=f"{found.key} {found.etag}",
    )
    line = f"{found.name}: has the content of {entry.body['object']['key']}, admitted before"
    return dataclasses.replace(outcome, kind="AlreadyAdmitted", line=line)


def unannounced(workspace: Workspace) -> list[Entry]:
    """What was admitted or quarantined and not yet announced to whoever waits for it."""
    entries = workspace.ledger.entries()
    done = {entry.body["sequence"] for entry in entries if entry.kind == "Announced"}
    return [
        entry
        for entry in entries
        if entry.kind in ("ReleaseAdmitted", "BatchAdmitted", "Quarantined") and entry.sequence not in done
    ]


def mark_announced(workspace: Workspace, entry: Entry) -> None:
    """Record that `entry` was announced."""
    workspace.ledger.append("Announced", {"sequence": entry.sequence}, actor="watch", key=str(entry.sequence))
