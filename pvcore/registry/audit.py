"""The whole ledger against what outsiders kept of it: the chain, the tree, and each signed checkpoint.

The chain alone shows what was altered, exchanged or taken out before its last entry. What was cut off at the
end, or written anew from some entry on with a chain of its own, only a checkpoint shows: the root of the
tree over as many entries as it counts is another then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pvcore.errors import Fault, NotFound, RegistryError
from pvcore.records import digest as digest_of
from pvcore.registry import chain, links, merkle, snapshots
from pvcore.registry.checkpoint import Checkpoint
from pvcore.registry.entry import is_entry_key
from pvcore.registry.store import Store


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found of a ledger. `ledger` is the digest of its first entry ("" if it is empty), `root` that of
    all its `size` entries; `notes` are worth a look and prove nothing."""

    ledger: str
    size: int
    root: bytes
    faults: tuple[Fault, ...]
    notes: tuple[Fault, ...] = ()


def audit(store: Store, kept: Mapping[str, Checkpoint] | None = None, *, quick: bool = False) -> Audit:
    """Read the whole ledger and hold it against checkpoints, by the name that each is to be called.

    `quick` looks at the entries' bytes only, chain and tree, and not at what they say or at snapshots; a
    doubt is looked into all the same. Signatures of checkpoints are not looked at here.
    """
    contents, faults = chain.read(store)
    return judge(store, contents, faults, kept or {}, quick=quick)


def judge(
    store: Store,
    contents: Mapping[int, bytes],
    faults: Sequence[Fault],
    kept: Mapping[str, Checkpoint],
    *,
    quick: bool = False,
) -> Audit:
    """What `audit` finds in entries that were read, beside the faults of reading them."""
    data = list(contents.values())
    seen = links.look(data)
    found, notes = list(faults), []
    if not (quick and seen.holds and not faults):
        entries, odd = chain.check(contents)
        found += odd
        notes = chain.backwards(entries)
        if not found:
            found += snapshots.faults(store, entries)
    ledger = digest_of(data[0]) if data else ""
    return Audit(
        ledger, len(data), seen.root(len(data)), (*found, *_against(seen, ledger, kept)), tuple(notes)
    )


def _against(seen: links.Look, ledger: str, kept: Mapping[str, Checkpoint]) -> list[Fault]:
    """What each checkpoint shows of the entries, the shortest first; what still held narrows down what does not."""
    faults, held = [], 0
    for name, checkpoint in sorted(kept.items(), key=lambda item: item[1].size):
        size, told = checkpoint.size, f"{checkpoint.signer} signed on {checkpoint.time}"
        if size > len(seen.contents):
            gone = size - len(seen.contents)
            what = f"{gone} of the {size} entries that {told} are gone: they were cut off at the end"
        elif seen.root(size) == checkpoint.root and checkpoint.ledger == ledger:
            held = size
            continue
        elif checkpoint.ledger != ledger:
            what = f"the ledger that {told} began otherwise: it is another one, or was written anew from the start"
        else:
            what = f"the first {size} entries are not those that {told}: altered or written anew after entry {held}"
        faults.append(Fault(name, what, "restore the ledger from a backup"))
    return faults


def inclusion(store: Store, entry: str, kept: Checkpoint | None = None) -> dict[str, Any]:
    """The proof that an entry, by its number or digest, is in the tree of a checkpoint (default: of all entries).

    It holds the entry's own text; its SHA-256, `digest`, is the leaf. Raises NotFound;
    LedgerBroken where the chain does not hold; RegistryError where the checkpoint is not of this ledger.
    """
    data = sound(store)
    size = kept.size if kept else len(data)
    leaves = [sha256(content).digest() for content in data[:size]]
    root = merkle.root(leaves)
    if kept and (size > len(data) or root != kept.root):
        raise RegistryError(
            f"the {size} entries that {kept.signer} signed are not in this ledger. Run: pv ledger verify"
        )
    number = _number([leaf.hex() for leaf in leaves], entry)
    return {
        "ledger": digest_of(data[0]),
        "number": number,
        "entry": data[number - 1].decode(),
        "digest": leaves[number - 1].hex(),
        "index": number - 1,
        "size": size,
        "root": root.hex(),
        "proof": [step.hex() for step in merkle.inclusion_proof(leaves, number - 1)],
    }


def _number(digests: Sequence[str], entry: str) -> int:
    """The number of an entry by its number or digest, which may be cut to 8 digits."""
    if entry.isascii() and entry.isdigit() and 1 <= int(entry[:13]) <= len(digests):
        return int(entry)
    hits = [n for n, digest in enumerate(digests, 1) if len(entry) >= 8 and digest.startswith(entry)]
    if len(hits) != 1:
        raise NotFound(
            f"{entry!r} is none of the {len(digests)} entries. Give a number, or a digest of `pv history`."
        )
    return hits[0]


def consistency(store: Store, old: Checkpoint, new: Checkpoint) -> dict[str, Any]:
    """The proof that what `old` counts is the beginning of what `new` counts. Raises RegistryError where it is not."""
    data = sound(store)
    if not old.size <= new.size <= len(data):
        raise RegistryError(
            f"the checkpoints count {old.size} and {new.size} entries, the ledger {len(data)}: give the older "
            "one first, and see what `pv ledger verify` says of both."
        )
    leaves = [sha256(content).digest() for content in data[: new.size]]
    proof = merkle.consistency_proof(leaves, old.size)
    if not merkle.verify_consistency(old.size, old.root, new.size, new.root, proof):
        raise RegistryError(
            f"the {old.size} entries that {old.signer} signed are not the beginning of the {new.size} that "
            f"{new.signer} signed: one of them is of another ledger or of a fork. Run: pv ledger verify"
        )
    return {
        "ledger": new.ledger,
        "old": {"size": old.size, "root": old.root.hex()},
        "new": {"size": new.size, "root": new.root.hex()},
        "proof": [step.hex() for step in proof],
    }


def sound(store: Store) -> list[bytes]:
    """The bytes of all entries, in order, if their chain holds. Raises LedgerBroken, NotFound for an empty ledger."""
    contents, faults = chain.read(store)
    found = judge(store, contents, faults, {}, quick=True).faults
    chain.refuse(store.url, [fault for fault in found if is_entry_key(fault.where)])
    if not contents:
        raise NotFound(f"{store.url}: the ledger has no entries yet.")
    return list(contents.values())
