"""The quick search finds what comparing everything in exact arithmetic finds, in any company."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from pvcore.inference import nearest as module
from pvcore.inference.nearest import exact, nearest


def unit(count: int, size: int, seed: int, spread: float = 1.0) -> np.ndarray:
    """Vectors of length one; with a small spread they all lie close together, as those of a language model do."""
    made = 1 + spread * np.random.default_rng(seed).normal(size=(count, size))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def by_fractions(query: np.ndarray, vectors: np.ndarray, top: int) -> list[int]:
    """All compared, without rounding; equal ones by the lower row."""
    dots = [
        sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(query, v, strict=True)) for v in vectors
    ]
    return sorted(range(len(vectors)), key=lambda row: (-dots[row], row))[:top]


@pytest.mark.parametrize("spread", [1.0, 1e-3])
def test_the_best_are_those_of_exact_arithmetic(spread):
    vectors, queries = unit(300, 32, 1, spread), unit(8, 32, 2, spread)
    vectors[250:] = vectors[:50]  # two codes of one name
    found = list(nearest(queries, vectors, 5))
    for query, ranked in zip(queries, found, strict=True):
        dots = [exact(query, vector) for vector in vectors]
        assert ranked == sorted(enumerate(dots), key=lambda p: (-p[1], p[0]))[:5]
    if spread == 1.0:  # further apart than doubles can blur
        rows = [[row for row, _ in ranked] for ranked in found]
        assert rows == [by_fractions(query, vectors, 5) for query in queries]


def test_place_company_and_rough_product_do_not_matter(monkeypatch):
    vectors, queries = unit(2000, 48, 3, 0.05), unit(150, 48, 4, 0.05)
    found = list(nearest(queries, vectors, 5))
    order = np.random.default_rng(5).permutation(len(queries))
    assert list(nearest(queries[order], vectors, 5)) == [found[i] for i in order]
    assert [next(nearest(queries[i : i + 1], vectors, 5)) for i in range(20)] == found[:20]
    monkeypatch.setattr(module, "ROWS", 7)
    assert list(nearest(queries, vectors, 5)) == found


def test_a_rough_product_that_is_off_by_the_bound_changes_nothing(monkeypatch):
    """The worst that single precision allows, with either sign, in every similarity."""
    import torch

    vectors, queries = unit(500, 64, 6, 0.001), unit(10, 64, 7, 0.001)
    found, chance = list(nearest(queries, vectors, 5)), torch.Generator().manual_seed(1)
    multiply = torch.Tensor.__matmul__

    def worst(a, b):
        right = multiply(a, b)
        signs = torch.randint(0, 2, right.shape, generator=chance) * 2 - 1
        return right + signs * (64 * 2.0**-24)

    monkeypatch.setattr(torch.Tensor, "__matmul__", worst)
    assert list(nearest(queries, vectors, 5)) == found
    monkeypatch.setattr(module, "margin", lambda size: 0.0)
    assert list(nearest(queries, vectors, 5)) != found  # the margin is what holds it


def test_equal_vectors_go_by_row_and_few_are_all():
    vectors = unit(3, 16, 8)[[0, 1, 0, 2, 0]]
    (ranked,) = nearest(vectors[:1], vectors, 3)
    assert [row for row, _ in ranked] == [0, 2, 4] and len({value for _, value in ranked}) == 1
    (ranked,) = nearest(vectors[:1], vectors[:2], 10)
    assert [row for row, _ in ranked] == [0, 1]
    assert list(nearest(vectors[:0], vectors, 5)) == []


@pytest.mark.parametrize("spread", [1.0, 1e-3])
def test_a_thing_counts_by_its_best_name(spread):
    """Sixty things of 300 names, of which the last hundred count less."""
    vectors, queries = unit(300, 32, 10, spread), unit(8, 32, 11, spread)
    chance = np.random.default_rng(12)
    of = np.concatenate([np.arange(60), chance.integers(0, 60, 240)])
    less = np.where(np.arange(300) < 200, 0.0, 0.5)
    for query, ranked in zip(queries, nearest(queries, vectors, 5, of=of, less=less), strict=True):
        dots = [exact(query, vector) for vector in vectors]
        values = [dot - max(0, 1 - dot) * share for dot, share in zip(dots, less, strict=True)]
        best = [min((r for r in range(300) if of[r] == n), key=lambda r: (-values[r], r)) for n in range(60)]
        assert ranked == [(r, values[r]) for r in sorted(best, key=lambda r: (-values[r], r))[:5]]


def test_of_equal_vectors_the_first_is_found_whatever_rounding_makes_of_their_length():
    """Half of all unit vectors have a product with themselves above 1: what is taken off must not turn into a gift."""
    vectors = unit(100, 48, 15)
    of, less = np.concatenate([np.arange(100), np.roll(np.arange(100), 1)]), np.repeat([0.0, 0.5], 100)
    found = nearest(vectors, np.concatenate([vectors, vectors]), 2, of=of, less=less)
    assert [ranked[0][0] for ranked in found] == list(range(100))
    assert any(exact(v, v) > 1 for v in vectors) and any(exact(v, v) < 1 for v in vectors)


def test_many_names_of_one_thing_are_not_all_compared_exactly(monkeypatch):
    vectors = np.concatenate([unit(50, 32, 16), unit(1000, 32, 17)])
    of = np.concatenate([np.arange(50), np.zeros(1000, int)])
    asked, counted = unit(10, 32, 18), []
    expected = list(nearest(asked, vectors, 5, of=of))
    monkeypatch.setattr(module, "exact", lambda a, b: counted.append(1) or exact(a, b))
    assert list(nearest(asked, vectors, 5, of=of)) == expected
    assert len(counted) < 100


def test_many_names_of_one_thing_leave_room_for_others():
    vectors = np.concatenate([unit(1, 16, 13)] * 50 + [unit(4, 16, 14)])
    (ranked,) = nearest(vectors[:1], vectors, 3, of=np.array([0] * 50 + [1, 2, 3, 4]))
    assert ranked[0][0] == 0 and len(ranked) == 3
