"""Which cases a version's training read: committed to at registration, and proved case by case afterwards."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Iterable
from typing import Any

from pvcore.annotations import dataset as datasets
from pvcore.annotations.duplicates import likeness
from pvcore.config import Workspace
from pvcore.cycle import arrivals, lineage
from pvcore.errors import NotFound, RegistryError
from pvcore.registry import absence, absence_tree
from pvcore.registry.absence_tree import Tree
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.ledger import entry_key
from pvcore.registry.manifest import Manifest
from pvcore.registry.names import resolve
from pvcore.registry.version import Version
from pvcore.training.specification import Specification

KEPT = "absence"
"""Folder of a workspace's state for trees that were built; each can be built again from the store."""
KEEP_FROM = 100_000
"""Records: a smaller tree is built in about a second."""
Row = dict[str, Any]


def commit(workspace: Workspace, specification: str) -> dict[str, Any] | None:
    """What a manifest says of the cases that a finished training run and its ancestors read.

    None where one of them is of a time that did not record it: of its successors nothing can be proved.
    The secret is drawn anew for each version, so that a key given out with a proof says nothing of others.
    """
    if not all(set(run.body) >= lineage.READ for run in lineage.runs(workspace, specification)):
        return None
    secret = secrets.token_bytes(32)
    tree = absence_tree.build(lineage.read(workspace, specification), secret)
    return {"root": tree.root, "records": len(tree.index), "secret": put_blob(workspace.store, secret)}


def check_commitment(workspace: Workspace, manifest: Manifest) -> None:
    """Build a version's tree again from the training records. Raises RegistryError where its root is another."""
    _tree(workspace, manifest, anew=True)


def prove(workspace: Workspace, case: str, name: str) -> dict[str, Any]:
    """The document that shows whether training of a version read a case, checked by its reader's own means.

    Raises NotFound for a version that committed to nothing, RegistryError where its records were altered.
    """
    version = resolve(workspace.store, workspace.ledger, name)
    document = _document(workspace, version, case, _tree(workspace, version.manifest))
    try:
        absence.check(document)
    except ValueError:  # a tree that was kept is damaged somewhere below its root
        document = _document(workspace, version, case, _tree(workspace, version.manifest, anew=True))
        absence.check(document)
    return document


def _document(workspace: Workspace, version: Version, case: str, tree: Tree) -> dict[str, Any]:
    entry = workspace.ledger.state().version(version.digest)
    assert entry  # the version was found by it
    return {
        "proof": {
            "format": absence.FORMAT,
            "case": case,
            "version": version.name,
            "manifest": version.digest,
            "entry": entry.digest,
            "root": tree.root,
            "records": len(tree.index),
            **tree.prove(case),
        },
        "registered": workspace.store.get(entry_key(entry.sequence)).decode(),
        "limits": list(absence.LIMITS),
    }


def _tree(workspace: Workspace, manifest: Manifest, *, anew: bool = False) -> Tree:
    read = manifest.read
    if read is None:
        raise NotFound(
            f"{manifest.problem} of {manifest.created}: it, or one it was continued from, was trained before "
            "training recorded what it read. Train a version from scratch."
        )
    secret, folder = get_blob(workspace.store, read["secret"]), workspace.state / KEPT
    found = None if anew else absence_tree.kept(folder, read["root"], secret)
    if found is None:
        found = absence_tree.build(lineage.read(workspace, manifest.specification), secret)
        if found.root != read["root"]:
            raise RegistryError(
                f"what training recorded as read has the root {found.root[:12]}, the manifest says "
                f"{read['root'][:12]}: one of them was altered. Restore the store from a backup."
            )
        if len(found.index) >= KEEP_FROM:
            absence_tree.keep(found, folder)
    return found


def near(workspace: Workspace, case: str, name: str, text: str | None, least: float) -> tuple[list[Row], str]:
    """Cases that were read whose words are nearly those of `case`, most alike first; and what was compared, in words.

    No proof: it is a search, by the likeness that keeps near-duplicates out of held-out sets. `text` is the
    case's narrative, else the newest that was admitted. The words also name cases that were read whose ids are `case`
    but for blanks, capitals and the like: who asks may have mistyped it.
    """
    version = resolve(workspace.store, workspace.ledger, name)
    text = text if text is not None else _narrative(workspace, case)
    everything = lineage.read(workspace, version.manifest.specification)
    spelt = _otherwise_spelt(case, everything)
    if text is None:
        return [], f"not looked for: no text of {case!r} was admitted here. Give it with --text FILE{spelt}"
    known: dict[tuple[str, str], None] = {}
    for trained in lineage.runs(workspace, version.manifest.specification):
        asked = Specification.from_json(get_blob(workspace.store, trained.key))
        cases = datasets.load(workspace.store, asked.dataset).cases
        cases = cases[cases["case_id"].isin(everything)]
        known |= dict.fromkeys(zip(cases["case_id"], cases["narrative"], strict=True))
    others = [item for item in known if item[0] != case]
    found = zip(others, likeness(text, [narrative for _, narrative in others]), strict=True)
    best: dict[str, float] = {}
    for (other, _), value in found:
        best[other] = max(value, best.get(other, 0.0))
    rows = [
        {"case": other, "likeness": round(value, 3), "same words": "yes" if value == 1 else ""}
        for other, value in sorted(best.items(), key=lambda item: (-item[1], item[0]))
        if value >= least
    ]
    unknown = len(everything - {case} - set(best))
    beside = f"; of {unknown} read cases no text is kept here (further pretraining)" if unknown else ""
    return (
        rows,
        f"compared with the texts of {len(best)} read cases{beside}. This is a search, not a proof{spelt}",
    )


def _otherwise_spelt(case: str, read: Iterable[str]) -> str:
    """A sentence that names ids which differ from `case` in blanks, capitals, width or composition of letters alone."""

    def bare(text: str) -> str:
        return "".join(unicodedata.normalize("NFKC", text).casefold().split())

    wanted = bare(case)
    found = sorted(other for other in read if other != case and bare(other) == wanted)
    if not found:
        return ""
    return f". MISTYPED? Read was {', '.join(map(repr, found[:5]))}: ask again with that id"


def _narrative(workspace: Workspace, case: str) -> str | None:
    """The newest admitted text of a case."""
    for entry in reversed(workspace.ledger.entries()):
        if entry.kind == "BatchAdmitted":
            for found in arrivals.load_batch(workspace, entry.body["digest"]).cases:
                if found.case_id == case:
                    return found.narrative
    return None
