"""The append-only record of what happened, each entry chained to the one before by its digest.

Entries are objects `ledger/<12 digits>`, created once each by put-if-absent: whoever creates number
n+1 has seen number n, so that two writers never both act on the same state (compare-and-swap and
history in one). Nothing is ever changed or removed; champions and versions are computed (`State`).

What the chain shows and what it cannot: an entry that was altered, exchanged or taken out of the
middle is always found. Entries cut off at the end, or a whole chain written anew, are found only by
whoever kept a signed checkpoint (checkpoint.py) or a `Head` (number and digest of an entry) elsewhere;
signed approvals are such, since each names the digest of its request.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pvcore.errors import Fault, LedgerBroken, NotFound, RegistryError
from pvcore.records import canonical
from pvcore.registry import bodies, chain, collected, snapshots
from pvcore.registry.entry import (
    FORMAT,
    ORIGIN,
    OVERRIDDEN,
    PREFIX,
    PROMOTED,
    REGISTERED,
    ROLLED_BACK,
    SWITCHES,
    Entry,
    Head,
    entry_key,
    is_entry_key,
    parse,
)
from pvcore.registry.state import State
from pvcore.registry.store import Store

__all__ = [
    "ORIGIN", "OVERRIDDEN", "PREFIX", "PROMOTED", "REGISTERED", "ROLLED_BACK", "SWITCHES", "Entry", "Head", "Ledger",
    "State", "entry_key",
]  # fmt: skip

ATTEMPTS = 1000


class Ledger:
    """The entries in a store. Reads each once, checks it when it is read, and is safe between threads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._entries: list[Entry] = []
        self._state = State(())
        self._lock = threading.RLock()

    @property
    def is_read(self) -> bool:
        """Whether the entries were read, so that only new ones are read from now on."""
        return bool(self._entries)

    def entries(self) -> tuple[Entry, ...]:
        """All entries, oldest first, read up to this moment. Raises LedgerBroken."""
        return self.state().entries

    def state(self) -> State:
        """What the entries amount to now. Raises LedgerBroken."""
        with self._lock:
            if not self._entries:
                self._entries = _read_all(self.store)
            while True:
                # A listing may lag behind on some servers; a read of the next number never does.
                try:
                    data = self.store.get(entry_key(len(self._entries) + 1))
                except NotFound:
                    break
                self._entries.append(_follow(self._entries, data))
            # Held against what was read, not against what this look read: the look before may have been cut off.
            if len(self._state.entries) != len(self._entries):
                self._state = State(tuple(self._entries))
            return self._state

    def find(self, kind: str, key: str) -> Entry | None:
        """The entry of this kind and key, or None."""
        return self.state().find(kind, key)

    def append(
        self,
        kind: str,
        body: Mapping[str, Any] | Callable[[State], Mapping[str, Any]],
        *,
        actor: str,
        key: str = "",
    ) -> Entry:
        """Write one entry; exactly once per (kind, key) where `key` is not empty: then returns the old one.

        `body` holds JSON values, or is a function of the state that the entry will directly follow. It
        is called again whenever another writer was faster, and may raise to write nothing. Raises
        RegistryError for a body that lacks what `bodies` says of its kind.
        """
        nonce = secrets.token_hex(16)
        for attempt in range(ATTEMPTS):
            began = time.monotonic()
            state = self.state()
            existing = state.find(kind, key) if key else None
            if existing:
                return existing
            head = state.head
            fields = {
                "format": FORMAT,
                "sequence": head.sequence + 1,
                "previous": head.digest,
                "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "kind": kind,
                "actor": actor,
                "key": key,
                "body": body(state) if callable(body) else body,
                "nonce": nonce,
            }
            if odd := bodies.faults(kind, fields["body"]):
                raise RegistryError(f"{self.store.url}: {kind} is not written: {'; '.join(odd)}.")
            collected.require_kept(state, self.store, kind, canonical(fields["body"]))
            try:
                self.store.put_if_absent(entry_key(head.sequence + 1), canonical(fields))
            except RegistryError:
                # A put that failed without an answer may have been carried out all the same.
                written = self._written(nonce)
                if written is None:
                    raise
                return written
            written = self._written(nonce)
            if written is not None:
                snapshots.write(self.store, self._entries[: written.sequence])
                return written
            # Overtaken: wait in proportion to what a try costs here, so that many writers thin out.
            time.sleep(random.uniform(0, min((time.monotonic() - began) * min(attempt + 1, 8), 2.0)))
        raise RegistryError(
            f"{self.store.url}: {ATTEMPTS} attempts to write {kind} were overtaken. Try again later."
        )

    def verify(self, kept: Head | None = None) -> list[Fault]:
        """Read everything anew from the store and return all faults; empty means that the chain holds.

        With a head that was kept elsewhere, entries cut off at the end and a chain written anew are
        found too; what this object has read before serves as one in any case. Where the chain holds,
        snapshots that do not say what the entries amount to are faults as well.
        """
        contents, faults = chain.read(self.store)
        entries, found = chain.check(contents)
        faults += found
        with self._lock:
            seen = State(tuple(self._entries)).head
        known = {entry.sequence: entry.digest for entry in entries}
        for sequence, expected in {head for head in (kept, seen) if head and head.sequence}:
            where = entry_key(sequence)
            if sequence not in known and not any(fault.where == where for fault in faults):
                said = "is gone: entries were cut off at the end"
                faults.append(Fault(where, said, "restore them from a backup"))
            elif known.get(sequence, expected) != expected:
                faults.append(Fault(where, f"is not the entry {expected[:12]} that was kept as a checkpoint"))
        return faults or snapshots.faults(self.store, entries)

    def _written(self, nonce: str) -> Entry | None:
        with self._lock:
            return next((e for e in reversed(self.state().entries[-ATTEMPTS:]) if e.nonce == nonce), None)


def _read_all(store: Store) -> list[Entry]:
    contents, faults = chain.read(store)
    entries, found = chain.check(contents)
    chain.refuse(store.url, [fault for fault in faults + found if is_entry_key(fault.where)])
    return entries


def _follow(entries: list[Entry], data: bytes) -> Entry:
    head = State(tuple(entries[-1:])).head
    entry, faults = parse(head.sequence + 1, data, head.digest)
    chain.refuse("ledger", faults)
    if entry is None:
        raise LedgerBroken(f"ledger: entry {head.sequence + 1} cannot be read.")
    return entry
