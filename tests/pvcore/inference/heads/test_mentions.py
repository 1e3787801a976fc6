"""Every term that a text mentions: how near it is to the text."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pvcore.inference.heads.mentions import beside


def test_a_term_is_as_near_as_the_nearest_stretch_and_padding_is_none():
    """The second term is nearer to several tokens together than to any of them."""
    states = torch.tensor([[[3.0, 0.0], [0.0, 2.0], [-0.8, 0.0]], [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]])
    mask, vectors = torch.tensor([[1, 1, 1], [1, 0, 0]]), torch.tensor([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]])
    two, three = np.hypot(3, 2), np.hypot(2.2, 2)  # lengths of the sums of stretches of two and three tokens
    second = max(0.8, (3 * 0.6 + 2 * 0.8) / two, (2.2 * 0.6 + 2 * 0.8) / three)
    expected = [[1.0, second, 1.0], [0.0, 0.8, 0.0]]
    assert beside(states, mask, vectors).tolist() == [pytest.approx(row) for row in expected]
