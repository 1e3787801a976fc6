"""Every term that a text mentions: what is chosen, and that company does not change it."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from pvcore.inference.heads.mentions import MIDDLE, beside, best_cut


def test_a_term_is_as_near_as_the_nearest_token_and_padding_is_none():
    states = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]])
    mask, vectors = torch.tensor([[1, 1, 1], [1, 0, 0]]), torch.tensor([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]])
    expected = [[1.0, 1.0, 0.0], [0.0, 0.8, 0.0]]
    assert beside(states, mask, vectors).tolist() == [pytest.approx(row) for row in expected]


def f1(scores, right, cut) -> float:
    said = scores >= cut
    return 2 * (said & right).sum() / (said.sum() + right.sum())


def test_the_cut_has_the_best_f1_that_any_cut_has():
    chance = random.Random(1)
    for _ in range(50):
        scores = np.array([chance.randint(0, 12) / 12 for _ in range(20)])
        right = np.array([chance.random() < 0.3 for _ in scores])
        right[0] = True
        best = max(f1(scores, right, cut) for cut in np.unique(scores))
        assert f1(scores, right, best_cut(scores, right)) == pytest.approx(best)
    assert best_cut(np.array([0.3]), np.array([False])) == MIDDLE
