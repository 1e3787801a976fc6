"""A network asked about texts in blocks of fixed shape, so that an answer depends on its own text alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvcore.inference import text
from pvcore.inference.text import ROWS, Encoded

Floats = NDArray[np.float32]


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
    """(row numbers, ids, mask) with the network in eval mode; shapes (ROWS, padded length)."""
    import torch

    device = next(network.parameters()).device
    with evaluating(network):
        for width, rows in text.blocks([len(item.ids) for item in encoded]):
            ids, mask = text.pad(
                [encoded[row].ids for row in rows],
                width=width,
                rows=ROWS,
                pad_id=tokenizer.pad_token_id,
                left=left,
            )
            yield rows, torch.tensor(ids, device=device), torch.tensor(mask, device=device)


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
