"""An encoder that puts a term beside the words of a narrative that mention it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from pvcore.errors import TrainingError
from pvcore.inference.heads.embedding import embed
from pvcore.inference.heads.mentions import MIDDLE, beside, tokens
from pvcore.inference.text import encode
from pvcore.problems import Problem
from pvcore.records import Example
from pvcore.training.objectives.objective import Given, Objective, batch, content_digest, plan_by_length

OTHERS = 96
"""Terms drawn for a step beside those of its narratives, so that it also sees terms that nobody reports."""


def mentions(task: Problem, rows: Sequence[Example], given: Given) -> Objective:
    """Each narrative of a step against each term of the step: coded or not, a sigmoid loss over all pairs.

    A pair's logit is its distance from MIDDLE in units of the temperature (as SigLIP, Zhai et al. 2023).
    """
    import torch

    if given.terms is None:
        raise TrainingError(f"{task.name} needs the terms of a dictionary: train(..., terms=...)")
    tokenizer, settings = given.tokenizer, given.settings
    names = dict(sorted(zip(given.terms["llt_code"], given.terms["llt_name"], strict=True)))
    coded = [tuple(code for code in row.label.split() if code in names) for row in rows]
    asked = [encode(tokenizer, row.text, settings.text.max_tokens) for row in rows]
    called = {code: encode(tokenizer, name, settings.text.max_tokens) for code, name in names.items()}
    codes = list(names)

    def loss(network: Any, items: Sequence[int]) -> torch.Tensor:
        drawn = random.Random(f"{given.seed}:{list(items)}").sample(codes, min(OTHERS, len(codes)))
        step = sorted({*drawn, *(code for i in items for code in coded[i])})
        ids, mask = batch(network, tokenizer, [asked[i] for i in items])
        vectors = embed(network, *batch(network, tokenizer, [called[code] for code in step])).float()
        logits = (beside(tokens(network, ids, mask), mask, vectors) - MIDDLE) / settings.training.temperature
        right = torch.tensor(
            [[float(code in coded[i]) for code in step] for i in items], device=logits.device
        )
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, right, reduction="sum") / len(
            items
        )

    training = settings.training
    plan = plan_by_length(
        [len(item.ids) for item in asked], epochs=training.epochs, batch=training.batch, seed=given.seed
    )
    content = content_digest([item.ids for item in asked], coded, {c: item.ids for c, item in called.items()})
    return Objective(plan, loss, content, divisible=False)
