"""What many prompts begin with, encoded once: keys and values that all of them attend to.

A drug-safety prompt is a long instruction and a short report. Encoding the instruction of P tokens once
for B reports of S tokens costs P + B S tokens instead of B (P + S), and gives the same numbers: a
token of a causal model sees nothing of what follows it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pvcore.errors import TrainingError

PROBES = ("a", "Z", "7", " x", "\nx", "\u00e9", "(", "")
"""Openings of texts: what the prompts of all of them share is the prompt's own."""
ATTENTION = {"full_attention", "sliding_attention"}


def common(sequences: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The longest common beginning that leaves each sequence at least its last token.

    The tokens are those of the whole prompts, so that no prompt is tokenised differently for being divided.
    """
    if not sequences:
        return ()
    first, last = (
        min(map(tuple, sequences)),
        max(map(tuple, sequences)),
    )  # what these share, all between them do
    most = max(0, min(map(len, sequences)) - 1)
    return first[: next((at for at in range(most) if first[at] != last[at]), most)]


def instruction(tokenizer: Any, prompt: Callable[[str], str]) -> tuple[int, ...]:
    """The tokens with which a problem's prompt begins whatever the text: a property of the prompt alone."""
    return common([tokenizer(prompt(probe), add_special_tokens=True)["input_ids"] for probe in PROBES])


def encode(network: Any, ids: Sequence[int]) -> Any:
    """The prefix's cache, with the gradient in it where gradients are on. Raises TrainingError.

    It is of one row and is never written to: `network(ids, past_key_values=cache)` attends to it in
    every row of `ids`. None for a prefix of no tokens.
    """
    if not ids:
        return None
    import torch

    from pvcore.inference import caches

    check(network)
    device = next(network.parameters()).device
    recorded = caches.recording()
    # Only the cache is wanted: the output head runs on one position.
    network(
        input_ids=torch.tensor([list(ids)], device=device),
        past_key_values=recorded,
        use_cache=False,
        logits_to_keep=1,
    )
    if len(recorded.layers) != network.config.num_hidden_layers:
        raise TrainingError(
            f"a {network.config.model_type} leaves no keys and values of its prompt behind. "
            "Write training.shared_prefix: false in the recipe."
        )
    return caches.kept([(layer.keys, layer.values) for layer in recorded.layers])


@contextlib.contextmanager
def for_step(network: Any, ids: Sequence[int]) -> Iterator[Any]:
    """The prefix's cache for all parts of a training step, encoded once and run backward through once.

    The parts' gradients gather on the cache's tensors; at the end they go on into the prefix.
    """
    import torch

    from pvcore.inference import caches

    made = encode(network, ids)
    if made is None:
        yield None
        return
    whole = [tensor for layer in made.layers for tensor in (layer.keys, layer.values)]
    leaves = [tensor.detach().requires_grad_(tensor.requires_grad) for tensor in whole]
    yield caches.kept(list(zip(leaves[::2], leaves[1::2], strict=True)))
    pairs = [(t, leaf.grad) for t, leaf in zip(whole, leaves, strict=True) if leaf.grad is not None]
    if pairs:
        torch.autograd.backward([t for t, _ in pairs], [gradient for _, gradient in pairs])


def check(network: Any) -> None:
    """Raise TrainingError for a base whose layers keep something else than keys and values of all tokens."""
    odd = set(getattr(network.config, "layer_types", None) or ()) - ATTENTION
    if odd:
        raise TrainingError(
            f"a {network.config.model_type} has layers of {', '.join(sorted(odd))}: its labels cannot be "
            "weighed over a shared prefix. Choose a base whose layers all attend (Phi, Llama, Mistral, Qwen2)."
        )


def keep_cache_when_recomputing(network: Any) -> None:
    """Let layers with recomputed activations read the prefix's cache.

    transformers drops every cache there, because a cache that grows would grow again in the second
    pass. These do not grow.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    for module in network.modules():
        if isinstance(module, GradientCheckpointingLayer):
            module._can_checkpoint_with_cache = True
