"""Every term that a text mentions: how near it is to the text."""

from __future__ import annotations

import pytest
import torch

from pvcore.inference.heads.mentions import beside


def test_a_term_is_as_near_as_the_nearest_token_and_padding_is_none():
    states = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]])
    mask, vectors = torch.tensor([[1, 1, 1], [1, 0, 0]]), torch.tensor([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]])
    expected = [[1.0, 1.0, 0.0], [0.0, 0.8, 0.0]]
    assert beside(states, mask, vectors).tolist() == [pytest.approx(row) for row in expected]
