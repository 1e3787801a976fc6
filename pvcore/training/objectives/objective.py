"""What a family of models has to say to the training loop: its items, their plan, and their loss."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pvcore.inference.text import Encoded, pad
from pvcore.records import digest
from pvcore.training.settings import Sections

if TYPE_CHECKING:
    import pandas as pd
    import torch

PASS = 64
"""Tokens that cost as much as a pass beside its rows: of MiniLM 32 (one thread, float32) to 80 (NF4 in bfloat16)."""
ROOM = 4096
"""Tokens of a pass at most: it bounds the memory of activations (MiniLM 1.6 GB in float32); a pass more costs 2%."""
Plan = list[list[int]]
"""The items of every step, fixed before the first: to resume is to go on reading at a step."""


@dataclass(frozen=True)
class Given:
    """What rows become items with: the base's tokenizer, the recipe's settings, the seed, and the
    dictionary's current terms (llt_code, llt_name, pt_code) for problems that answer with them.
    """

    tokenizer: Any
    settings: Sections
    seed: int
    terms: pd.DataFrame | None = None


@dataclass(frozen=True)
class Objective:
    """`loss(network, items)` is the mean loss over item numbers, with the gradient in it.

    `content` is the digest of everything the items were made of: a checkpoint of other items is
    refused. `divisible` says that the loss of a step is the mean over its parts (micro-batches);
    a contrastive loss is not, because every pair of a step is a negative of the others. `step(network)`
    stands around the losses of a step's parts and their backward passes. `lengths`: tokens of each item, where
    a step may be cut into parts of similar length.
    `of` is the number of the row that each item was made of; None: item i is row i. Numbers beyond the rows are
    the dictionary's own.
    """

    plan: Plan
    loss: Callable[[Any, Sequence[int]], torch.Tensor]
    content: str
    divisible: bool = True
    step: Callable[[Any], AbstractContextManager[Any]] = nullcontext
    lengths: Sequence[int] | None = None
    of: Sequence[int] | None = None

    def rows(self, items: Iterable[int]) -> set[int]:
        """The numbers of the rows that items were made of."""
        return set(items) if self.of is None else {self.of[item] for item in items}


def plan_by_length(
    lengths: Sequence[int],
    *,
    epochs: int,
    batch: int,
    seed: int,
    choices: Sequence[Sequence[int]] | None = None,
) -> Plan:
    """Steps of texts of similar length: every item once an epoch, steps in random order.

    `choices` are items of which one is taken an epoch: the windows of a text, drawn anew each time.

    Items are shuffled, cut into chunks and sorted by length inside a chunk, so that little is padding and the
    company of an item still changes from epoch to epoch. A chunk is a quarter of the epoch, but 16 to 50 steps.
    """
    plan: Plan = []
    for epoch in range(epochs):
        chance = random.Random(f"{seed}:{epoch}")
        order = list(range(len(lengths))) if choices is None else [chance.choice(own) for own in choices]
        chance.shuffle(order)
        size = batch * max(16, min(50, len(order) // (4 * batch)))
        chunks = [order[i : i + size] for i in range(0, len(order), size)]
        in_order = [item for chunk in chunks for item in sorted(chunk, key=lambda i: lengths[i])]
        steps = [in_order[i : i + batch] for i in range(0, len(in_order), batch)]
        chance.shuffle(steps)
        plan += steps
    return plan


def parts_by_length(items: Sequence[int], lengths: Sequence[int], most: int) -> list[list[int]]:
    """The items of a step in parts of similar length, of `most` rows and ROOM tokens at most, shortest first.

    Of all such cuts the one with the fewest tokens to compute: a part's rows are padded to its longest, and
    a pass costs as much as PASS tokens more. A row that is longer than ROOM is a part of its own.
    """
    order = sorted(items, key=lambda item: lengths[item])
    cheapest, start_of = [0], [0]
    for end in range(1, len(order) + 1):
        longest = lengths[order[end - 1]]
        rows = max(1, min(most, end, ROOM // longest))
        cost, start = min((cheapest[end - n] + n * longest + PASS, end - n) for n in range(1, rows + 1))
        cheapest.append(cost)
        start_of.append(start)
    parts, end = [], len(order)
    while end:
        parts.append(order[start_of[end] : end])
        end = start_of[end]
    return parts[::-1]


def content_digest(*parts: Any) -> str:
    """Digest of what an objective was made of."""
    return digest(list(parts))


def batch(network: Any, tokenizer: Any, encoded: Sequence[Encoded]) -> tuple[Any, Any]:
    """(ids, mask) on the network's device, padded to the longest text; on a GPU up to a multiple of eight."""
    import torch

    device = next(network.parameters()).device
    longest = max(len(item.ids) for item in encoded)
    width = longest if device.type == "cpu" else -(-longest // 8) * 8  # a GPU's fast kernels want it
    ids, mask = pad([e.ids for e in encoded], width=width, rows=len(encoded), pad_id=tokenizer.pad_token_id)
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
