"""Causal models: the loss stands on the answer alone, never on the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pvcore.inference.heads.label_tokens import completion, completion_losses, encode_prompt
from pvcore.inference.text import pad
from pvcore.problems import Problem
from pvcore.records import Example
from pvcore.training.objectives.objective import Given, Objective, content_digest, plan_by_length

if TYPE_CHECKING:
    import torch


def label_tokens(task: Problem, rows: Sequence[Example], given: Given) -> Objective:
    """-log P(label's tokens and the end | prompt), the mean over examples; the sum over an answer's tokens.

    Prediction compares exactly this sum between labels, so training and prediction ask the same.
    """
    import torch

    tokenizer, settings = given.tokenizer, given.settings
    endings = {label: completion(tokenizer, label) for label in task.labels}
    longest = max(map(len, endings.values()))
    prompts = [
        encode_prompt(tokenizer, task.prompt, row.text, settings.text.max_tokens, longest) for row in rows
    ]
    sequences = [(*asked.ids, *endings[row.label]) for asked, row in zip(prompts, rows, strict=True)]
    counts = [len(endings[row.label]) for row in rows]
    training = settings.training

    def loss(network: Any, items: Sequence[int]) -> torch.Tensor:
        device = next(network.parameters()).device
        width = -(-max(len(sequences[i]) for i in items) // 8) * 8
        ids, mask = pad(
            [sequences[i] for i in items],
            width=width,
            rows=len(items),
            pad_id=tokenizer.pad_token_id,
            left=True,
        )
        tensors = torch.tensor(ids, device=device), torch.tensor(mask, device=device)
        return completion_losses(network, *tensors, [counts[i] for i in items]).mean()

    plan = plan_by_length(
        [len(s) for s in sequences], epochs=training.epochs, batch=training.batch, seed=given.seed
    )
    return Objective(plan, loss, content_digest(sequences, counts))
