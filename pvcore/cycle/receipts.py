"""What the ledger says was done with a version since, held against what it was done with: nothing is taken as said."""

from __future__ import annotations

import json
from typing import Any

from pvcore.config import Workspace
from pvcore.cycle import judging
from pvcore.cycle.checks import NotChecked, require_same
from pvcore.cycle.rebuilding import COMPARED, cases_apart
from pvcore.errors import RegistryError
from pvcore.records import canonical, digest
from pvcore.registry.approval import entry_at
from pvcore.registry.blobs import get_blob
from pvcore.registry.ledger import Entry, State
from pvcore.registry.loading import LOADED
from pvcore.registry.version import Version


def rebuilt(workspace: Workspace, version: Version) -> str:
    """What the newest receipt of a version shows, held against the entry of the training run that it names.

    Raises NotChecked where it was not trained again or gave other bytes under other conditions, RegistryError where
    other bytes came out, what it was trained from was altered, or no such run gave what the receipt says.
    """
    state = workspace.ledger.state()
    newest = _newest(state, COMPARED, version)
    if newest is None:
        raise NotChecked(f"it was not trained again, nor was its base read: pv rebuild {version.name}")
    told = f"entry {newest.sequence}, {newest.time}: {newest.body['line']}"
    if newest.body["rebuilt"] is None:
        raise RegistryError(told)  # what it would be trained from was altered
    run = entry_at(State(state.entries[: newest.sequence - 1]), newest.body["rebuilt"], "Rebuilt")
    specification = version.manifest.specification
    apart = {*_files(version, run), *cases_apart(workspace, specification, run)}
    if run.body["specification"] != specification or newest.body["same"] is bool(apart):
        what = ", ".join(sorted(apart)) or "nothing"
        raise RegistryError(
            f"{told}; but {what} differs from its training in the run of entry {run.sequence}"
        )
    if apart and newest.body["conditions"]:
        raise NotChecked(told)  # under other conditions other bytes are no proof of anything
    if apart:
        raise RegistryError(told)
    return told


def loaded(workspace: Workspace, version: Version) -> str:
    """How loading a version for real ended last, its golden answers held against those that it was judged by.

    Raises NotChecked where it never was, RegistryError.
    """
    found = _newest(workspace.ledger.state(), LOADED, version)
    if found is None:
        raise NotChecked(f"it was not loaded for real: pv loaded {version.name}")
    body, golden = found.body, json.loads(get_blob(workspace.store, found.body["golden"]))
    evaluations = judging.evaluations(workspace, version.manifest.specification)
    judged = next((e for e in evaluations if e.body["report"] == body["report"]), None)
    if judged is None:
        raise RegistryError(
            f"entry {found.sequence} is of report {body['report']}, by which it was not judged"
        )
    answers = _answers(workspace, judged)
    asked = [question[0] for question in [*golden["cases"], *golden["texts"]]]
    pairs = {
        "champion": (golden["champion"], judged.body["champion"]),
        "golden answers": (golden["answers"], {name: answers.get(name) for name in asked}),
    }
    if body["outcome"] == "pass":
        bytes_ = digest(b"".join(canonical(golden["answers"][name]) + b"\n" for name in asked))
        pairs |= {"first bytes": (body["first"], bytes_), "second bytes": (body["second"], bytes_)}
        pairs["reasons"] = (body["reasons"], [])
    require_same("it does not fit", pairs, f"ledger entry {found.sequence}", f"entry {judged.sequence}")
    told = "; ".join([body["outcome"], *body["reasons"]])
    return f"entry {found.sequence}, {found.time}: {told}, {len(asked)} golden answers"


def _newest(state: State, kind: str, version: Version) -> Entry | None:
    found = (e for e in reversed(state.entries) if e.kind == kind and e.body["version"] == version.digest)
    return next(found, None)


def _files(version: Version, run: Entry) -> set[str]:
    both = [
        {(name, file["sha256"]) for name, file in files.items()}
        for files in (version.manifest.adapter["files"], run.body["files"])
    ]
    return {name for name, _ in both[0] ^ both[1]}


def _answers(workspace: Workspace, judged: Entry) -> dict[str, Any]:
    blobs = [judged.body[part] for part in ("predictions", "replies") if part in judged.body]
    lines = [line for blob in blobs for line in get_blob(workspace.store, blob).splitlines()]
    return {answer["example_id"]: answer for answer in map(json.loads, lines)}
