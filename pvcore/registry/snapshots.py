"""What names mean at every 64th entry, so that a name is resolved without reading the whole ledger.

A snapshot `snapshots/<sequence>` is derived: the same entries give the same bytes, whoever writes it, and
it may be missing. Whoever appends entry 64, 128, ... writes it, with those before it that are missing. A
name is resolved from the newest one and the entries after it. The number of entries is found by looking
whether entry 64, 128, 256, ... exists, since entries are dense.

What is trusted: a snapshot only points to entries. Each is read, must have the digest that the snapshot
names, and must be what it is taken for: a champion is what a switch of the problem says. The snapshot's own
last entry must have its digest too, and the entries after it their chain. So a forged snapshot cannot make a
version champion that never was one; it can hide newer switches, as cutting off the ledger's end can.
`Ledger.verify` derives all snapshots anew and finds either. Whatever is decided or scored reads the whole
ledger.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pvcore.errors import Fault, LedgerBroken, NotFound, RegistryError
from pvcore.records import canonical
from pvcore.registry.entry import ORIGIN, REGISTERED, SWITCHES, Entry, Head, entry_key, parse
from pvcore.registry.state import State
from pvcore.registry.store import Store

FORMAT = 1
PREFIX = "snapshots/"
EVERY = 64
"""Entries from one snapshot to the next: at most one less is read after the newest."""
_AT_ONCE, _PROBES = 16, 8
_DOUBLINGS = 24
"""Ledgers of up to 2**24 times 64 entries, a thousand million, are searched."""
_ROLES = {"champion": "version", "previous": "expected"}
"""What a name means, by the field of the last switch that says so."""
Each = Callable[[Callable[[int], Any], Iterable[int]], Iterable[Any]]
"""`map`, for several at once."""


def snapshot_key(sequence: int) -> str:
    """The key of the snapshot at entry `sequence`."""
    return f"{PREFIX}{sequence:012d}"


def derive(entries: Sequence[Entry]) -> Iterator[tuple[int, bytes]]:
    """Sequence and content of every snapshot that these entries, the first of a ledger, amount to."""
    problems: dict[str, dict[str, Any]] = {}
    registered: dict[str, list[Any]] = {}
    for entry in entries:
        if entry.kind == REGISTERED:
            known = problems.setdefault(entry.body["problem"], {"versions": 0})
            registered[entry.body["version"]] = [entry.sequence, entry.digest]
            known.update(versions=known["versions"] + 1, latest=[entry.sequence, entry.digest])
        elif entry.kind in SWITCHES:
            known = problems.setdefault(entry.body["problem"], {"versions": 0})
            known["switch"] = [entry.sequence, entry.digest]
            for role, field in _ROLES.items():
                known[role] = registered.get(entry.body[field])
        if entry.sequence % EVERY == 0:
            head = {"format": FORMAT, "sequence": entry.sequence, "digest": entry.digest}
            yield entry.sequence, canonical({**head, "problems": problems})


def write(store: Store, entries: Sequence[Entry]) -> None:
    """Write the snapshot at the last entry if one is due, and those before it that are missing.

    A snapshot that cannot be written is only missing: the entry itself stands.
    """
    if len(entries) % EVERY:
        return
    due = len(entries)
    with contextlib.suppress(RegistryError):
        while due > EVERY and not store.exists(snapshot_key(due - EVERY)):
            due -= EVERY
        for sequence, content in derive(entries):
            if sequence >= due:
                store.put_if_absent(snapshot_key(sequence), content)


def faults(store: Store, entries: Sequence[Entry]) -> list[Fault]:
    """Every snapshot that is not what the entries amount to. Those that are missing are none."""
    expected = dict(derive(entries))
    advice = "remove it: it is derived, and what reads it reads the entries instead"
    found = []
    for item in store.list(PREFIX):
        number = item.key.removeprefix(PREFIX)
        content = expected.get(int(number) if number.isascii() and number.isdigit() else 0)
        if content is None:
            found.append(Fault(item.key, "belongs to no entry of the ledger", advice))
        elif store.get(item.key) != content:
            found.append(Fault(item.key, "is not what the entries before it amount to", advice))
    return found


def find(store: Store, name: str) -> Entry | None:
    """The Registered entry of `problem@champion`, `@previous`, `@latest` or `@<number>`, from few objects.

    None where the whole ledger has to be read: no snapshot, no such name, a digest. Raises LedgerBroken
    where a snapshot and the ledger do not fit together.
    """
    try:
        return _find(store, name)
    except (
        TypeError,
        ValueError,
        AttributeError,
        LookupError,
    ) as error:  # a forger's snapshot may hold any JSON
        raise LedgerBroken(
            f"{store.url}: a snapshot does not have the form of one: {error!r:.100}. Run: pv ledger verify"
        ) from error


def _find(store: Store, name: str) -> Entry | None:
    problem, at, which = name.partition("@")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        last = _last(store, pool.map) if at else 0
        newest = _read(store, last) if last else None
        if newest is None:
            return None
        tail = State(tuple(_following(store, pool.map, newest["head"])))
        known = newest["problems"].get(problem, {})
        switches, versions = tail.history(problem), tail.versions(problem)
        wanted = None
        if which == "latest":
            return versions[-1] if versions else _registered(store, known.get("latest"), problem)
        if which in ("champion", "previous"):
            back = 1 if which == "champion" else 2
            if len(switches) < back:
                role = "champion" if switches else which  # what the one switch since then replaced
                return _in_role(store, known, role, problem)
            wanted = switches[-1].body[_ROLES[which]]
            which = switches[-back].body["name"].partition("@")[2]
        number = int(which) if re.fullmatch(r"[0-9]{1,9}", which) else 0
        before = known.get("versions", 0)
        if number > before:
            found = versions[number - before - 1] if number - before <= len(versions) else None
        else:
            found = _numbered(store, pool.map, last, problem, number) if number else None
    if found and (found.body["number"] != number or wanted not in (None, found.body["version"])):
        raise LedgerBroken(
            f"{store.url}: {name} would be entry {found.sequence}, which is not what a switch or its own number "
            "says. Run: pv ledger verify"
        )
    return found


def _last(store: Store, each: Each) -> int:
    """How many times 64 entries the ledger has: entries are dense, so that looking for a few of them tells."""
    low, high = 0, 2**_DOUBLINGS
    places = [2**n for n in range(_DOUBLINGS)]
    while places:
        there = list(each(lambda place: store.exists(entry_key(place * EVERY)), places))
        found = [*there, False].index(False)
        low, high = [low, *places, high][found : found + 2]
        step = -(-(high - low) // _PROBES)
        places = list(range(low + step, high, step))
    return low


def _read(store: Store, number: int) -> Mapping[str, Any] | None:
    """Snapshot `number` (1, 2, ...), which fits the entry that it ends with; None where there is none."""
    where = snapshot_key(number * EVERY)
    try:
        fields = json.loads(store.get(where))
        if fields["format"] == FORMAT and fields["sequence"] == number * EVERY:
            entry = _entry(store, number * EVERY, fields["digest"])
            return {"problems": dict(fields["problems"]), "head": Head(entry.sequence, entry.digest)}
    except NotFound:
        return None
    except (ValueError, TypeError, KeyError):
        pass
    raise LedgerBroken(f"{store.url}: {where} was altered or is of a newer pv-retrain. Run: pv ledger verify")


def _entry(store: Store, sequence: int, digest: str) -> Entry:
    entry, _ = parse(sequence, store.get(entry_key(sequence)), None)
    if entry is None or entry.digest != digest:
        raise LedgerBroken(
            f"{store.url}: a snapshot names an entry {sequence} that the ledger does not have: one of the two was "
            "altered. Run: pv ledger verify"
        )
    return entry


def _registered(store: Store, reference: Sequence[Any] | None, problem: str) -> Entry | None:
    """The Registered entry of a problem that a snapshot points to."""
    if not reference:
        return None
    entry = _entry(store, *reference)
    if entry.kind != REGISTERED or entry.body["problem"] != problem:
        raise LedgerBroken(
            f"{store.url}: a snapshot takes entry {entry.sequence} for a version of {problem}. Run: pv ledger verify"
        )
    return entry


def _in_role(store: Store, known: Mapping[str, Any], role: str, problem: str) -> Entry | None:
    """The Registered entry that the last switch before a snapshot made champion, or previous, by that switch."""
    found = _registered(store, known.get(role), problem)
    switch = _entry(store, *known["switch"]) if found and known.get("switch") else None
    if found and (
        switch is None
        or switch.kind not in SWITCHES
        or (switch.body["problem"], switch.body[_ROLES[role]]) != (problem, found.body["version"])
    ):
        raise LedgerBroken(
            f"{store.url}: a snapshot takes entry {found.sequence} for the {role} of {problem}, and no switch says so. "
            "Run: pv ledger verify"
        )
    return found


def _numbered(store: Store, each: Each, last: int, problem: str, number: int) -> Entry | None:
    """Version `number` of a problem: between the last snapshot that has fewer versions and the next."""
    low, high, fewer, start = 0, last, 0, Head(0, ORIGIN)
    while high - low > 1:
        middle = (low + high) // 2
        found = _read(store, middle)
        if found is None:
            return None
        versions = found["problems"].get(problem, {}).get("versions", 0)
        if versions < number:
            low, fewer, start = middle, versions, found["head"]
        else:
            high = middle
    between = State(tuple(_following(store, each, start, high * EVERY))).versions(problem)
    return between[number - fewer - 1] if number - fewer <= len(between) else None


def _following(store: Store, each: Each, head: Head, until: int | None = None) -> Iterator[Entry]:
    """The entries after `head`, chained to it, up to number `until` or to the end."""
    while until is None or head.sequence < until:
        numbers = range(head.sequence + 1, min(head.sequence + _AT_ONCE, until or 10**12) + 1)
        for number, data in zip(numbers, each(lambda n: _get(store, entry_key(n)), numbers), strict=True):
            if data is None:
                return
            entry, faults = parse(number, data, head.digest)
            if entry is None or faults:
                raise LedgerBroken(f"{store.url}: {faults[0]}. Run: pv ledger verify")
            head = Head(entry.sequence, entry.digest)
            yield entry


def _get(store: Store, key: str) -> bytes | None:
    try:
        return store.get(key)
    except NotFound:
        return None
