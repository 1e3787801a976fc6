"""A causal model's own words for the labels, weighed against each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pvcore.errors import TrainingError
from pvcore.inference import text
from pvcore.inference.heads.head import Answer, Head
from pvcore.inference.heads.labels import decided
from pvcore.inference.scoring import blocks, softmax
from pvcore.inference.text import Encoded
from pvcore.problems import problem
from pvcore.records import digest

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.inference.predict import Model


def probabilities(model: Model, texts: Sequence[str]) -> tuple[NDArray[np.float64], list[Encoded]]:
    """Probabilities of the labels, shape (texts, labels), and the prompts as they were put."""
    card, tokenizer = model.card, model.tokenizer
    longest = max(len(completion(tokenizer, label)) for label in card.labels)
    prompt = problem(card.problem).prompt
    asked = [encode_prompt(tokenizer, prompt, value, card.max_tokens, longest) for value in texts]
    return label_probabilities(model.network, tokenizer, asked, card.labels), asked


def answers(model: Model, texts: Sequence[str], terms: pd.DataFrame | None) -> list[Answer]:
    """The label that the probabilities and the card's threshold decide for each text."""
    return decided(model, *probabilities(model, texts))


def label_probabilities(
    network: Any, tokenizer: Any, prompts: Sequence[Encoded], labels: Sequence[str]
) -> NDArray[np.float64]:
    """P(label) among `labels`, shape (prompts, labels), from the likelihood of each label's tokens.

    A label's likelihood includes the end of the answer, so that a label which begins another one
    is not favoured.
    """
    scores = np.zeros((len(prompts), len(labels)), np.float32)
    for column, label in enumerate(labels):
        # One label at a time: the longest answer of a block decides the shape of its last product.
        ending = completion(tokenizer, label)
        sequences = [Encoded((*prompt.ids, *ending), "") for prompt in prompts]
        for rows, ids, mask in blocks(network, tokenizer, sequences, left=True):
            found = -completion_losses(network, ids, mask, [len(ending)] * len(rows))
            scores[rows, column] = found.cpu().numpy()[: len(rows)]
    return softmax(scores)


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


LABEL_TOKENS = Head(
    name="label_tokens",
    task="CAUSAL_LM",
    auto="AutoModelForCausalLM",
    answers=answers,
    probabilities=probabilities,
)
