"""Causal models: the loss stands on the answer alone, never on the prompt."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pvcore.inference import prefix
from pvcore.inference.heads.label_tokens import completion, completion_losses, encode_prompt
from pvcore.inference.text import pad
from pvcore.problems import Problem
from pvcore.records import Example
from pvcore.training.objectives.objective import Given, Objective, content_digest, plan_by_length

if TYPE_CHECKING:
    import torch


def label_tokens(task: Problem, rows: Sequence[Example], given: Given) -> Objective:
    """-log P(label's tokens and the end | prompt), the mean over examples; the sum over an answer's tokens.

    Prediction compares exactly this sum between labels, so training and prediction ask the same. What all
    prompts begin with is encoded once a step (training.shared_prefix); LoRA's dropout is then drawn once
    for it and not once a row.
    """
    import torch

    tokenizer, settings = given.tokenizer, given.settings
    endings = {label: completion(tokenizer, label) for label in task.labels}
    longest = max(map(len, endings.values()))
    prompts = [
        encode_prompt(tokenizer, task.prompt, row.text, settings.text.max_tokens, longest) for row in rows
    ]
    training = settings.training
    shared = prefix.common([asked.ids for asked in prompts]) if training.shared_prefix else ()
    sequences = [(*asked.ids, *endings[row.label]) for asked, row in zip(prompts, rows, strict=True)]
    counts = [len(endings[row.label]) for row in rows]
    cache: Any = None

    @contextlib.contextmanager
    def step(network: Any) -> Iterator[None]:
        nonlocal cache
        with prefix.for_step(network, shared) as cache:
            try:
                yield
            finally:
                cache = None

    def loss(network: Any, items: Sequence[int]) -> torch.Tensor:
        rests = [sequences[i][len(shared) :] for i in items]
        width = -(-max(map(len, rests)) // 8) * 8
        padded, _ = pad(rests, width=width, rows=len(items), pad_id=tokenizer.pad_token_id)
        tensor = partial(torch.tensor, device=next(network.parameters()).device)
        lengths, answers = tensor([len(rest) for rest in rests]), tensor([counts[i] for i in items])
        before = prefix.encode(network, shared) if cache is None else cache
        return completion_losses(network, tensor(padded), lengths, answers, before).mean()

    plan = plan_by_length(
        [len(s) for s in sequences], epochs=training.epochs, batch=training.batch, seed=given.seed
    )
    return Objective(plan, loss, content_digest(sequences, counts), step=step)
