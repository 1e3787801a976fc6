"""What legal holds (`holds`) and collections (`collection`) share: who may, and the signed entry of the ledger.

What is signed is the entry's whole body with its meaning, in a namespace of its own, so that no
approval can be taken for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pvcore.errors import SignatureRefused
from pvcore.records import canonical
from pvcore.registry import reach, signing
from pvcore.registry.answers import believed, require_answered
from pvcore.registry.approval import REJECTED
from pvcore.registry.approvers import ApprovalPolicy, require_role
from pvcore.registry.collected import COLLECTED
from pvcore.registry.ledger import Entry, Head, Ledger, State
from pvcore.registry.reach import HELD
from pvcore.registry.signing import Keys
from pvcore.registry.store import Store

CENTURY = 36_525
"""Days: more of them may leave the calendar."""
NAMESPACE = "pv-retention"
PREDICATE_TYPE = "urn:pv-retrain:retention:v1"
_UNSIGNED = ("signature", "key", "roles")


class RetentionPolicy(BaseModel):
    """Who may hold and collect, and what may go when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roles: tuple[str, ...] = Field(default=(), description="who may place and lift a legal hold, and collect")
    grace_days: float = Field(default=7.0, ge=0, le=CENTURY, description="of a blob that nothing names yet")
    rejected_days: float | None = Field(
        default=None,
        ge=0,
        le=CENTURY,
        description="after which the weights of a rejected candidate go; None: never",
    )


@dataclass(frozen=True, slots=True)
class Person:
    """Who signs, with what, and why."""

    principal: str
    name: str
    reason: str
    key: Path


@dataclass(frozen=True, slots=True)
class Rules:
    """What the workspace says: policies, and where the keys stand."""

    approval: ApprovalPolicy
    retention: RetentionPolicy
    keys: Keys


def statement(kind: str, body: Mapping[str, Any]) -> bytes:
    """The canonical bytes that a person signs: an in-toto statement (v1) with the whole body of the entry."""
    said = {name: value for name, value in body.items() if name not in _UNSIGNED}
    if kind == COLLECTED:
        subject = [{"name": blob["why"], "digest": {"sha256": blob["digest"]}} for blob in body["blobs"]]
    else:
        subject = [{"name": body["of"], "digest": {"sha256": body["version"]}}]
    return canonical(
        {
            "_type": signing.STATEMENT_TYPE,
            "subject": subject,
            "predicateType": PREDICATE_TYPE,
            "predicate": {**said, "event": kind, "meaning": meaning(kind, body)},
        }
    )


def meaning(kind: str, body: Mapping[str, Any]) -> str:
    """What the signature of such an entry means, in words."""
    if kind == COLLECTED:
        return f"{body['name']} has {len(body['blobs'])} blobs deleted that nothing needs"
    verb = "places a legal hold on" if kind == HELD else "lifts a legal hold on"
    return f"{body['name']} {verb} {body['of']}"


def require_proven(state: State, entry: Entry, rules: Rules, at: datetime | None = None) -> None:
    """A hold, its end or a collection was signed as it stands, by someone who may. Raises SignatureRefused."""
    _signed(state, entry.kind, entry.body, rules, at or entry.moment)


def _signed(
    state: State, kind: str, body: Mapping[str, Any], rules: Rules, at: datetime | None = None
) -> tuple[str, list[str]]:
    if not str(body["reason"]).strip():
        raise SignatureRefused(f"{kind} needs its reason.")
    at_entry = body["at"]["sequence"]
    if at_entry and body["at"]["digest"] not in [e.digest for e in state.entries[at_entry - 1 : at_entry]]:
        raise SignatureRefused(
            f"{kind} was signed for another ledger: this one has no such entry {at_entry}."
        )
    roles = require_role(rules.approval, rules.retention.roles, body["principal"], body["name"])
    signed, who = statement(kind, body), body["principal"]
    return signing.verify(signed, body["signature"], who, rules.keys, NAMESPACE, at), roles


def by(person: Person, at: Head) -> dict[str, Any]:
    return {
        "principal": person.principal,
        "name": person.name,
        "reason": person.reason.strip(),
        "at": {"sequence": at.sequence, "digest": at.digest},
    }


def append_signed(
    ledger: Ledger, kind: str, body: dict[str, Any], person: Person, rules: Rules, key: str, check: Any
) -> Entry:
    """Sign a body and append it; `check` is called with the state that the entry follows, and may raise."""
    require_role(rules.approval, rules.retention.roles, person.principal, person.name)
    signed = {**body, "signature": signing.sign(statement(kind, body), person.key, NAMESPACE)}

    def checked(state: State) -> dict[str, Any]:
        check(state)
        fingerprint, roles = _signed(state, kind, signed, rules)
        return {**signed, "key": fingerprint, "roles": roles}

    return ledger.append(kind, checked, actor=person.principal, key=key)


def proven(state: State, rules: Rules, store: Store | None = None) -> reach.Proven:
    """Whether an end of a hold or a rejection was signed when it was written; the state before it counts."""

    def check(entry: Entry) -> None:
        if store and entry.kind == REJECTED:
            require_answered(state, store, entry, rules.keys)
        else:
            require_proven(State(state.entries[: entry.sequence - 1]), entry, rules)

    return lambda entry: bool(believed([entry], check)[0])
