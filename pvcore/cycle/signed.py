"""Who signed what, when and with which meaning, as it is shown wherever a record is printed (21 CFR 11.50)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pvcore.config import Workspace
from pvcore.registry import promotion, retention, signing
from pvcore.registry.ledger import Entry, State
from pvcore.registry.reach import HELD, LIFTED

ANSWERS = (promotion.APPROVED, promotion.REJECTED)
Row = dict[str, Any]


def signatures(workspace: Workspace, digest: str) -> list[Row]:
    """Every signature about a version, oldest first: answers to requests, legal holds and their ends."""
    state = workspace.ledger.state()
    return [
        signature(state, entry)
        for entry in state.entries
        if entry.kind in (*ANSWERS, HELD, LIFTED) and entry.body["version"] == digest
    ]


def signature(state: State, entry: Entry) -> Row:
    """The signature of one entry. `time` is that of the entry, UTC; `key` the fingerprint."""
    body = entry.body
    return {
        "name": body["name"],
        "principal": body["principal"],
        "roles": body["roles"],
        "time": entry.time,
        "meaning": meaning(state, entry),
        "reason": body["reason"],
        "key": body["key"],
        "entry": entry.sequence,
    }


def meaning(state: State, entry: Entry) -> str:
    """What the signature of an entry means, in the words that were signed."""
    if entry.kind not in ANSWERS:
        return retention.meaning(entry.kind, entry.body)
    asked = _entry(state, entry.body["request"], promotion.REQUESTED)
    if asked is None:
        return f"{entry.body['name']} answers a request that this ledger does not have"
    return signing.meaning(
        asked, "approve" if entry.kind == promotion.APPROVED else "reject", entry.body["name"]
    )


def in_a_line(state: State, entry: Entry) -> str:
    """Name, time, meaning and reason of a signature."""
    row = signature(state, entry)
    return f"{row['meaning']}, signed {row['time'][:16].replace('T', ' ')} UTC as {row['principal']}: {row['reason']}"


def under(state: State, switch: Entry) -> str:
    """The signatures that a switch rests on, in a line."""
    approvals = [_entry(state, reference, promotion.APPROVED) for reference in switch.body["approvals"]]
    return "; ".join(in_a_line(state, entry) if entry else "an approval that is none" for entry in approvals)


def _entry(state: State, reference: Mapping[str, Any], kind: str) -> Entry | None:
    """The entry that another one names, if it is there: what is only shown may be forged."""
    found = state.entries[reference["sequence"] - 1 : reference["sequence"]]
    return next((e for e in found if (e.kind, e.digest) == (kind, reference["digest"])), None)
