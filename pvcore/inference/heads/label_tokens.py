"""A causal model's own words for the labels, weighed against each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pvcore.errors import TrainingError
from pvcore.inference import text
from pvcore.inference.branches import Continuation, answering_at, log_likelihoods
from pvcore.inference.heads.head import Answer, Head
from pvcore.inference.heads.labels import decided
from pvcore.inference.prefix import instruction
from pvcore.inference.scoring import softmax
from pvcore.inference.text import Encoded
from pvcore.problems import problem
from pvcore.records import digest

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.inference.predict import Model


def probabilities(model: Model, texts: Sequence[str]) -> tuple[NDArray[np.float64], list[Encoded]]:
    """Probabilities of the labels, shape (texts, labels), and the prompts as they were put.

    The prompt's own beginning is encoded once a call.
    """
    card, tokenizer = model.card, model.tokenizer
    longest = max(len(completion(tokenizer, label)) for label in card.labels)
    prompt = problem(card.problem).prompt
    asked = [encode_prompt(tokenizer, prompt, value, card.max_tokens, longest) for value in texts]
    begins = instruction(tokenizer, prompt)
    return label_probabilities(model.network, tokenizer, asked, card.labels, begins), asked


def answers(model: Model, texts: Sequence[str], terms: pd.DataFrame | None) -> list[Answer]:
    """The label that the probabilities and the card's threshold decide for each text."""
    return decided(model, *probabilities(model, texts))


def label_probabilities(
    network: Any,
    tokenizer: Any,
    prompts: Sequence[Encoded],
    labels: Sequence[str],
    prefix: Sequence[int] = (),
) -> NDArray[np.float64]:
    """P(label) among `labels`, shape (prompts, labels), from the likelihood of each label's tokens.

    A label's likelihood includes the end of the answer, so that a label which begins another one
    is not favoured. One forward pass weighs all labels; `prefix` is what the prompts begin with.
    """
    weighed = [Continuation(completion(tokenizer, label)) for label in labels]
    return softmax(log_likelihoods(network, tokenizer, [p.ids for p in prompts], weighed, prefix))


def completion(tokenizer: Any, label: str) -> tuple[int, ...]:
    """The tokens of an answer: a space, the label, and the end of the text."""
    ids = tokenizer(" " + label, add_special_tokens=False)["input_ids"]
    return (*ids, tokenizer.eos_token_id) if tokenizer.eos_token_id is not None else tuple(ids)


def completion_losses(network: Any, ids: Any, lengths: Any, endings: Any, cache: Any = None) -> Any:
    """-log P(completion | prompt) of each row of a right-padded batch, shape (rows,).

    `lengths` and `endings`, shape (rows,): tokens of each row, and how many of them are the completion.
    `cache`: the prefix's (pvcore.inference.prefix), which stands before every row. No mask is needed: what
    pads a row stands behind all that counts.
    """
    import torch

    longest = int(endings.max())
    steps = torch.arange(longest, device=ids.device)
    # Each row's answer, first token first; a shorter one repeats its end, which counts for nothing.
    targets = (lengths - endings).unsqueeze(1) + torch.minimum(steps, endings.unsqueeze(1) - 1)
    with answering_at(network, targets - 1):
        logits = network(input_ids=ids, past_key_values=cache, use_cache=False).logits
    losses = torch.nn.functional.cross_entropy(
        logits.float().transpose(1, 2), ids.gather(1, targets), reduction="none"
    )
    return (losses * (steps < endings.unsqueeze(1))).sum(1)


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


LABEL_TOKENS = Head(
    name="label_tokens",
    task="CAUSAL_LM",
    auto="AutoModelForCausalLM",
    answers=answers,
    probabilities=probabilities,
)
