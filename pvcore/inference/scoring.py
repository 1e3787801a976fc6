"""What a network says of texts: class probabilities, embeddings, and probabilities of label words."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvcore.errors import TrainingError
from pvcore.inference import text
from pvcore.inference.text import ROWS, Encoded
from pvcore.records import digest

Floats = NDArray[np.float32]


def class_probabilities(network: Any, tokenizer: Any, encoded: Sequence[Encoded]) -> NDArray[np.float64]:
    """Probabilities, shape (texts, labels), each row from its own text alone."""
    return softmax(_in_blocks(network, tokenizer, encoded, lambda ids, mask: network(ids, mask).logits))


def head_inputs(network: Any, tokenizer: Any, encoded: Sequence[Encoded]) -> Floats:
    """What the classification head gets to see of each text, shape (texts, hidden size)."""
    head = classifier(network)
    seen: list[Any] = []
    hook = head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    try:

        def run(ids: Any, mask: Any) -> Any:
            seen.clear()
            network(ids, mask)
            return seen[0]

        return _in_blocks(network, tokenizer, encoded, run)
    finally:
        hook.remove()


def classifier(network: Any) -> Any:
    """The linear layer that PEFT trains whole on top of a sequence classifier."""
    names = [n for n, m in network.named_modules() if n.endswith("modules_to_save.default")]
    return network.get_submodule(names[0])


def embeddings(network: Any, tokenizer: Any, encoded: Sequence[Encoded]) -> Floats:
    """Unit vectors, shape (texts, hidden size)."""
    return _in_blocks(network, tokenizer, encoded, lambda ids, mask: embed(network, ids, mask))


def embed(network: Any, ids: Any, mask: Any) -> Any:
    """Mean of the last hidden states over the text's tokens, scaled to length 1 (Reimers & Gurevych 2019)."""
    import torch

    hidden = network(input_ids=ids, attention_mask=mask).last_hidden_state
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    mean = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
    return torch.nn.functional.normalize(mean, dim=-1)


def label_probabilities(
    network: Any, tokenizer: Any, prompts: Sequence[Encoded], labels: Sequence[str]
) -> NDArray[np.float64]:
    """P(label) among `labels`, shape (prompts, labels), from the likelihood of each label's tokens.

    A label's likelihood includes the end of the answer, so that a label which begins another one
    is not favoured.
    """
    sequences, endings = [], []
    for prompt in prompts:
        for label in labels:
            ending = completion(tokenizer, label)
            sequences.append(Encoded((*prompt.ids, *ending), ""))
            endings.append(len(ending))
    scores = np.zeros(len(sequences), np.float32)
    for rows, ids, mask in _blocks(network, tokenizer, sequences, left=True):
        found = -completion_losses(network, ids, mask, [endings[row] for row in rows])
        scores[rows] = found.cpu().numpy()[: len(rows)]
    return softmax(scores.reshape(len(prompts), len(labels)))


def completion(tokenizer: Any, label: str) -> tuple[int, ...]:
    """The tokens of an answer: a space, the label, and the end of the text."""
    ids = tokenizer(" " + label, add_special_tokens=False)["input_ids"]
    return (*ids, tokenizer.eos_token_id) if tokenizer.eos_token_id is not None else tuple(ids)


def completion_losses(network: Any, ids: Any, mask: Any, endings: Sequence[int]) -> Any:
    """-log P(completion | prompt) of each row of a left-padded batch, shape (rows,).

    `endings`: number of completion tokens of each row; missing rows count as the first. The output
    head runs on the last positions only: with a long prompt and a short answer that halves the step.
    """
    import torch

    counts = torch.tensor([*endings, *[endings[0]] * (len(ids) - len(endings))], device=ids.device)
    longest = int(counts.max())
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    logits = network(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        logits_to_keep=longest + 1,
        use_cache=False,
    ).logits[:, -longest - 1 : -1]
    losses = torch.nn.functional.cross_entropy(
        logits.float().transpose(1, 2), ids[:, -longest:], reduction="none"
    )
    answered = torch.arange(longest, device=ids.device) >= (longest - counts).unsqueeze(1)
    return (losses * answered).sum(1)


def encode_prompt(
    tokenizer: Any, prompt: Callable[[str], str], value: str, max_tokens: int, longest_answer: int
) -> Encoded:
    """A prompt's tokens with room for the longest answer in `max_tokens`; the text is cut, never the prompt."""
    frame = len(tokenizer(prompt(""), add_special_tokens=True)["input_ids"])
    room = max_tokens - longest_answer - frame
    notes: tuple[str, ...] = ()
    for spare in range(8):  # the seams between prompt and text may cost a token or two
        if room - spare < 1:
            break
        kept, notes = text.shorten(tokenizer, value, room - spare)
        asked = prompt(kept)
        ids = tokenizer(asked, add_special_tokens=True)["input_ids"]
        if len(ids) <= max_tokens - longest_answer:
            return Encoded(
                tuple(ids), digest(asked.encode()), notes if value.strip() else (*notes, "empty text")
            )
    raise TrainingError(
        f"text.max_tokens {max_tokens} leaves no room for a text: the prompt takes {frame} tokens and the "
        f"longest answer {longest_answer}. Set it to {frame + longest_answer + 64} or more."
    )


def softmax(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Row-wise softmax in float64."""
    shifted = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return result


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


def _in_blocks(
    network: Any, tokenizer: Any, encoded: Sequence[Encoded], function: Callable[[Any, Any], Any]
) -> Floats:
    found: Floats | None = None
    for rows, ids, mask in _blocks(network, tokenizer, encoded):
        values = function(ids, mask).float().cpu().numpy()[: len(rows)]
        if found is None:
            found = np.zeros((len(encoded), values.shape[1]), np.float32)
        found[rows] = values
    return np.zeros((0, 1), np.float32) if found is None else found


def _blocks(
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
