"""The collection of blobs that nothing needs: a signed entry of the ledger that lists each with why it may go.

plan -> collect (the entry first, then the deletions) -> the next run ends what was cut off
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pvcore.errors import NotFound, RegistryError
from pvcore.records import canonical
from pvcore.registry.blobs import BLOBS
from pvcore.registry.blobs import COLLECTED as MARKERS
from pvcore.registry.collected import COLLECTED, ENDED, collections, ended
from pvcore.registry.content import is_digest
from pvcore.registry.ledger import Entry, Head, Ledger, State
from pvcore.registry.reach import Edges, needed, spent
from pvcore.registry.retention import Person, Rules, append_signed, by, proven, require_proven
from pvcore.registry.store import ObjectInfo, Store
from pvcore.registry.version import Version


@dataclass(frozen=True, slots=True)
class Plan:
    """What a collection would delete ({"digest", "size" in bytes, "why"}, by digest), and as of which entry."""

    blobs: tuple[dict[str, Any], ...]
    at: Head

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(blob["size"] for blob in self.blobs)


def plan(state: State, store: Store, rules: Rules, now: datetime | None = None) -> Plan:
    """What may go now: blobs that nothing needs and that are older than the grace period. Reads every needed blob."""
    moment, policy = now or datetime.now(UTC), rules.retention
    listed = _listed(store)
    gone: dict[str, tuple[Version, Edges]] = {}
    if policy.rejected_days is not None:
        gone = spent(state, store, policy.rejected_days, moment, proven(state, rules, store))
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


def _listed(store: Store) -> dict[str, ObjectInfo]:
    """The blobs of a store by their digests. What else lies there (a file manager's) is nobody's to delete."""
    found = {item.key.removeprefix(BLOBS): item for item in store.list(BLOBS)}
    return {name: item for name, item in found.items() if is_digest(name)}


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
    body = {"blobs": list(planned.blobs), **by(person, planned.at)}
    entry = append_signed(ledger, COLLECTED, body, person, rules, str(number), check)
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
        before = State(state.entries[: entry.sequence - 1])
        may = {blob["digest"] for blob in plan(before, store, rules, entry.moment).blobs}
        needed_now = sorted({blob["digest"] for blob in entry.body["blobs"]} & {*_listed(store)} - may)
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
        if not is_digest(blob["digest"]):
            continue  # a collection of before listed whatever lay beside the blobs
        store.put_if_absent(MARKERS + blob["digest"], canonical(marker))
        store.delete(BLOBS + blob["digest"])
    reference = {"sequence": entry.sequence, "digest": entry.digest}
    ledger.append(ENDED, {"collection": reference}, actor="gc", key=entry.digest)
