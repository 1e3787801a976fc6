"""Tamper with a ledger at random, many times, and count what verification finds, and by what.

    python benchmarks/tamper.py                     # 10,000 changes in memory, 500 of them in a folder too
    python benchmarks/tamper.py --rounds 1000 --in-folder 0 --entries 500

A ledger of plausible entries is written into a local store by the platform's own code, and a checkpoint of it
is signed. Each round changes a copy of the store in one way, as somebody could who may write to it, and runs
what `pv ledger verify CHECKPOINT` runs. `chain` counts what the entries (and snapshots) show by themselves,
`checkpoint` what only the checkpoint showed. Exit code 1 if anything was not found.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pvcore.errors import NotFound
from pvcore.records import canonical, digest
from pvcore.registry import audit, checkpoint, signing
from pvcore.registry.checkpoint import Checkpoint
from pvcore.registry.entry import ORIGIN, entry_key
from pvcore.registry.ledger import Ledger
from pvcore.registry.store import ObjectInfo, Store, open_store

SIGNER = "outsider@example.org"
Data = dict[str, bytes]
"""What lies in the store, by key."""


class Memory:
    """A store in memory, to be read."""

    url = "memory:"

    def __init__(self, data: Data) -> None:
        self.data = data

    def get(self, key: str) -> bytes:
        try:
            return self.data[key]
        except KeyError:
            raise NotFound(key) from None

    def list(self, prefix: str) -> list[ObjectInfo]:
        return [ObjectInfo(k, len(v), "") for k, v in sorted(self.data.items()) if k.startswith(prefix)]


# --- a ledger, and what is kept of it ------------------------------------------------------------------


def event(number: int) -> tuple[str, dict[str, Any]]:
    """Kind and body of the event with this number: versions come, some are asked for, signed and promoted."""
    version, name = digest(f"version {number // 5}"), f"seriousness@{number // 5 + 1}"
    entry = {"sequence": max(1, number - 1), "digest": digest("entry")}
    about = {"problem": "seriousness", "name": name, "version": version, "expected": None}
    return (
        ("Evaluated", {"specification": digest("s"), "problem": "seriousness", "outcome": "pass",
                       "report": digest("r"), "champion": None, "policy": digest("p")}),
        ("Registered", {"problem": "seriousness", "number": number // 5 + 1, "version": version,
                        "specification": digest("s"), "adapter": digest("a")}),
        ("ApprovalRequested", {**about, "action": "promote", "report": digest("r"), "policy": digest("p"),
                               "after_switch": 0}),
        ("Approved", {"request": entry, "problem": "seriousness", "version": version, "principal": "jane",
                      "name": "Dr Jane Roe", "reason": "recall held", "decision": "approve",
                      "signature": "U1NIU0lH" * 40, "key": "SHA256:abc", "roles": ["safety-physician"]}),
        ("Promoted", {**about, "asked": digest("q"), "request": entry, "signatures": 1, "approvals": [entry]}),
    )[number % 5]  # fmt: skip


def write(store: Store, entries: int) -> None:
    """Write a ledger of so many entries, as the platform does."""
    ledger = Ledger(store)
    for number in range(entries):
        ledger.append(*event(number), actor="benchmark", key=str(number))


def signed(store: Store, folder: Path) -> Checkpoint:
    """A checkpoint of all entries, signed, written, read and verified as an outsider would."""
    found, allowed = audit.audit(store), folder / "allowed_signers"
    key = signing.make_key(folder / "key", SIGNER, allowed)
    allowed.write_text(allowed.read_text().replace(signing.NAMESPACE, checkpoint.NAMESPACE))
    file = folder / "checkpoint.txt"
    file.write_text(str(checkpoint.sign(found.ledger, found.size, found.root, SIGNER, key)), "ascii")
    kept = checkpoint.read(file)
    checkpoint.verify(kept, signing.Keys(allowed))
    return kept


# --- what somebody can do who may write to the store ---------------------------------------------------


def entries_of(data: Data) -> list[bytes]:
    return [data[key] for key in sorted(data) if key.startswith("ledger/")]


def with_entries(data: Data, entries: list[bytes]) -> Data:
    """The store with these entries and no snapshots: who changes entries would take those away, too."""
    other = {key: value for key, value in data.items() if not key.startswith(("ledger/", "snapshots/"))}
    return {**other, **{entry_key(n): value for n, value in enumerate(entries, 1)}}


def chained(entries: list[bytes], first: int) -> list[bytes]:
    """The same with the links from entry `first` (0, 1, ...) on written anew: a chain that holds."""
    made = entries[:first]
    for number, value in enumerate(entries[first:], first + 1):
        previous = digest(made[-1]) if made else ORIGIN
        made.append(canonical({**json.loads(value), "previous": previous, "sequence": number}))
    return made


def reworded(chance: random.Random, entry: bytes) -> bytes:
    """The entry with one field changed, in good form."""
    fields = json.loads(entry)
    field = chance.choice(["actor", "time", "body", "key", "nonce", "kind"])
    new = {"time": f"20{chance.randrange(10, 99)}-01-02T03:04:05.678Z", "kind": "Noted"}
    fields[field] = (
        {**fields["body"], "note": chance.random()}
        if field == "body"
        else new.get(field, f"{chance.random()}")
    )
    return canonical(fields)


def edit_byte(chance: random.Random, data: Data) -> Data:
    entries = entries_of(data)
    at = chance.randrange(len(entries))
    place = chance.randrange(len(entries[at]))
    new = bytes([entries[at][place] ^ chance.randrange(1, 256)])
    entries[at] = entries[at][:place] + new + entries[at][place + 1 :]
    return with_entries(data, entries)


def edit_field(chance: random.Random, data: Data) -> Data:
    entries = entries_of(data)
    at = chance.randrange(len(entries))
    entries[at] = reworded(chance, entries[at])
    return with_entries(data, entries)


def delete(chance: random.Random, data: Data) -> Data:
    gone = chance.sample(range(1, len(entries_of(data))), chance.randint(1, 3))
    return {key: value for key, value in data.items() if key not in set(map(entry_key, gone))}


def delete_and_close_up(chance: random.Random, data: Data) -> Data:
    entries = entries_of(data)
    at = chance.randrange(len(entries) - 1)
    del entries[at]
    return with_entries(data, chance.choice([entries, chained(entries, at)]))


def insert(chance: random.Random, data: Data) -> Data:
    entries = entries_of(data)
    at = chance.randrange(len(entries))
    entries.insert(at, chance.choice([entries[at], reworded(chance, chance.choice(entries))]))
    return with_entries(data, chance.choice([entries, chained(entries, at)]))


def reorder(chance: random.Random, data: Data) -> Data:
    entries = entries_of(data)
    one, other = sorted(chance.sample(range(len(entries)), 2))
    entries[one], entries[other] = entries[other], entries[one]
    return with_entries(data, chance.choice([entries, chained(entries, one)]))


def truncate(chance: random.Random, data: Data) -> Data:
    entries = entries_of(data)
    return with_entries(data, entries[: chance.randrange(len(entries))])


def fork(chance: random.Random, data: Data) -> Data:
    """From some entry on another history, as long, shorter or longer, whose chain holds."""
    entries = entries_of(data)
    at = chance.randrange(len(entries))
    # No version is registered twice: the chain itself would show that.
    free = [entry for entry in map(json.loads, entries) if entry["kind"] != "Registered"]
    more = [canonical({**entry, "key": ""}) for entry in free[: chance.randrange(5)]]
    other = [reworded(chance, entry) for entry in entries[at:]] + more
    length = chance.randint(1, len(other))
    return with_entries(data, chained(entries[:at] + other[:length], at))


def forge_snapshot(chance: random.Random, data: Data) -> Data:
    key = chance.choice([key for key in data if key.startswith("snapshots/")])
    fields = json.loads(data[key])
    entries = entries_of(data)
    at = chance.randrange(len(entries))
    role = chance.choice(["champion", "previous", "latest"])
    fields["problems"]["seriousness"][role] = [at + 1, digest(entries[at]), chance.random()][
        : chance.randint(2, 3)
    ]
    return {**data, key: canonical(fields)}


CHANGES: dict[str, Callable[[random.Random, Data], Data]] = {
    "edit: a byte": edit_byte,
    "edit: a field, in good form": edit_field,
    "deletion": delete,
    "deletion, numbers closed up": delete_and_close_up,
    "insertion": insert,
    "reordering": reorder,
    "truncation": truncate,
    "fork: another history, rechained": fork,
    "forged snapshot": forge_snapshot,
}


# --- count ---------------------------------------------------------------------------------------------


def tamper(
    data: Data, kept: Checkpoint, rounds: int, seed: int, look: Callable[[Data], Store]
) -> dict[str, Counter[str]]:
    """Change -> how often it was found by "chain", only by "checkpoint", or was "missed"; `look` lays it out."""
    chance = random.Random(seed)
    counted: dict[str, Counter[str]] = {name: Counter() for name in CHANGES}
    for number in range(rounds):
        name = list(CHANGES)[number % len(CHANGES)]
        changed = CHANGES[name](chance, data)
        while changed == data:
            changed = CHANGES[name](chance, data)
        faults = audit.audit(look(changed), {"kept": kept}).faults
        by = {"checkpoint" if fault.where == "kept" else "chain" for fault in faults}
        counted[name]["chain" if "chain" in by else "checkpoint" if by else "missed"] += 1
    return counted


def laid_out(folder: Path, data: Data) -> Callable[[Data], Store]:
    """A way to make the real store in `folder`, which has `data`, hold other data."""
    store, lies = open_store(str(folder)), dict(data)

    def look(changed: Data) -> Store:
        for key in lies.keys() - changed.keys():
            (folder / key).unlink()
            del lies[key]
        for key, value in changed.items():
            if lies.get(key) != value:
                (folder / key).write_bytes(value)
                lies[key] = value
        return store

    return look


def prepared(folder: Path, entries: int) -> tuple[Path, Data, Checkpoint]:
    """A store in `folder`, what lies in it, and a checkpoint of it."""
    root = folder / "store"
    write(open_store(str(root)), entries)
    data = {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}
    return root, data, signed(open_store(str(root)), folder)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--in-folder", type=int, default=500, help="rounds on files of a real store besides")
    parser.add_argument("--entries", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    missed = 0
    with tempfile.TemporaryDirectory() as place:
        root, data, kept = prepared(Path(place), asked.entries)
        if audit.audit(Memory(data), {"kept": kept}).faults:
            raise SystemExit("the untouched ledger does not hold")
        for where, rounds, look in (
            ("in memory", asked.rounds, Memory),
            ("in a folder", asked.in_folder, laid_out(root, data)),
        ):
            counted = tamper(data, kept, rounds, asked.seed, look) if rounds else {}
            print(f"\n{rounds} changes of a ledger of {asked.entries} entries, {where}\n")
            print(
                "| change | rounds | found by the chain | only by the checkpoint | missed |\n|---|---:|---:|---:|---:|"
            )
            for name, found in counted.items():
                cells = [sum(found.values()), found["chain"], found["checkpoint"], found["missed"]]
                print(f"| {name} | {' | '.join(f'{cell:,}' for cell in cells)} |")
            missed += sum(found["missed"] for found in counted.values())
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main())
