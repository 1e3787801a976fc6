"""Several answers weighed in one forward pass over their prompt.

The answers' tokens stand behind the prompt as the branches of a tree: each sees the prompt and the
branch that it stands on, and none of the others. So a prompt is encoded once whatever the number of
labels, or of questions with labels of their own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from pvcore.inference import prefix as prefixes
from pvcore.inference import text
from pvcore.inference.scoring import Floats, evaluating, rows_of_a_block

ROOT = -1
"""The node before every branch: the prompt's last token."""


class Continuation(NamedTuple):
    """Tokens after a prompt. The first `given` of them are put, as a question is; the others are weighed."""

    ids: tuple[int, ...]
    given: int = 0


@dataclass(frozen=True)
class Tree:
    """Continuations with their common beginnings laid together; a last token is weighed and never put."""

    continuations: tuple[Continuation, ...]

    @cached_property
    def nodes(self) -> dict[tuple[int, ...], int]:
        """{beginning of a continuation: number}; a parent comes before its children."""
        found: dict[tuple[int, ...], int] = {}
        for ids, _ in self.continuations:
            for length in range(1, len(ids)):
                found.setdefault(ids[:length], len(found))
        return found

    @cached_property
    def depths(self) -> list[int]:
        """Tokens from the prompt's end to each node, itself included."""
        return [len(beginning) for beginning in self.nodes]

    @cached_property
    def lineage(self) -> np.ndarray:
        """Which node may see which, shape (nodes, nodes): its ancestors and itself."""
        known = list(self.nodes)
        return np.array([[mine[: len(its)] == its for its in known] for mine in known], bool).reshape(
            len(known), len(known)
        )

    @cached_property
    def asked(self) -> list[int]:
        """The nodes, ROOT among them, after which a token is weighed."""
        return sorted({node for steps in self.steps for node, _ in steps})

    @cached_property
    def steps(self) -> list[list[tuple[int, int]]]:
        """(node, token after it) of everything that is weighed, for each continuation."""
        return [
            [(self.nodes.get(ids[:at], ROOT), ids[at]) for at in range(given, len(ids))]
            for ids, given in self.continuations
        ]


def log_likelihoods(
    network: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    continuations: Sequence[Continuation],
    prefix: Sequence[int] = (),
) -> Floats:
    """log P(continuation | prompt) in float32, shape (prompts, continuations).

    `prefix` is encoded once; a prompt that does not begin with it is put whole. Each row depends on its
    own prompt alone: blocks have one number of rows and a width that the prompt's own length decides.
    """
    tree, start = Tree(tuple(continuations)), tuple(prefix)
    prefixes.check(network)
    found = np.zeros((len(prompts), len(continuations)), np.float32)
    begins = [tuple(one[: len(start)]) == start and len(one) > len(start) for one in prompts]
    with evaluating(network):
        for shared, chosen in ((start, True), ((), False)):
            rows = [row for row, begun in enumerate(begins) if begun == chosen]
            if not rows:
                continue
            cache = prefixes.encode(network, shared)
            rests = [tuple(prompts[row][len(shared) :]) for row in rows]
            size = rows_of_a_block()
            for width, block in text.blocks([len(rest) + len(tree.nodes) for rest in rests], size):
                chosen_rests = [rests[i] for i in block]
                values = weigh(network, tokenizer, chosen_rests, tree, cache, width=width, rows=size)
                found[[rows[i] for i in block]] = values.cpu().numpy()[: len(block)]
    return found


def weigh(
    network: Any,
    tokenizer: Any,
    rests: Sequence[tuple[int, ...]],
    tree: Tree,
    cache: Any,
    *,
    width: int,
    rows: int,
) -> Any:
    """log P of every continuation after `rests`, a tensor (rows, continuations); missing rows repeat the first.

    `width`: tokens of a row, at least those of a rest and of the tree's nodes. `cache`: the prefix's.
    """
    import torch

    device = next(network.parameters()).device
    before = cache.get_seq_length() if cache is not None else 0
    branches = tuple(beginning[-1] for beginning in tree.nodes)
    lengths = [len(rest) for rest in rests] + [len(rests[0])] * (rows - len(rests))
    ids, _ = text.pad(
        [(*rest, *branches) for rest in rests], width=width, rows=rows, pad_id=tokenizer.pad_token_id
    )
    places = torch.arange(width).repeat(rows, 1)
    for row, length in enumerate(lengths):
        places[row, length : length + len(branches)] = (
            length - 1 + torch.tensor(tree.depths, dtype=torch.long)
        )
    places += before
    wanted = torch.tensor(lengths).unsqueeze(1) + torch.tensor(tree.asked)
    column = {node: number for number, node in enumerate(tree.asked)}
    with answering_at(network, wanted.to(device)):
        logits = network(
            input_ids=torch.tensor(ids, device=device),
            attention_mask=_sight(network.config, places, lengths, tree, before, device),
            position_ids=places.to(device),
            past_key_values=cache,
            use_cache=False,
        ).logits
    logs = logits.float().log_softmax(-1)
    columns = [sum(logs[:, column[node], token] for node, token in steps) for steps in tree.steps]
    return torch.stack(columns, 1)


def _sight(config: Any, places: Any, lengths: Sequence[int], tree: Tree, before: int, device: Any) -> Any:
    """Which token sees which, shape (rows, 1, width, prefix + width), or one such mask for each kind of layer."""
    import torch

    rows, width = places.shape
    own = torch.ones(width, width, dtype=torch.bool).tril().repeat(rows, 1, 1)
    lineage = torch.from_numpy(tree.lineage)
    for row, length in enumerate(lengths):
        here = slice(length, length + len(lineage))
        own[row, here, here] = lineage
    seen = torch.cat([torch.ones(rows, width, before, dtype=torch.bool), own], 2)
    full = seen.unsqueeze(1).to(device)
    window = getattr(config, "sliding_window", None)
    kinds = set(getattr(config, "layer_types", None) or ())
    if window is None or before + width <= window or kinds == {"full_attention"}:
        return full
    keys = torch.cat([torch.arange(before).repeat(rows, 1), places], 1)
    near = places.unsqueeze(2) - keys.unsqueeze(1) < window
    sliding = (seen & near).unsqueeze(1).to(device)
    return {"full_attention": full, "sliding_attention": sliding} if len(kinds) == 2 else sliding


@contextlib.contextmanager
def answering_at(network: Any, positions: Any) -> Iterator[None]:
    """Run the output head on `positions` (rows, positions) of each row only, whatever the model does after it.

    With a long prompt and a short answer the logits of all positions are half of a step and most of its memory.
    """
    import torch

    rows = torch.arange(len(positions), device=positions.device).unsqueeze(1)
    with answering_on(network, (rows, positions)):
        yield


@contextlib.contextmanager
def answering_on(network: Any, chosen: Any) -> Iterator[None]:
    """Run the output layer on the states that `chosen` picks (an index of rows and positions, or a mask) only."""
    head = network.get_output_embeddings()
    hook = head.register_forward_pre_hook(lambda module, inputs: (inputs[0][chosen], *inputs[1:]))
    try:
        yield
    finally:
        hook.remove()
