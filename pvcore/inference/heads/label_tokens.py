"""A causal model's own words for the labels, weighed against each other; and for the criteria, yes against no."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pvcore.errors import TrainingError
from pvcore.inference import text
from pvcore.inference.branches import Continuation, answering_at, log_likelihoods
from pvcore.inference.heads.criteria import with_criteria
from pvcore.inference.heads.head import Answer, Head, Judged
from pvcore.inference.heads.labels import decided
from pvcore.inference.prefix import instruction
from pvcore.inference.scoring import softmax
from pvcore.inference.text import Encoded
from pvcore.problems import problem
from pvcore.records import digest

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.inference.predict import Model

YES_NO = ("yes", "no")


def probabilities(model: Model, texts: Sequence[str]) -> tuple[NDArray[np.float64], list[Encoded]]:
    """Probabilities of the labels, shape (texts, labels), and the prompts as they were put."""
    found = judged(model, texts)
    return found.labels, found.asked


def judged(model: Model, texts: Sequence[str]) -> Judged:
    """Probabilities of labels and criteria: all questions over one pass of the prompt.

    The prompt's own beginning is encoded once a call.
    """
    heard = model.once(texts, partial(_weighed, model))
    classes, criteria = len(model.card.labels), len(model.card.criteria)
    found = np.array([sums for sums, _ in heard]).reshape(len(heard), classes + len(YES_NO) * criteria)
    pairs = softmax(found[:, classes:].reshape(-1, len(YES_NO)))
    met = pairs[:, 0].reshape(len(heard), criteria)
    return Judged(softmax(found[:, :classes]), met, [asked for _, asked in heard])


def _weighed(model: Model, texts: Sequence[str]) -> list[tuple[NDArray[Any], Encoded]]:
    """The log-likelihoods of all continuations of each text, and the prompt as it was put."""
    card, tokenizer, task = model.card, model.tokenizer, problem(model.card.problem)
    weighed = continuations(tokenizer, card.labels, [task.criteria[name] for name in card.criteria])
    longest = max(len(one.ids) for one in weighed)
    asked = [encode_prompt(tokenizer, task.prompt, value, card.max_tokens, longest) for value in texts]
    begins = instruction(tokenizer, task.prompt)
    found = log_likelihoods(model.network, tokenizer, [p.ids for p in asked], weighed, begins)
    return list(zip(found, asked, strict=True))


def answers(model: Model, texts: Sequence[str], terms: pd.DataFrame | None) -> list[Answer]:
    """The label that the probabilities and the card's threshold decide for each text."""
    found = judged(model, texts)
    return with_criteria(model.card, decided(model, found.labels, found.asked), found.criteria)


def continuations(tokenizer: Any, labels: Sequence[str], questions: Sequence[str] = ()) -> list[Continuation]:
    """What is weighed after a prompt: each label, then yes and no (YES_NO) to each of `questions`.

    The end of the answer is weighed, too, so that a label which begins another one is not favoured.
    """
    found = [Continuation(completion(tokenizer, label)) for label in labels]
    for question in questions:
        given = tuple(tokenizer(question, add_special_tokens=False)["input_ids"])
        found += [Continuation((*given, *completion(tokenizer, said)), len(given)) for said in YES_NO]
    return found


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
    judged=judged,
)
