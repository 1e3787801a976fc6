"""An encoder that puts a wording beside its term: contrastive pairs, the dictionary's own among them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pvcore.errors import TrainingError
from pvcore.inference.heads.embedding import embed
from pvcore.inference.text import encode
from pvcore.problems import Problem
from pvcore.records import Example
from pvcore.training.objectives.objective import Given, Objective, Plan, batch, content_digest
from pvcore.training.settings import Sections

if TYPE_CHECKING:
    import pandas as pd
    import torch

Pair = tuple[str, str, str]
"""(wording, term, code of the term)"""


def contrastive(task: Problem, rows: Sequence[Example], given: Given) -> Objective:
    """InfoNCE over pairs of a verbatim and its term, and of the dictionary's own synonyms.

    In a step each wording must find its term among all terms of the step; another pair of the same
    code is no negative. (van den Oord et al. 2018; in-batch negatives: Henderson et al. 2017.)
    """
    import torch

    tokenizer, settings = given.tokenizer, given.settings
    pairs = [*verbatims(task, rows, given.terms), *_synonyms(given.terms)]
    asked = [encode(tokenizer, wording, settings.text.max_tokens) for wording, _, _ in pairs]
    terms_of = [encode(tokenizer, term, settings.text.max_tokens) for _, term, _ in pairs]
    numbers = {code: number for number, code in enumerate(sorted({code for _, _, code in pairs}))}
    codes = [numbers[code] for _, _, code in pairs]
    temperature = settings.training.temperature

    def loss(network: Any, items: Sequence[int]) -> torch.Tensor:
        both = [*(asked[i] for i in items), *(terms_of[i] for i in items)]
        vectors = embed(network, *batch(network, tokenizer, both)).float()
        similarity = vectors[: len(items)] @ vectors[len(items) :].T / temperature
        code = torch.tensor([codes[i] for i in items], device=similarity.device)
        right = torch.arange(len(items), device=similarity.device)
        same = (code.unsqueeze(0) == code.unsqueeze(1)) & (right.unsqueeze(0) != right.unsqueeze(1))
        # A second row of the same code is a right answer: neither a negative nor counted twice.
        return torch.nn.functional.cross_entropy(similarity.masked_fill(same, -1e9), right)

    plan = _plan(len(rows), len(pairs) - len(rows), settings, given.seed)
    content = content_digest([item.ids for item in asked], [item.ids for item in terms_of], codes)
    return Objective(plan, loss, content, divisible=False)


def verbatims(task: Problem, rows: Sequence[Example], terms: pd.DataFrame | None) -> list[Pair]:
    """The rows as pairs. Raises TrainingError without terms, or for a label that is none of them."""
    if terms is None:
        raise TrainingError(f"{task.name} needs the terms of a dictionary: train(..., terms=...)")
    names = dict(zip(terms["llt_code"], terms["llt_name"], strict=True))
    unknown = sorted({row.label for row in rows} - set(names))
    if unknown:
        raise TrainingError(
            f"{len(unknown)} labels are no term of the dictionary: {', '.join(unknown[:5])}. Migrate the dataset first."
        )
    return [(row.text, names[row.label], row.label) for row in rows]


def _synonyms(terms: pd.DataFrame) -> list[Pair]:
    """(LLT, PT) names that differ: what the dictionary itself calls the same medical concept."""
    names = dict(zip(terms["llt_code"], terms["llt_name"], strict=True))
    found = [
        (name, names[pt], pt)
        for code, name, pt in zip(terms["llt_code"], terms["llt_name"], terms["pt_code"], strict=True)
        if code != pt and pt in names
    ]
    return sorted(found)


def _plan(rows: int, synonyms: int, settings: Sections, seed: int) -> Plan:
    """Every verbatim once an epoch, with another sample of the dictionary's synonyms each time."""
    training = settings.training
    plan: Plan = []
    for epoch in range(training.epochs):
        chance = random.Random(f"{seed}:{epoch}")
        extra = chance.sample(range(rows, rows + synonyms), min(training.dictionary_pairs, synonyms))
        order = [*range(rows), *extra]
        chance.shuffle(order)
        steps = [order[i : i + training.batch] for i in range(0, len(order), training.batch)]
        if len(steps) > 1 and len(steps[-1]) < max(2, training.batch // 2):
            few = steps.pop()  # a last step of few pairs has few negatives, and none when it is one
            steps[-1] += few
        plan += steps
    return plan
