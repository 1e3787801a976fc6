"""The chain and the tree by the bytes of the entries alone: for ledgers of a million entries.

That each entry names its number and the digest of the one before, at the place where the canonical form
has them, is enough to see that nothing was changed. The leaves of the tree are these digests: each entry is
hashed once, whoever knows the digests of a ledger can compute its roots, and an entry is proven to be in it without
showing what it says. No entry passes for an inner node, which hashes 65 bytes that begin with 01: an entry begins
with `{` and is longer (its link alone is). What the entries say is looked at by `chain.check`,
which costs many times as much and also tells what is wrong with which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from operator import itemgetter

import numpy as np

from pvcore.registry import merkle
from pvcore.registry.entry import ORIGIN

PART = 2**9
"""Entries that are looked at in one go: few, so that they stay in the processor's cache and the memory for their
links is used again; a power of two, so that they are a subtree."""
_BEFORE, _BETWEEN, _AFTER = b'","previous":"', b'","sequence":', b',"time":"'
_TIME = len('2030-01-02T03:04:05.678Z"}')
_DIGEST = 64


@dataclass(frozen=True, slots=True)
class Look:
    """Whether entries 1, 2, ... follow each other as they are written today, and the roots of their parts.

    `holds` False is a doubt, not a finding: `chain.check` tells.
    """

    contents: Sequence[bytes]
    holds: bool
    parts: tuple[bytes, ...]

    def root(self, size: int) -> bytes:
        """The root of the Merkle tree over the first `size` entries."""
        whole = size // PART
        rest = [sha256(data).digest() for data in self.contents[whole * PART : size]]
        return merkle.root([*self.parts[:whole], *([merkle.root(rest)] if rest else [])])


def look(contents: Sequence[bytes]) -> Look:
    """Look at entries 1, 2, ... by their bytes."""
    found = [_part(contents, start) for start in range(0, len(contents), PART)]
    return Look(contents, all(holds for holds, _ in found), tuple(root for _, root in found))


def _part(contents: Sequence[bytes], start: int) -> tuple[bool, bytes]:
    """Whether the part that begins after `start` entries follows what is before it, and its root."""
    part = contents[start : start + PART]
    before = sha256(contents[start - 1]).digest() if start else bytes.fromhex(ORIGIN)
    digests = [sha256(data).digest() for data in part]
    at, holds, named = 0, True, [before, *digests]
    while at < len(part):  # numbers of as many digits have the link at the same place
        width = len(str(start + at + 1))
        until = min(len(part), 10**width - start - 1)
        holds &= _linked(part[at:until], b"".join(named[at:until]), start + at + 1, width)
        at = until
    return holds, merkle.root(digests)


def _linked(contents: Sequence[bytes], previous: bytes, first: int, width: int) -> bool:
    """Whether all end in `","previous":"<digest>","sequence":<number>,"time":"<24 signs>"}`."""
    expected = _expected(previous, first, len(contents), width)
    tail = slice(-len(expected) // len(contents) - _TIME, -_TIME)
    return b"".join(map(itemgetter(tail), contents)) == expected


def _expected(previous: bytes, first: int, count: int, width: int) -> bytes:
    """What stands before the time of each of these entries, one after the other, by their predecessors' digests."""
    row = b"".join((_BEFORE, b"0" * _DIGEST, _BETWEEN, b"0" * width, _AFTER))
    rows = np.empty((count, len(row)), np.uint8)
    rows[:] = np.frombuffer(row, np.uint8)
    digest, number = len(_BEFORE), len(_BEFORE) + _DIGEST + len(_BETWEEN)
    digits = np.arange(first, first + count)[:, None] // 10 ** np.arange(width)[::-1] % 10
    rows[:, digest : digest + _DIGEST] = np.frombuffer(previous.hex().encode(), np.uint8).reshape(count, -1)
    rows[:, number : number + width] = digits + ord("0")
    return rows.tobytes()
