"""What a family of models has to say to the training loop: its items, their plan, and their loss."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pvcore.records import digest

if TYPE_CHECKING:
    import torch

Plan = list[list[int]]
"""The items of every step, fixed before the first: to resume is to go on reading at a step."""


@dataclass(frozen=True)
class Objective:
    """`loss(network, items)` is the mean loss over item numbers, with the gradient in it.

    `content` is the digest of everything the items were made of: a checkpoint of other items is
    refused. `divisible` says that the loss of a step is the mean over its parts (micro-batches);
    a contrastive loss is not, because every pair of a step is a negative of the others.
    """

    plan: Plan
    loss: Callable[[Any, Sequence[int]], torch.Tensor]
    content: str
    divisible: bool = True


def plan_by_length(lengths: Sequence[int], *, epochs: int, batch: int, seed: int) -> Plan:
    """Steps of texts of similar length: every item once an epoch, steps in random order.

    Items are shuffled, cut into chunks of 16 steps and sorted by length inside a chunk, so that
    little is padding and the company of an item still changes from epoch to epoch.
    """
    plan: Plan = []
    for epoch in range(epochs):
        chance = random.Random(f"{seed}:{epoch}")
        order = list(range(len(lengths)))
        chance.shuffle(order)
        chunks = [order[i : i + 16 * batch] for i in range(0, len(order), 16 * batch)]
        in_order = [item for chunk in chunks for item in sorted(chunk, key=lambda i: lengths[i])]
        steps = [in_order[i : i + batch] for i in range(0, len(in_order), batch)]
        chance.shuffle(steps)
        plan += steps
    return plan


def content_digest(*parts: Any) -> str:
    """Digest of what an objective was made of."""
    return digest(list(parts))
