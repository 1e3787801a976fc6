"""A version trained again: what it is trained from is read first, what came out is compared, a receipt is kept.

A receipt says that the bytes are the same, or exactly what differs: which tensors and by how much, and
which conditions are others now (environment, device, code, base, data).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pvcore.config import Workspace
from pvcore.cycle import provenance, tensors
from pvcore.cycle.candidate import base_folder, load_specification
from pvcore.cycle.checks import BROKEN, Checks, differences
from pvcore.errors import NotFound, PvError
from pvcore.registry.blobs import check_blob, get_blob
from pvcore.registry.ledger import Entry
from pvcore.registry.names import resolve
from pvcore.registry.version import Version
from pvcore.training.specification import code_digest

COMPARED = "RebuildCompared"
Pair = list[Any]
"""What it was then, and what it is now."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a rebuild showed: the same bytes, or what differs."""

    same: bool
    line: str


def lineage(workspace: Workspace, version: str, parents: bool) -> list[str]:
    """The versions to train again, in order: `version`, with `parents` after all that it was continued from."""
    at: str | None = version
    names: list[str] = []
    while at:
        found = resolve(workspace.store, workspace.ledger, at)
        names.insert(0, found.name)
        at = found.manifest.parent if parents else None
    return names


def refused(workspace: Workspace, version: str) -> Receipt | None:
    """Why a version cannot be trained from what it was trained from, as a receipt; None where it can.

    Everything is read to its end: the dataset with its batches, migrations and releases, the parent's
    adapter, the base.
    """
    found = resolve(workspace.store, workspace.ledger, version)
    wrong = _altered(workspace, found)
    if not wrong:
        return None
    told = "; ".join(f"{what}: {why}" for what, why in wrong.items())
    line = f"{found.name}: not trained again, what it was trained from is not as it was: {told}"
    return _recorded(workspace, found, None, line, {}, {what: [None, why] for what, why in wrong.items()})


def _altered(workspace: Workspace, version: Version) -> dict[str, str]:
    """What a training run would read that is not as it was: name -> why."""
    manifest, name = version.manifest, version.name
    blob, checks = partial(check_blob, workspace.store), Checks()
    checks.make(f"{name}: base", lambda: str(base_folder(workspace, manifest.base)))
    checks.make(f"{name}: specification", partial(blob, manifest.specification))
    checks.make(f"{name}: dataset", partial(blob, manifest.dataset))
    provenance.check(workspace, version, blob, checks)
    if manifest.parent:
        parent = resolve(workspace.store, workspace.ledger, manifest.parent)
        for file, entry in parent.manifest.adapter["files"].items():
            checks.make(f"{parent.name}: adapter file {file}", partial(blob, entry["sha256"]))
    return {row["check"]: row["why"] for row in checks.rows if row["holds"] == BROKEN}


def compare(workspace: Workspace, version: str) -> Receipt:
    """Compare the newest rebuild of a version with what is registered and record the receipt, once a rebuild."""
    found = resolve(workspace.store, workspace.ledger, version)
    manifest = found.manifest
    rebuilt = next(
        (
            e
            for e in reversed(workspace.ledger.entries())
            if e.kind == "Rebuilt" and e.body["specification"] == manifest.specification
        ),
        None,
    )
    if rebuilt is None:
        raise NotFound(f"{version} was not rebuilt. Run: pv rebuild {version}")
    differs = _files(workspace, manifest.adapter["files"], rebuilt.body["files"]) | cases_apart(
        workspace, manifest.specification, rebuilt
    )
    conditions = _conditions(workspace, found, rebuilt)
    others = "; ".join(f"{name} (then {then}, now {now})" for name, (then, now) in conditions.items())
    if not differs:
        line = f"{found.name}: trained again, the same {len(manifest.adapter['files'])} files"
        line += f", adapter {manifest.adapter['digest'][:12]}" + (
            f", though other: {others}" if others else ""
        )
    else:
        told = "; ".join(f"{file}: {_told(what)}" for file, what in differs.items())
        line = f"{found.name}: trained again and different: {told}. Other conditions: {others or 'none'}"
    return _recorded(workspace, found, rebuilt, line, differs, conditions)


def cases_apart(workspace: Workspace, specification: str, rebuilt: Entry) -> dict[str, Any]:
    """What another training run read: the same bytes from other cases would be no rebuild."""
    first = workspace.ledger.find("Trained", specification)
    then = first.body if first else {}
    return {
        f"cases {part}": {"file": f"{str(then[part])[:12]} then, {str(rebuilt.body.get(part))[:12]} now"}
        for part in ("consumed", "fitted", "pretrained")
        if part in then and then[part] != rebuilt.body.get(part)
    }


def _recorded(
    workspace: Workspace,
    version: Version,
    rebuilt: Entry | None,
    line: str,
    differs: Mapping[str, Any],
    conditions: Mapping[str, Pair],
) -> Receipt:
    manifest, now = version.manifest, rebuilt.body if rebuilt else {}
    environment: Pair = [dict(manifest.environment), now.get("environment")]
    files = {name: [entry["sha256"], None] for name, entry in manifest.adapter["files"].items()}
    for name, entry in now.get("files", {}).items():
        files[name] = [files.get(name, [None])[0], entry["sha256"]]
    body = {
        "problem": version.problem,
        "name": version.name,
        "version": version.digest,
        "specification": manifest.specification,
        "rebuilt": {"sequence": rebuilt.sequence, "digest": rebuilt.digest} if rebuilt else None,
        "same": rebuilt is not None and not differs,
        "line": line,
        "files": files,
        "differs": differs,
        "conditions": conditions,
        "environment": environment,
        "device": [manifest.environment.get("device"), (environment[1] or {}).get("device")],
        "code": [load_specification(workspace, manifest.specification).code, code_digest()],
        "dataset": manifest.dataset,
        "base": manifest.base["digest"],
    }
    entry = workspace.ledger.append(COMPARED, body, actor="rebuild", key=rebuilt.digest if rebuilt else "")
    return Receipt(entry.body["same"], entry.body["line"])


def receipts(workspace: Workspace, after: int) -> list[dict[str, Any]]:
    """The receipts since ledger entry `after`: version, same, receipt in a line, its entry and what differs."""
    return [
        {
            "version": entry.body["name"],
            "same": entry.body["same"],
            "receipt": entry.body["line"],
            "entry": entry.sequence,
            "differs": entry.body["differs"],
            "conditions": entry.body["conditions"],
        }
        for entry in workspace.ledger.entries()[after:]
        if entry.kind == COMPARED
    ]


def _conditions(workspace: Workspace, version: Version, rebuilt: Entry) -> dict[str, Pair]:
    """What is not as it was: name -> then and now."""
    then, now = version.manifest.environment, rebuilt.body["environment"]
    code = load_specification(workspace, version.manifest.specification).code
    pairs = {name: [then.get(name), now.get(name)] for name in sorted({*then, *now})}
    pairs["code"] = [code[:12], code_digest()[:12]]
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _files(
    workspace: Workspace, before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """File -> what differs in it: tensors by their largest difference, JSON by its fields."""
    found: dict[str, Any] = {}
    for name in sorted({*before, *after}):
        one, other = (files.get(name, {}).get("sha256") for files in (before, after))
        if one and other and one != other:
            contents = get_blob(workspace.store, one), get_blob(workspace.store, other)
            found[name] = _within(name, *contents)
        elif one != other:
            found[name] = {"file": "only then" if one else "only now"}
    return found


def _within(name: str, one: bytes, other: bytes) -> dict[str, Any]:
    try:
        if name.endswith(".safetensors"):
            return {"tensors": tensors.compare(one, other), "of": len(tensors.read(one))}
        if name.endswith(".json"):
            return {"fields": differences(json.loads(one), json.loads(other))}
    except (PvError, ValueError):
        pass  # what it holds cannot be read: then that is what is told
    return {"file": f"{len(one)} bytes then, {len(other)} now"}


def _told(what: Mapping[str, Any]) -> str:
    if "fields" in what:
        return "; ".join(what["fields"][:5]) or "its form"
    if "tensors" not in what:
        return str(what["file"])
    found: Mapping[str, float | str] = what["tensors"]
    apart = {name: value for name, value in found.items() if isinstance(value, float)}
    words = [f"{name} {value}" for name, value in found.items() if isinstance(value, str)]
    if apart:
        most = max(apart, key=lambda name: apart[name])
        words.insert(0, f"{len(apart)} of {what['of']} tensors, by at most {apart[most]:.3g} ({most})")
    return "; ".join(words[:5]) or "its form, and no tensor"
