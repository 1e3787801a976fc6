"""Causal models: the loss stands on the answers alone, never on the prompt."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pvcore.inference import prefix
from pvcore.inference.branches import Tree, weigh
from pvcore.inference.heads.label_tokens import (
    YES_NO,
    completion_losses,
    continuations,
    encode_prompt,
)
from pvcore.inference.text import pad
from pvcore.problems import Problem
from pvcore.records import Example
from pvcore.training.objectives.classification import known_criteria
from pvcore.training.objectives.objective import Given, Objective, content_digest, plan_by_length

if TYPE_CHECKING:
    import torch


def label_tokens(task: Problem, rows: Sequence[Example], given: Given) -> Objective:
    """-log P(label's tokens and the end | prompt), the mean over examples; the sum over an answer's tokens.

    With criteria the mean over those that a row knows is added: yes or no to each of them, all weighed over
    one pass of the prompt. Prediction compares exactly these sums, so training and prediction ask the same.
    What all prompts begin with is encoded once a step (training.shared_prefix); LoRA's dropout is then drawn
    once for it and not once a row.
    """
    import torch

    tokenizer, settings = given.tokenizer, given.settings
    weighed = continuations(tokenizer, task.labels, list(task.criteria.values()))
    places = {label: place for place, label in enumerate(task.labels)}
    right = [places[row.label] for row in rows]
    # Where terms are labels, a row of all answers for each row would be gigabytes.
    tree, wanted = Tree(tuple(weighed)), wanted_answers(task, rows, right) if task.criteria else None
    longest = max(len(one.ids) for one in weighed)
    prompts = [
        encode_prompt(tokenizer, task.prompt, row.text, settings.text.max_tokens, longest) for row in rows
    ]
    training = settings.training
    shared = prefix.common([asked.ids for asked in prompts]) if training.shared_prefix else ()
    endings = [weighed[place].ids for place in right]
    sequences = [(*asked.ids, *ending) for asked, ending in zip(prompts, endings, strict=True)]
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
        before = prefix.encode(network, shared) if cache is None else cache
        return (one if wanted is None else several)(network, items, before)

    def several(network: Any, items: Sequence[int], before: Any) -> torch.Tensor:
        rests = [tuple(prompts[i].ids[len(shared) :]) for i in items]
        width = -(-(max(map(len, rests)) + len(tree.nodes)) // 8) * 8
        values = weigh(network, tokenizer, rests, tree, before, width=width, rows=len(items))
        assert wanted is not None
        return -(values * torch.tensor(wanted[items], device=values.device)).sum(1).mean()

    def one(network: Any, items: Sequence[int], before: Any) -> torch.Tensor:
        rests = [sequences[i][len(shared) :] for i in items]
        width = -(-max(map(len, rests)) // 8) * 8
        padded, _ = pad(rests, width=width, rows=len(items), pad_id=tokenizer.pad_token_id)
        tensor = partial(torch.tensor, device=next(network.parameters()).device)
        lengths, answers = tensor([len(rest) for rest in rests]), tensor([len(endings[i]) for i in items])
        return completion_losses(network, tensor(padded), lengths, answers, before).mean()

    plan = plan_by_length(
        [len(s) for s in sequences], epochs=training.epochs, batch=training.batch, seed=given.seed
    )
    answered = right if wanted is None else wanted.tolist()
    content = content_digest(sequences, [len(ending) for ending in endings], weighed, answered)
    return Objective(plan, loss, content, step=step)


def wanted_answers(task: Problem, rows: Sequence[Example], right: Sequence[int]) -> NDArray[np.float32]:
    """The share of each continuation (labels, then yes and no of each criterion) in a row's loss; shape
    (rows, continuations): 1 of the `right` label, and 1 together of the right answers to the criteria it knows.
    """
    met, share = known_criteria(task, rows)
    answers = np.stack([met * share, (1 - met) * share], 2).reshape(len(rows), len(YES_NO) * met.shape[1])
    labels = np.zeros((len(rows), len(task.labels)), np.float32)
    labels[np.arange(len(rows)), right] = 1
    return np.concatenate([labels, answers], 1)
