"""Caches of keys and values that never grow: what a prefix leaves behind, and what stands before every row.

transformers' own append to themselves, so that a second pass over a layer (recomputed activations)
would see everything twice. This module imports torch: import it where a model is at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer


class Recorded(DynamicLayer):
    """Keeps what the last pass put in, and attends to nothing else."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        self.keys, self.values = key_states, value_states
        return key_states, value_states

    def get_seq_length(self) -> int:
        return 0


class Kept(DynamicLayer):
    """Keys and values of a prefix, shape (1, heads, tokens, size), put before those of every row."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self.keys, self.values, self.before = keys, values, (keys, values)
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        keys, values = (tensor.expand(len(key_states), -1, -1, -1) for tensor in self.before)
        return torch.cat([keys, key_states], dim=-2), torch.cat([values, value_states], dim=-2)


def recording() -> Any:
    """An empty cache to be filled by one pass."""
    return Cache(layer_class_to_replicate=Recorded)


def kept(pairs: Sequence[tuple[Tensor, Tensor]]) -> Any:
    """The cache of (keys, values) of each layer."""
    return Cache(layers=[Kept(keys, values) for keys, values in pairs])
