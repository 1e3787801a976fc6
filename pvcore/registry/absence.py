"""A proof that a case is not in a committed set, or that it is: checked with the standard library alone.

The set is a compact sparse Merkle tree. A record's place in it is its keyed hash, bit by bit from the root, and
its leaf stands as far up as it is alone:

    index = HMAC-SHA256(key, case id)        salt = HMAC-SHA256(secret, index)
    leaf  = SHA-256(0, index, salt)          inner node = SHA-256(1, left, right)        nobody = 32 zero bytes
    root  = SHA-256(2, key, top node)

Where a case would stand there is either its own leaf, or another's, or nobody: one root cannot show two of
these, so nobody has to believe that the tree was sorted (Dahlberg, Pulls and Peeters 2016, "Efficient Sparse
Merkle Trees"). `pvcore.registry.absence_tree` builds it; this file imports nothing of the product, so that who
doubts it can read and run it alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FORMAT = 1
EMPTY = bytes(32)
ABSENT, PRESENT = "absent", "present"
LIMITS = (
    "Shown is what the committed set holds. That training read nothing else rests on its own record, made where "
    "batches are handed out, and on the rebuild of the version.",
    "An id says nothing of the same case under another id, or in other words: near-duplicates are answered apart.",
    "What the base model was pretrained on by its makers is not known here; further pretraining with pv is counted.",
    "That the entry is the registry's is seen by its digest: compare it with a copy of the ledger or a checkpoint.",
)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a proof shows: `claim` of `case` for `version`; `entry` is the ledger's number and digest that bind it."""

    claim: str
    case: str
    version: str
    records: int
    entry: tuple[int, str]
    manifest: str


def key_of(secret: bytes) -> bytes:
    """What a verifier is given of a version's secret: enough to find a case's place, not to find a leaf's salt."""
    return hmac.digest(secret, b"key", "sha256")


def index_of(key: bytes, case: str) -> bytes:
    """A case's place in the tree."""
    return hmac.digest(key, case.encode(), "sha256")


def salt_of(secret: bytes, index: bytes) -> bytes:
    """What keeps a leaf beside a path from being guessed by who has the key."""
    return hmac.digest(secret, b"salt" + index, "sha256")[:16]


def leaf_of(index: bytes, salt: bytes) -> bytes:
    """The hash of a record."""
    return hashlib.sha256(b"\0" + index + salt).digest()


def node_of(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(key: bytes, top: bytes) -> bytes:
    """What is committed to: with another key a case would stand elsewhere, so the key is part of it."""
    return hashlib.sha256(b"\2" + key + top).digest()


def bit(index: bytes, depth: int) -> int:
    """The side that an index takes at a depth: 0 left, 1 right."""
    return index[depth >> 3] >> (7 - (depth & 7)) & 1


def check(document: object) -> Checked:
    """What a proof document shows. Raises ValueError for one that shows nothing, with the reason."""
    try:
        proof, text = document["proof"], document["registered"]  # type: ignore[index]
        if proof["format"] != FORMAT:
            raise ValueError(f"format {proof['format']!r} is not {FORMAT}: use a newer pv-retrain")
        claim = _claim(proof)
        number = _bound(proof, text)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"this is no proof: {type(error).__name__} {error}".rstrip()) from None
    return Checked(
        claim, proof["case"], proof["version"], proof["records"], (number, proof["entry"]), proof["manifest"]
    )


def _claim(proof: Mapping[str, Any]) -> str:
    """Absent or present, as the path shows it."""
    key, end = bytes.fromhex(proof["key"]), proof["end"]
    index = index_of(key, proof["case"])
    siblings = _siblings(proof["sides"], base64.b64decode(proof["path"], validate=True))
    node, shown = EMPTY, ABSENT
    if end is not None:
        other, salt = bytes.fromhex(end["index"]), bytes.fromhex(end["salt"])
        if len(other) != 32 or any(bit(other, depth) != bit(index, depth) for depth in range(len(siblings))):
            raise ValueError("the record that the path ends at does not stand where this case would stand")
        node, shown = leaf_of(other, salt), PRESENT if other == index else ABSENT
    for depth in range(len(siblings) - 1, -1, -1):
        beside = siblings[depth]
        node = node_of(beside, node) if bit(index, depth) else node_of(node, beside)
    if root_of(key, node).hex() != proof["root"]:
        raise ValueError(
            "the path does not lead to the root: the proof was altered, or is of another case or version"
        )
    if shown != proof["claim"]:
        raise ValueError(
            f"it claims {str(proof['claim'])[:20]!r}, and its path shows that the case is {shown}"
        )
    return shown


def _siblings(sides: str, path: bytes) -> Sequence[bytes]:
    """The hash beside each step from the root down: `sides` says 1 where one stands in `path`, 0 for nobody."""
    if set(sides) - {"0", "1"} or len(sides) > 256 or len(path) != 32 * sides.count("1"):
        raise ValueError("the path is cut off or too long")
    rest = iter([path[at : at + 32] for at in range(0, len(path), 32)])
    return [next(rest) if side == "1" else EMPTY for side in sides]


def _bound(proof: Mapping[str, Any], text: str) -> int:
    """The number of the ledger's entry, once it says that this version committed to this root."""
    if hashlib.sha256(text.encode()).hexdigest() != proof["entry"]:
        raise ValueError("the ledger entry that comes with it does not have the digest that the proof names")
    entry = json.loads(text)
    body, number = entry["body"], entry["sequence"]
    said = {
        "kind": entry["kind"],
        "version": f"{body['problem']}@{body['number']}",
        "manifest": body["version"],
        "root": body["read"]["root"],
        "records": body["read"]["records"],
    }
    wrong = [name for name, value in said.items() if value != {**proof, "kind": "Registered"}[name]]
    if wrong:
        raise ValueError(f"the ledger entry that comes with it says otherwise about: {', '.join(wrong)}")
    return int(number)
