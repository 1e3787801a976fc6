"""Legal holds, and the collection of blobs that nothing needs: each a signed entry of the ledger.

    plan -> collect (the entry first, then the deletions) -> the next run ends what was cut off

What is signed is the entry's whole body with its meaning, in a namespace of its own, so that no
approval can be taken for it. A collection lists every blob with its size and why it may go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pvcore.errors import NotFound, RegistryError, SignatureRefused
from pvcore.records import canonical
from pvcore.records import digest as digest_of
from pvcore.registry import reach, signing
from pvcore.registry.answers import believed, require_answered
from pvcore.registry.approval import REJECTED, Keys
from pvcore.registry.approvers import ApprovalPolicy, require_role
from pvcore.registry.collected import COLLECTED, ENDED, collections, ended, names_in
from pvcore.registry.ledger import Entry, Head, Ledger, State
from pvcore.registry.manifest import Version, require_files
from pvcore.registry.reach import HELD, LIFTED, Edges, lifts, needed, spent
from pvcore.registry.store import BLOBS, Store, get_blob
from pvcore.registry.store import COLLECTED as MARKERS

NAMESPACE = "pv-retention"
PREDICATE_TYPE = "urn:pv-retrain:retention:v1"
_UNSIGNED = ("signature", "key", "roles")


class RetentionPolicy(BaseModel):
    """Who may hold and collect, and what may go when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roles: tuple[str, ...] = Field(default=(), description="who may place and lift a legal hold, and collect")
    grace_days: float = Field(default=7.0, ge=0, description="of a blob that nothing names yet")
    rejected_days: float | None = Field(
        default=None, ge=0, description="after which the weights of a rejected candidate go; None: never"
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


@dataclass(frozen=True, slots=True)
class Plan:
    """What a collection would delete ({"digest", "size" in bytes, "why"}, by digest), and as of which entry."""

    blobs: tuple[dict[str, Any], ...]
    at: Head

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(blob["size"] for blob in self.blobs)


# --- what is signed -------------------------------------------------------------------------------------


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
    _signed(state, entry.kind, entry.body, rules, at or datetime.fromisoformat(entry.time))


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
    keys = rules.keys
    fingerprint = signing.verify(
        statement(kind, body),
        body["signature"],
        body["principal"],
        keys.allowed_signers,
        NAMESPACE,
        keys.revoked,
        at,
    )
    return fingerprint, roles


def _by(person: Person, at: Head) -> dict[str, Any]:
    return {
        "principal": person.principal,
        "name": person.name,
        "reason": person.reason.strip(),
        "at": {"sequence": at.sequence, "digest": at.digest},
    }


def _append(
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


# --- legal holds ----------------------------------------------------------------------------------------


def holds(state: State, version: str, rules: Rules) -> list[Entry]:
    """The legal holds on a version, oldest first; one is lifted by what was signed as it stands, and nothing else."""
    return reach.holds(state, version, _proven(state, rules))


def _proven(state: State, rules: Rules, store: Store | None = None) -> reach.Proven:
    """Whether an end of a hold or a rejection was signed when it was written; the state before it counts."""

    def check(entry: Entry) -> None:
        if store and entry.kind == REJECTED:
            require_answered(state, store, entry, rules.keys)
        else:
            require_proven(State(state.entries[: entry.sequence - 1]), entry, rules)

    return lambda entry: bool(believed([entry], check)[0])


def hold(ledger: Ledger, store: Store, version: Version, person: Person, rules: Rules) -> Entry:
    """Place a legal hold: the version and all that it leads to stay. Once a person and reason.

    Raises RegistryError where its weights are gone, or a collection that takes some of it was cut off.
    """
    state = ledger.state()
    for known in holds(state, version.digest, rules):
        if (known.body["principal"], known.body["reason"]) == (person.principal, person.reason.strip()):
            return known
    body = {
        "problem": version.problem,
        "version": version.digest,
        "of": version.name,
        **_by(person, state.head),
    }
    return _append(
        ledger,
        HELD,
        body,
        person,
        rules,
        digest_of(body),
        lambda state: _require_there(state, store, version),
    )


def _require_there(state: State, store: Store, version: Version) -> None:
    """Nothing of a version is being collected, and no file of its adapter was."""
    parts = names_in(get_blob(store, version.digest)) | {version.digest}
    for entry in collections(state):
        if not ended(state, entry) and parts & {blob["digest"] for blob in entry.body["blobs"]}:
            raise RegistryError(
                f"{version.name} cannot be held: the collection of entry {entry.sequence}, which was cut off, takes "
                "some of it. Restore it from a backup, or let `pv registry gc` end."
            )
    require_files(store, version)


def lift(ledger: Ledger, version: Version, person: Person, rules: Rules) -> list[Entry]:
    """Lift every legal hold on a version, a signature each. Raises NotFound where there is none."""
    state = ledger.state()
    placed = holds(state, version.digest, rules)
    if not placed:
        raise NotFound(f"{version.name} is not held.")
    lifted = []
    for entry in placed:
        body = {
            "problem": version.problem,
            "version": version.digest,
            "of": version.name,
            "hold": {"sequence": entry.sequence, "digest": entry.digest},
            **_by(person, state.head),
        }
        # An entry that says so and is not signed lifts nothing, and takes no place.
        key = (
            digest_of([entry.digest, *(e.digest for e in said)])
            if (said := lifts(state, entry))
            else entry.digest
        )
        lifted.append(_append(ledger, LIFTED, body, person, rules, key, lambda state: None))
    return lifted


# --- collection -----------------------------------------------------------------------------------------


def plan(state: State, store: Store, rules: Rules, now: datetime | None = None) -> Plan:
    """What may go now: blobs that nothing needs and that are older than the grace period. Reads every needed blob."""
    moment, policy = now or datetime.now(UTC), rules.retention
    listed = {item.key.removeprefix(BLOBS): item for item in store.list(BLOBS)}
    gone: dict[str, tuple[Version, Edges]] = {}
    if policy.rejected_days is not None:
        gone = spent(state, store, policy.rejected_days, moment, _proven(state, rules, store))
    without = _together([edges for _, edges in gone.values()])
    kept = needed(state, store, set(listed), without)
    weights = {
        file["sha256"]: f"weights of {version.name}, which was turned down"
        for version, _ in gone.values()
        for file in version.manifest.adapter["files"].values()
    }
    limit = (moment - timedelta(days=policy.grace_days)).timestamp()
    blobs = tuple(
        {"digest": name, "size": item.size, "why": weights.get(name, "named by nothing")}
        for name, item in listed.items()
        if name not in kept and item.modified < limit
    )
    return Plan(blobs, state.head)


def _together(parts: Sequence[Edges]) -> Edges:
    found: dict[int | str, frozenset[str]] = {}
    for edges in parts:
        for source, targets in edges.items():
            found[source] = found.get(source, frozenset()) | targets
    return found


def collect(ledger: Ledger, store: Store, planned: Plan, person: Person, rules: Rules) -> Entry:
    """Write the signed tombstone of all that is planned, then delete it. Raises SignatureRefused, RegistryError.

    Where the ledger has grown since the plan was made, it is made again: what is needed by now refuses
    the whole collection.
    """
    if not planned.blobs:
        raise NotFound(f"{store.url} has nothing to collect.")
    if any(not ended(ledger.state(), entry) for entry in collections(ledger.state())):
        raise RegistryError("a collection was cut off. End it first, then plan anew.")

    def check(state: State) -> None:
        if state.head != planned.at:
            still = {blob["digest"] for blob in plan(state, store, rules).blobs}
            lost = sorted(blob["digest"] for blob in planned.blobs if blob["digest"] not in still)
            if lost:
                raise RegistryError(
                    f"{len(lost)} of the blobs to collect are needed by now, such as {lost[0]}. Plan anew."
                )

    number = sum(1 for _ in collections(ledger.state())) + 1
    body = {"blobs": list(planned.blobs), **_by(person, planned.at)}
    entry = _append(ledger, COLLECTED, body, person, rules, str(number), check)
    if entry.body["blobs"] != body["blobs"] or entry.actor != person.principal:
        raise RegistryError(
            f"{entry.actor} was collecting at the same time (entry {entry.sequence}). Plan anew."
        )
    _delete(ledger, store, entry)
    return entry


def finish(ledger: Ledger, store: Store, rules: Rules) -> list[Entry]:
    """End the collections that were cut off, each proven anew; returns them. Raises SignatureRefused, RegistryError."""
    state = ledger.state()
    cut_off = [entry for entry in collections(state) if not ended(state, entry)]
    for entry in cut_off:
        require_proven(state, entry, rules)
        before, moment = State(state.entries[: entry.sequence - 1]), datetime.fromisoformat(entry.time)
        may = {blob["digest"] for blob in plan(before, store, rules, moment).blobs}
        there = {item.key.removeprefix(BLOBS) for item in store.list(BLOBS)}
        needed_now = sorted({blob["digest"] for blob in entry.body["blobs"]} & there - may)
        if needed_now:
            raise RegistryError(
                f"ledger entry {entry.sequence} collects {len(needed_now)} blobs that may not go, such as "
                f"{needed_now[0]}. Who wrote it? Nothing is deleted."
            )
        _delete(ledger, store, entry)
    return cut_off


def _delete(ledger: Ledger, store: Store, entry: Entry) -> None:
    """Leave a marker for each blob of a collection, delete it, and say at the end that all are gone."""
    body = entry.body
    marker = {"entry": entry.sequence, "time": entry.time, "by": body["name"], "reason": body["reason"]}
    for blob in body["blobs"]:
        store.put_if_absent(MARKERS + blob["digest"], canonical(marker))
        store.delete(BLOBS + blob["digest"])
    reference = {"sequence": entry.sequence, "digest": entry.digest}
    ledger.append(ENDED, {"collection": reference}, actor="gc", key=entry.digest)
