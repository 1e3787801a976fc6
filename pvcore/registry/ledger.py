"""The append-only record of what happened, each entry chained to the one before by its digest.

Entries are objects `ledger/<12 digits>`, created once each by put-if-absent: whoever creates number
n+1 has seen number n, so that two writers never both act on the same state (compare-and-swap and
history in one). Nothing is ever changed or removed; champions and versions are computed (`State`).

What the chain shows and what it cannot: an entry that was altered, exchanged or taken out of the
middle is always found. Entries cut off at the end, or a whole chain written anew, are found only by
whoever kept a `Checkpoint` (number and digest of an entry) elsewhere; signed approvals are such
checkpoints, since each names the digest of its request.
"""

from __future__ import annotations

import json
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

from pvcore.errors import Fault, LedgerBroken, NotFound, RegistryError
from pvcore.records import canonical
from pvcore.records import digest as digest_of
from pvcore.registry import bodies, collected
from pvcore.registry.store import Store

FORMAT = 1
PREFIX = "ledger/"
ORIGIN = "0" * 64
"""What the first entry names as its predecessor."""
REGISTERED, PROMOTED, ROLLED_BACK, OVERRIDDEN = "Registered", "Promoted", "RolledBack", "Overridden"
SWITCHES = (PROMOTED, ROLLED_BACK, OVERRIDDEN)
FIELDS = {"format", "sequence", "previous", "time", "kind", "actor", "key", "body", "nonce"}
ATTEMPTS = 1000


class Checkpoint(NamedTuple):
    """Number and digest of an entry; kept outside the store it shows that nothing was cut off."""

    sequence: int
    digest: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One event. `time` is the writer's clock, UTC; `digest` the SHA-256 of the stored bytes.

    `key` names what the event is about: (kind, key) happens at most once where key is not empty.
    `nonce` lets a writer whose request was cut off find out whether it was written.
    """

    sequence: int
    previous: str
    time: str
    kind: str
    actor: str
    key: str
    body: dict[str, Any]
    nonce: str
    digest: str


@dataclass(frozen=True)
class State:
    """What the entries amount to: which versions exist and which is champion. Entries in order."""

    entries: tuple[Entry, ...]

    @property
    def checkpoint(self) -> Checkpoint:
        """The last entry, or (0, ORIGIN) of an empty ledger."""
        last = self.entries[-1:]
        return Checkpoint(last[0].sequence, last[0].digest) if last else Checkpoint(0, ORIGIN)

    def find(self, kind: str, key: str) -> Entry | None:
        """The entry of this kind and key, of which there is at most one."""
        return self._by_key.get((kind, key))

    def last(self, kind: str) -> Entry | None:
        """The newest entry of this kind, or None."""
        return next((entry for entry in reversed(self.entries) if entry.kind == kind), None)

    def versions(self, problem: str) -> tuple[Entry, ...]:
        """The Registered entries of a problem, by number."""
        return tuple(e for e in self._of(REGISTERED) if e.body["problem"] == problem)

    def version(self, digest: str) -> Entry | None:
        """The Registered entry of a version, by the version's digest."""
        return self._by_version.get(digest)

    def problems(self) -> tuple[str, ...]:
        """Problems that have a version, sorted."""
        return tuple(sorted({e.body["problem"] for e in self._of(REGISTERED)}))

    def history(self, problem: str) -> tuple[Entry, ...]:
        """Every switch of a problem's champion (Promoted, RolledBack, Overridden), oldest first."""
        return tuple(e for e in self._of(*SWITCHES) if e.body["problem"] == problem)

    def champion(self, problem: str) -> str | None:
        """Digest of the version that is champion now, or None before the first promotion."""
        history = self.history(problem)
        return history[-1].body["version"] if history else None

    def previous(self, problem: str) -> str | None:
        """Digest of the version that the champion replaced, or None."""
        history = self.history(problem)
        return history[-1].body["expected"] if history else None

    def _of(self, *kinds: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind in kinds]

    @cached_property
    def _by_key(self) -> dict[tuple[str, str], Entry]:
        return {(e.kind, e.key): e for e in reversed(self.entries) if e.key}

    @cached_property
    def _by_version(self) -> dict[str, Entry]:
        return {e.body["version"]: e for e in self._of(REGISTERED)}


class Ledger:
    """The entries in a store. Reads each once, checks it when it is read, and is safe between threads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._entries: list[Entry] = []
        self._state = State(())
        self._lock = threading.RLock()

    def entries(self) -> tuple[Entry, ...]:
        """All entries, oldest first, read up to this moment. Raises LedgerBroken."""
        return self.state().entries

    def state(self) -> State:
        """What the entries amount to now. Raises LedgerBroken."""
        with self._lock:
            known = len(self._entries)
            if not known:
                self._entries = _read_all(self.store)
            while True:
                # A listing may lag behind on some servers; a read of the next number never does.
                try:
                    data = self.store.get(entry_key(len(self._entries) + 1))
                except NotFound:
                    break
                self._entries.append(_follow(self._entries, data))
            if len(self._entries) != known:
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
            head = state.checkpoint
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
                return written
            # Overtaken: wait in proportion to what a try costs here, so that many writers thin out.
            time.sleep(random.uniform(0, min((time.monotonic() - began) * min(attempt + 1, 8), 2.0)))
        raise RegistryError(
            f"{self.store.url}: {ATTEMPTS} attempts to write {kind} were overtaken. Try again later."
        )

    def verify(self, checkpoint: Checkpoint | None = None) -> list[Fault]:
        """Read everything anew from the store and return all faults; empty means that the chain holds.

        With a `checkpoint` that was kept elsewhere, entries cut off at the end and a chain written
        anew are found too; what this object has read before serves as one in any case.
        """
        entries, faults = read_chain(self.store)
        with self._lock:
            seen = State(tuple(self._entries)).checkpoint
        for sequence, expected in {point for point in (checkpoint, seen) if point and point.sequence}:
            known = {entry.sequence: entry.digest for entry in entries}
            if sequence not in known and not any(fault.where == entry_key(sequence) for fault in faults):
                faults.append(
                    Fault(
                        entry_key(sequence),
                        "is gone: entries were cut off at the end",
                        "restore them from a backup",
                    )
                )
            elif known.get(sequence, expected) != expected:
                faults.append(
                    Fault(
                        entry_key(sequence), f"is not the entry {expected[:12]} that was kept as a checkpoint"
                    )
                )
        return faults

    def _written(self, nonce: str) -> Entry | None:
        with self._lock:
            return next((e for e in reversed(self.state().entries[-ATTEMPTS:]) if e.nonce == nonce), None)


def entry_key(sequence: int) -> str:
    """The key of entry `sequence` (1, 2, ...)."""
    return f"{PREFIX}{sequence:012d}"


def read_chain(store: Store) -> tuple[list[Entry], list[Fault]]:
    """All entries that can be read, and every fault of the chain."""
    keys = [item.key for item in store.list(PREFIX)]
    numbered = {int(k.removeprefix(PREFIX)) for k in keys if _is_entry_key(k)}
    faults = [Fault(k, "is no entry of the ledger", "move it away") for k in keys if not _is_entry_key(k)]
    last = max(numbered, default=0)
    for number in sorted(set(range(1, last + 1)) - numbered)[:1000]:
        faults.append(Fault(entry_key(number), "is missing", "restore it from a backup"))
    order = sorted(numbered)
    with ThreadPoolExecutor(16) as pool:
        contents = list(pool.map(store.get, map(entry_key, order)))
    entries: list[Entry] = []
    previous: dict[int, str] = {0: ORIGIN}
    seen: dict[tuple[str, str], int] = {}
    for number, data in zip(order, contents, strict=True):
        previous[number] = digest_of(data)
        entry, found = _parse(number, data, previous.get(number - 1))
        if entry and entry.key:
            first = seen.setdefault((entry.kind, entry.key), number)
            if first != number:
                found = [
                    *found,
                    Fault(entry_key(number), f"repeats {entry.kind} {entry.key!r} of entry {first}"),
                ]
        faults.extend(found)
        if entry:
            entries.append(entry)
    return entries, faults


def _is_entry_key(key: str) -> bool:
    name = key.removeprefix(PREFIX)
    return len(name) == 12 and name.isascii() and name.isdigit() and int(name) > 0


def _read_all(store: Store) -> list[Entry]:
    entries, faults = read_chain(store)
    _raise(store.url, [fault for fault in faults if _is_entry_key(fault.where)])
    return entries


def _follow(entries: list[Entry], data: bytes) -> Entry:
    head = State(tuple(entries[-1:])).checkpoint
    entry, faults = _parse(head.sequence + 1, data, head.digest)
    _raise("ledger", faults)
    if entry is None:
        raise LedgerBroken(f"ledger: entry {head.sequence + 1} cannot be read.")
    return entry


def _raise(where: str, faults: Iterable[Fault]) -> None:
    told = [f"  {fault}" for fault in faults]
    if told:
        shown = "\n".join(told[:20])
        raise LedgerBroken(
            f"{where}: the ledger does not hold, {len(told)} fault(s)\n{shown}\n"
            "Nothing is read from it or written to it until it is restored from a backup."
        )


def _parse(number: int, data: bytes, previous: str | None) -> tuple[Entry | None, list[Fault]]:
    """The entry in `data` and what is wrong with it. `previous` None: the predecessor is missing."""
    where = entry_key(number)
    try:
        fields = json.loads(data)
        if not isinstance(fields, dict) or set(fields) != FIELDS or canonical(fields) != data:
            raise ValueError("not the canonical JSON of an entry")
        if fields["format"] != FORMAT:
            return None, [Fault(where, f"has format {fields['format']!r}", "use a newer pv-retrain")]
        texts = ("previous", "time", "kind", "actor", "key", "nonce")
        if any(not isinstance(fields[name], str) for name in texts) or not isinstance(fields["body"], dict):
            raise ValueError("a field has the wrong type")
        datetime.fromisoformat(fields["time"])
    except (ValueError, RecursionError) as error:
        return None, [Fault(where, f"was altered: {str(error)[:100]}", "restore it from a backup")]
    faults = []
    if fields["sequence"] != number or isinstance(fields["sequence"], bool):
        faults.append(Fault(where, f"holds entry {fields['sequence']}", "restore it from a backup"))
    if previous is not None and fields["previous"] != previous:
        faults.append(
            Fault(
                where,
                f"follows {fields['previous'][:12]}, but its predecessor is {previous[:12]}: one was altered",
            )
        )
    faults += [
        Fault(
            where,
            f"{fields['kind']}: {odd}",
            "restore it from a backup; if a newer pv-retrain wrote it, use that",
        )
        for odd in bodies.faults(fields["kind"], fields["body"])
    ]
    del fields["format"]
    return Entry(**fields, digest=digest_of(data)), faults
