"""The tree behind a proof of absence: built once from all ids, then asked for one path at a time.

Kept are the sorted keyed hashes and one inner node for each pair of neighbours, the one that parts them: 64
bytes a record. A path is read from these by bisection, so no proof hashes more than it holds itself, twice.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pvcore.registry.absence import (
    ABSENT,
    EMPTY,
    PRESENT,
    bit,
    index_of,
    key_of,
    leaf_of,
    node_of,
    root_of,
    salt_of,
)

Rows = npt.NDArray[np.uint8]
CHUNK = 2**18
"""Neighbours that are compared at a time."""


@dataclass(frozen=True)
class Tree:
    """`index` (records, 32) sorted; `nodes` (records - 1, 32): row i parts the records i and i + 1."""

    secret: bytes
    index: Rows
    nodes: Rows

    @property
    def root(self) -> str:
        """What is committed to, 64 hex digits."""
        return root_of(key_of(self.secret), self._hash(0, len(self.index), 0)).hex()

    def prove(self, case: str) -> dict[str, Any]:
        """The parts of a proof that the tree knows: claim, key, sides, path, end (see `absence.check`)."""
        key = key_of(self.secret)
        index = index_of(key, case)
        low, high = 0, len(self.index)
        path: list[bytes] = []
        while high - low > 1:
            depth = len(path)
            middle = self._part(low, high, depth)
            own, beside = ((low, middle), (middle, high))[:: -1 if bit(index, depth) else 1]
            path.append(self._hash(*beside, depth + 1))
            low, high = own
        found = self.index[low].tobytes() if high > low else None
        return {
            "claim": PRESENT if found == index else ABSENT,
            "key": key.hex(),
            "sides": "".join("0" if item == EMPTY else "1" for item in path),
            "path": base64.b64encode(b"".join(item for item in path if item != EMPTY)).decode(),
            "end": found and {"index": found.hex(), "salt": salt_of(self.secret, found).hex()},
        }

    def _part(self, low: int, high: int, depth: int) -> int:
        """The first record of a range that takes the right side; all agree in the bits before."""
        while low < high:
            middle = (low + high) // 2
            if bit(self.index[middle].tobytes(), depth):
                high = middle
            else:
                low = middle + 1
        return low

    def _hash(self, low: int, high: int, depth: int) -> bytes:
        """The subtree of a range of records, as it stands at a depth."""
        if low == high:
            return EMPTY
        first, last = self.index[low].tobytes(), self.index[high - 1].tobytes()
        if high - low == 1:
            return leaf_of(first, salt_of(self.secret, first))
        parted = next(place for place in range(256) if bit(first, place) != bit(last, place))
        return _lifted(self.nodes[self._part(low, high, parted) - 1].tobytes(), first, parted, depth)


def build(cases: Iterable[str], secret: bytes) -> Tree:
    """The tree of these case ids, in whatever order and however often each is named."""
    key = key_of(secret)
    made = bytearray()
    for case in cases:
        made += hmac.digest(key, case.encode(), "sha256")
    index = np.frombuffer(made, np.uint8).reshape(-1, 32)
    index.view("S32").ravel().sort()
    new = np.ones(len(index), bool)
    for at in range(1, len(index), CHUNK):
        part = index[at - 1 : at + CHUNK]
        new[at : at + len(part) - 1] = (part[1:] != part[:-1]).any(axis=1)
    index = index if new.all() else index[new]
    return Tree(secret, index, _nodes(index, secret))


def _nodes(index: Rows, secret: bytes) -> Rows:
    """The node that parts each pair of neighbours, from left to right: what is open waits on a stack."""
    nodes = bytearray(32 * max(len(index) - 1, 0))
    raw = index.reshape(-1).data
    waiting: list[tuple[int, bytes, int]] = []
    """(depth of a node, its left side, its row) whose right side is not known yet, the deepest last."""
    at = 0
    for depths in _parted(index):
        for parted in depths.tolist():
            own = bytes(raw[32 * at : 32 * at + 32])
            node, depth = leaf_of(own, salt_of(secret, own)), None
            while waiting and waiting[-1][0] > parted:
                node, depth = _closed(waiting.pop(), node, depth, own, nodes)
            waiting.append((parted, node if depth is None else _lifted(node, own, depth, parted + 1), at))
            at += 1
    if at:
        own = bytes(raw[32 * at :])
        node, depth = leaf_of(own, salt_of(secret, own)), None
        while waiting:
            node, depth = _closed(waiting.pop(), node, depth, own, nodes)
    return np.frombuffer(nodes, np.uint8).reshape(-1, 32)


def _closed(
    waited: tuple[int, bytes, int], right: bytes, depth: int | None, own: bytes, nodes: bytearray
) -> tuple[bytes, int]:
    """A waiting node with its right side, written into its row; `depth` is the right side's, None for a leaf."""
    parted, left, row = waited
    node = node_of(left, right if depth is None else _lifted(right, own, depth, parted + 1))
    nodes[32 * row : 32 * row + 32] = node
    return node, parted


def _lifted(node: bytes, index: bytes, depth: int, target: int) -> bytes:
    """A subtree as it stands further up, with nobody beside it on the way."""
    for place in range(depth - 1, target - 1, -1):
        node = node_of(EMPTY, node) if bit(index, place) else node_of(node, EMPTY)
    return node


def _parted(index: Rows) -> Iterable[npt.NDArray[np.int64]]:
    """The first bit in which each record and the next differ, some at a time."""
    words = index.view(">u4")
    for at in range(0, len(index) - 1, CHUNK):
        part = words[at : at + CHUNK + 1]
        other = part[1:] ^ part[:-1]
        which = (other != 0).argmax(axis=1)
        _, length = np.frexp(other[np.arange(len(other)), which].astype(np.float64))
        yield 32 * which + 32 - length


def keep(tree: Tree, folder: Path) -> None:
    """Write a tree's arrays below a folder of this root, so that the next proof need not build it.

    Several processes may do so at once.
    """
    place = folder / tree.root
    place.mkdir(parents=True, exist_ok=True)
    for name in ("index", "nodes"):
        work = place / f".{name}.{secrets.token_hex(6)}.npy"
        np.save(work, getattr(tree, name))
        work.replace(place / f"{name}.npy")


def kept(folder: Path, root: str, secret: bytes) -> Tree | None:
    """A tree that was kept, read from the disk as it is asked; None if there is none of this root that can be read."""
    files = [folder / root / f"{name}.npy" for name in ("index", "nodes")]
    try:
        tree = Tree(secret, *(np.load(file, mmap_mode="r") for file in files))
        return tree if tree.root == root else None
    except (
        OSError,
        EOFError,
        ValueError,
        LookupError,
        StopIteration,
    ):  # cut off by a full disk or a power failure
        return None
