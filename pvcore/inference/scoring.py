"""A network asked about texts in blocks of fixed shape, so that an answer depends on its own text alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvcore.inference import text
from pvcore.inference.text import ROWS, Encoded

Floats = NDArray[np.float32]
_ALONE: ContextVar[bool] = ContextVar("alone", default=False)


@contextlib.contextmanager
def one_at_a_time(alone: bool = True) -> Iterator[None]:
    """Blocks of one row instead of ROWS: slower, and exact where a block's rows can influence each other.

    On a CPU they do not. Elsewhere a kernel may sum a row in another order by its place in the block.
    """
    token = _ALONE.set(alone)
    try:
        yield
    finally:
        _ALONE.reset(token)


def rows_of_a_block() -> int:
    """How many rows every block has."""
    return 1 if _ALONE.get() else ROWS


def in_blocks(
    network: Any, tokenizer: Any, encoded: Sequence[Encoded], function: Callable[[Any, Any], Any]
) -> Floats:
    """What `function(ids, mask)` says of every text, shape (texts, columns), in their order."""
    found: Floats | None = None
    for rows, ids, mask in blocks(network, tokenizer, encoded):
        values = function(ids, mask).float().cpu().numpy()[: len(rows)]
        if found is None:
            found = np.zeros((len(encoded), values.shape[1]), np.float32)
        found[rows] = values
    return np.zeros((0, 1), np.float32) if found is None else found


def blocks(
    network: Any, tokenizer: Any, encoded: Sequence[Encoded], left: bool = False
) -> Iterator[tuple[list[int], Any, Any]]:
    """(row numbers, ids, mask) with the network in eval mode; shapes (rows of a block, padded length)."""
    import torch

    device = next(network.parameters()).device
    with evaluating(network):
        size = rows_of_a_block()
        # Where padding stands before a text there is always some: transformers drops a mask that hides nothing
        # and takes another kernel, so that the company in a block decided.
        for width, rows in text.blocks([len(item.ids) + left for item in encoded], size):
            ids, mask = text.pad(
                [encoded[row].ids for row in rows],
                width=width,
                rows=size,
                pad_id=tokenizer.pad_token_id,
                left=left,
            )
            yield rows, torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def mean_state(hidden: Any, mask: Any) -> Any:
    """Mean of hidden states (rows, tokens, size) over each row's own tokens, shape (rows, size)."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)


@contextlib.contextmanager
def evaluating(network: Any) -> Iterator[None]:
    """Eval mode without gradients, put back at the end."""
    import torch

    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(training)


def softmax(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Row-wise softmax in float64."""
    shifted = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return result


def sigmoid(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Logits -> probabilities, in float64."""
    result: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * scores.astype(np.float64)))
    return result
