"""Who signed what, when and with which meaning, as it is shown wherever a record is printed (21 CFR 11.50)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pvcore.config import Workspace
from pvcore.cycle.retention import require_proven
from pvcore.errors import PvError
from pvcore.registry import promotion, retention, signing
from pvcore.registry.answers import require_answered
from pvcore.registry.ledger import Entry, State
from pvcore.registry.reach import HELD, LIFTED

ANSWERS = (promotion.APPROVED, promotion.REJECTED)
Row = dict[str, Any]


def signatures(workspace: Workspace, digest: str) -> list[Row]:
    """Every signature about a version, oldest first: answers to requests, legal holds and their ends."""
    state = workspace.ledger.state()
    return [
        signature(workspace, state, entry)
        for entry in state.entries
        if entry.kind in (*ANSWERS, HELD, LIFTED) and entry.body["version"] == digest
    ]


def signature(workspace: Workspace, state: State, entry: Entry) -> Row:
    """The signature of one entry. `time` is that of the entry, UTC; `key` the fingerprint.

    `verified` is "yes", or "no: " and why this is no signature: whoever can write to the store can write entries.
    """
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
        "verified": _verified(workspace, state, entry),
    }


def _verified(workspace: Workspace, state: State, entry: Entry) -> str:
    """Answers by the policy of their request, the others by today's; keys as of the time of the entry."""
    try:
        if entry.kind in ANSWERS:
            require_answered(state, workspace.store, entry, workspace.keys)
        else:
            require_proven(workspace, state, entry)
    except PvError as error:
        return f"no: {error}"
    return "yes"


def meaning(state: State, entry: Entry) -> str:
    """What the signature of an entry means, in the words that were signed."""
    if entry.kind not in ANSWERS:
        return retention.meaning(entry.kind, entry.body)
    asked = named(state, entry.body["request"], promotion.REQUESTED)
    if asked is None:
        return f"{entry.body['name']} answers a request that this ledger does not have"
    return signing.meaning(
        asked, "approve" if entry.kind == promotion.APPROVED else "reject", entry.body["name"]
    )


def in_a_line(workspace: Workspace, state: State, entry: Entry) -> str:
    """Name, time, meaning and reason of a signature; first of all why it is none, where it does not verify."""
    row = signature(workspace, state, entry)
    odd = "" if row["verified"] == "yes" else f"NOT VERIFIED ({row['verified'].removeprefix('no: ')}) "
    when = row["time"][:16].replace("T", " ")
    return f"{odd}{row['meaning']}, signed {when} UTC as {row['principal']}: {row['reason']}"


def under(workspace: Workspace, state: State, switch: Entry) -> str:
    """The signatures that a switch rests on, in a line."""
    approvals = [named(state, reference, promotion.APPROVED) for reference in switch.body["approvals"]]
    return "; ".join(
        in_a_line(workspace, state, entry) if entry else "an approval that is none" for entry in approvals
    )


def named(state: State, reference: Mapping[str, Any], kind: str) -> Entry | None:
    """The entry that another one names, if it is there: what is only shown may be forged."""
    found = state.entries[max(reference["sequence"] - 1, 0) : max(reference["sequence"], 0)]
    return next((e for e in found if (e.kind, e.digest) == (kind, reference["digest"])), None)
