"""Roots and proofs of the well-known tree of eight leaves, and of any tree: what is true is proven, nothing else."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvcore.registry import merkle

INPUTS = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip


def leaf(data: bytes) -> bytes:
    """The hash of a leaf as RFC 6962 has it for any data."""
    return sha256(b"\0" + data).digest()


LEAVES = [leaf(data) for data in INPUTS]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""The test vectors of Certificate Transparency's reference implementation for the first 1 to 8 inputs."""


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, word by word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\1" + by_definition(leaves[:k]) + by_definition(leaves[k:])).digest()


def test_roots_of_the_known_tree() -> None:
    assert merkle.root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert [merkle.root(LEAVES[:n]).hex() for n in range(1, 9)] == ROOTS


def test_proofs_of_the_known_tree() -> None:
    assert [h.hex() for h in merkle.inclusion_proof(LEAVES, 0)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    assert [h.hex() for h in merkle.consistency_proof(LEAVES, 6)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@given(size=st.integers(1, 70), data=st.data())
@settings(max_examples=60)
def test_every_leaf_and_every_beginning_is_proven_and_nothing_else(size: int, data: st.DataObject) -> None:
    leaves = [leaf(str(n).encode()) for n in range(size)]
    whole = merkle.root(leaves)
    assert whole == by_definition(leaves)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    inclusion, consistency = merkle.inclusion_proof(leaves, index), merkle.consistency_proof(leaves, old)
    before = merkle.root(leaves[:old])
    assert merkle.verify_inclusion(leaves[index], index, size, inclusion, whole)
    assert merkle.verify_consistency(old, before, size, whole, consistency)

    other = leaf(b"other")
    assert not merkle.verify_inclusion(other, index, size, inclusion, whole)
    assert not merkle.verify_inclusion(leaves[index], index, size, [*inclusion, other], whole)
    assert not any(
        merkle.verify_inclusion(leaves[index], n, size, inclusion, whole)
        for n in range(-1, size + 2)
        if n != index
    )
    assert not merkle.verify_consistency(old, other, size, whole, consistency)
    assert not merkle.verify_consistency(old, before, size, other, consistency)
    assert not merkle.verify_consistency(old, before, size, whole, [*consistency, other])
    assert not merkle.verify_consistency(0, merkle.EMPTY, size, whole, [])
    assert not merkle.verify_consistency(size + 1, before, size, whole, consistency)
    for n in range(len(consistency)):
        assert not merkle.verify_consistency(old, before, size, whole, consistency[:n] + consistency[n + 1 :])
        assert not merkle.verify_consistency(
            old, before, size, whole, [*consistency[:n], other, *consistency[n + 1 :]]
        )
    for n in range(len(inclusion)):
        assert not merkle.verify_inclusion(
            leaves[index], index, size, inclusion[:n] + inclusion[n + 1 :], whole
        )


@pytest.mark.parametrize("outside", [-1, 8, 9])
def test_what_is_not_in_the_tree_has_no_proof(outside: int) -> None:
    with pytest.raises(IndexError):
        merkle.inclusion_proof(LEAVES, outside)
    with pytest.raises(IndexError):
        merkle.consistency_proof(LEAVES, outside + 1 if outside > 0 else 0)
