"""The entries as they lie in the store, read one by one, and everything that is wrong with their chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from pvcore.errors import Fault, LedgerBroken
from pvcore.records import digest as digest_of
from pvcore.registry.entry import ORIGIN, PREFIX, REGISTERED, Entry, entry_key, is_entry_key, parse
from pvcore.registry.store import Store


def read(store: Store) -> tuple[dict[int, bytes], list[Fault]]:
    """Number -> bytes of every entry, in order; and keys that are none, and numbers that are missing."""
    keys = [item.key for item in store.list(PREFIX)]
    order = sorted(int(k.removeprefix(PREFIX)) for k in keys if is_entry_key(k))
    faults = [Fault(k, "is no entry of the ledger", "move it away") for k in keys if not is_entry_key(k)]
    missing = [n for a, b in pairwise([0, *order]) for n in range(a + 1, min(b, a + 1001))]
    faults += [Fault(entry_key(n), "is missing", "restore it from a backup") for n in missing[:1000]]
    with ThreadPoolExecutor(16) as pool:
        return dict(zip(order, pool.map(store.get, map(entry_key, order)), strict=True)), faults


def check(contents: Mapping[int, bytes]) -> tuple[list[Entry], list[Fault]]:
    """All entries that can be read, and every fault of form, of the links, and of what may be there once."""
    entries: list[Entry] = []
    faults: list[Fault] = []
    previous: dict[int, str] = {0: ORIGIN}
    seen: dict[tuple[str, str], int] = {}
    versions: dict[str, int] = {}
    for number, data in contents.items():
        previous[number] = digest_of(data)
        entry, found = parse(number, data, previous.get(number - 1))
        faults += found
        if entry is None:
            continue
        entries.append(entry)
        first = seen.setdefault((entry.kind, entry.key), number) if entry.key else number
        if first != number:
            faults.append(Fault(entry_key(number), f"repeats {entry.kind} {entry.key!r} of entry {first}"))
        if (
            entry.kind == REGISTERED
            and not found
            and (first := versions.setdefault(entry.body["version"], number)) != number
        ):
            faults.append(Fault(entry_key(number), f"registers the version of entry {first} a second time"))
    return entries, faults


def backwards(entries: Sequence[Entry]) -> list[Fault]:
    """Entries whose time is before that of their predecessor. Times are the writers' clocks, so this alone
    proves nothing; but whoever asks who was champion when should know of it."""
    return [
        Fault(entry_key(after.sequence), f"says {after.time}, before its predecessor's {before.time}")
        for before, after in pairwise(entries)
        if after.moment < before.moment
    ]


def refuse(where: str, faults: Iterable[Fault]) -> None:
    """Raise LedgerBroken that lists the faults, if there are any."""
    told = [f"  {fault}" for fault in faults]
    if told:
        shown = "\n".join(told[:20])
        raise LedgerBroken(
            f"{where}: the ledger does not hold, {len(told)} fault(s)\n{shown}\n"
            "Nothing is read from it or written to it until it is restored from a backup."
        )
