"""What the body of an entry holds at least, by the kind of event: whoever reads one need not doubt its form.

The rooms above write these events; their form stands here because the ledger checks it, when an entry
is written and when it is read. More fields may stand beside these, and kinds that are not listed
(a newer program's) may hold anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAYBE = (str, type(None))
NUMBER = (int, float)
OBJECT = {"key": str, "etag": str}
"""What arrived, as it lay in the inbox."""
ACTIONS = frozenset({"promote", "rollback", "override"})
ENTRY = {"sequence": int, "digest": str}
"""Another entry of the ledger."""
_TRAINED = {
    "specification": str, "problem": str, "adapter": str, "files": dict, "rows": int, "seconds": NUMBER,
}  # fmt: skip
_SWITCH = {
    "problem": str, "name": str, "version": str, "expected": MAYBE, "asked": str, "request": ENTRY,
    "signatures": int, "approvals": [ENTRY],
}  # fmt: skip
_ANSWER = {
    "request": ENTRY, "problem": str, "version": str, "principal": str, "name": str, "reason": str,
    "decision": str, "signature": str, "key": str, "roles": [str],
}  # fmt: skip

_SIGNED = {
    "principal": str,
    "name": str,
    "reason": str,
    "signature": str,
    "key": str,
    "roles": [str],
    "at": ENTRY,
}
"""What someone signed alone: the whole body without signature, key and roles."""

BODIES: Mapping[str, Mapping[str, Any]] = {
    "ReleaseAdmitted": {
        "version": str, "language": str, "digest": str, "blob": str, "name": str, "object": OBJECT,
    },
    "BatchAdmitted": {
        "digest": str, "blob": str, "name": str, "format": str, "cases": int, "annotations": int,
        "meddra_versions": [str], "dropped": dict, "object": OBJECT,
    },
    "AlreadyAdmitted": {"object": OBJECT, "as": int},
    "Quarantined": {"object": OBJECT, "report": str, "faults": int, "first": str},
    "Announced": {"sequence": int},
    "Held": {"batch": str, "name": str, "reason": str, "report": str},
    "Released": {"batch": str, "name": str, "reason": str, "by": str},
    "DictionaryAdopted": {"version": str, "from": MAYBE},
    "Migrated": {"from": str, "to": str, "mapping": str, "counts": dict, "rows": int},
    "DatasetBuilt": {
        "dataset": str, "parent": MAYBE, "version": MAYBE, "batches": [str], "mappings": [str], "counts": dict,
    },
    "Pretrained": {"base": str, "origin": str, "cases": str},
    "Trained": _TRAINED,
    "Rebuilt": _TRAINED,
    "RebuildCompared": {
        "problem": str, "name": str, "version": str, "specification": str, "rebuilt": (dict, type(None)),
        "same": bool, "line": str, "differs": dict, "conditions": dict,
    },
    "Evaluated": {
        "specification": str, "problem": str, "outcome": str, "report": str, "champion": MAYBE, "policy": str,
    },
    "Loaded": {
        "problem": str, "version": str, "name": str, "report": str, "outcome": str, "reasons": [str], "golden": str,
    },
    "Registered": {"problem": str, "number": int, "version": str, "specification": str, "adapter": str},
    "ApprovalRequested": {
        "problem": str, "name": str, "version": str, "action": ACTIONS, "report": str, "policy": str,
        "expected": MAYBE, "after_switch": int,
    },
    "Approved": _ANSWER,
    "Rejected": _ANSWER,
    "Promoted": _SWITCH,
    "RolledBack": _SWITCH,
    "Overridden": _SWITCH,
    "HoldPlaced": {**_SIGNED, "problem": str, "version": str, "of": str},
    "HoldLifted": {**_SIGNED, "problem": str, "version": str, "of": str, "hold": ENTRY},
    "Collected": {**_SIGNED, "blobs": [{"digest": str, "size": int, "why": str}]},
    "CollectionEnded": {"collection": ENTRY},
    "CurvePoint": {
        "specification": str, "problem": str, "dataset": str, "size": int, "seed": int, "curve": str,
        "scores": dict, "baseline": str, "baseline_scores": dict,
    },
    "BaseTried": {
        "specification": str, "problem": str, "dataset": str, "base": str, "size": int, "seed": int,
        "predictions": str, "seconds": NUMBER, "peak_bytes": (int, type(None)),
    },
    "BasesCompared": {"problem": str, "metric": str, "rows": str},
    "DriftChecked": {
        "problem": str, "version": str, "scored": [str], "cases": int, "drifted": bool, "report": str,
    },
    "Phase": {
        "problem": str, "number": int, "version": str, "name": str, "dataset": str, "rows": int, "metric": str,
        "score": dict, "tune": int, "errors": int, "modes": str,
        "closed": str, "asked": int, "cases": MAYBE, "worklist": MAYBE, "file": MAYBE,
        "stopped": str, "size": int, "how": str, "pool": str, "target": (int, float, type(None)),
    },
    "PolicyUsed": {"policy": str},
    "Scored": {"problem": str, "version": str, "batch": str, "predictions": str, "rows": int},
}  # fmt: skip


def faults(kind: str, body: object) -> list[str]:
    """What is odd about the body of an entry; empty means nothing."""
    return _faults("the body", BODIES.get(kind, {}), body)


def _faults(place: str, form: Any, value: object) -> list[str]:
    if isinstance(form, list):
        if not isinstance(value, list):
            return [f"{place} is no list"]
        return [fault for n, item in enumerate(value, 1) for fault in _faults(f"{place}, {n}", form[0], item)]
    if isinstance(form, frozenset):
        return [] if isinstance(value, str) and value in form else [f"{place} is {value!r:.50}"]
    if not isinstance(form, Mapping):
        return [] if isinstance(value, form) else [f"{place} is {value!r:.50}"]
    if not isinstance(value, Mapping):
        return [f"{place} is no object"]
    found = [f"{place} has no {name!r}" for name in form if name not in value]
    for name in form:
        if name in value:
            found += _faults(repr(name), form[name], value[name])
    return found
