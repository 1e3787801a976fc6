"""Encoder models: sequence classification, and contrastive pairs of a wording and its term."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pvcore.errors import TrainingError
from pvcore.inference import scoring
from pvcore.inference.scoring import embed
from pvcore.inference.text import Encoded, encode, pad
from pvcore.records import Example
from pvcore.training.objective import Objective, Plan, content_digest, plan_by_length
from pvcore.training.settings import Sections

if TYPE_CHECKING:
    import pandas as pd
    import torch

Pair = tuple[str, str, str]
"""(wording, term, code of the term)"""


def classification(
    rows: Sequence[Example], labels: Sequence[str], tokenizer: Any, settings: Sections, seed: int
) -> Objective:
    """Cross-entropy over `labels`; every row's label must be one of them."""
    import torch

    encoded = [encode(tokenizer, row.text, settings.text.max_tokens) for row in rows]
    targets = [labels.index(row.label) for row in rows]
    training = settings.training

    def loss(network: Any, items: Sequence[int]) -> torch.Tensor:
        ids, mask = batch(network, tokenizer, [encoded[i] for i in items])
        wanted = torch.tensor([targets[i] for i in items], device=ids.device)
        return torch.nn.functional.cross_entropy(network(ids, mask).logits.float(), wanted)

    lengths = [len(item.ids) for item in encoded]
    plan = plan_by_length(lengths, epochs=training.epochs, batch=training.batch, seed=seed)
    return Objective(plan, loss, content_digest(list(labels), [item.ids for item in encoded], targets))


def probe(
    network: Any, rows: Sequence[Example], labels: Sequence[str], tokenizer: Any, max_tokens: int
) -> None:
    """Fit a new head to the frozen base's features before anything is fine-tuned.

    A head of noise would first pull the base's features apart: linear probing, then fine-tuning (Kumar et
    al. 2022, arXiv 2202.10054). One forward pass over `rows` and a logistic regression in one thread.
    """
    import numpy as np
    import torch
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    if len({row.label for row in rows}) < 2:
        return
    encoded = [encode(tokenizer, row.text, max_tokens) for row in rows]
    features = scoring.head_inputs(network, tokenizer, encoded).astype(np.float64)
    truth = np.array([labels.index(row.label) for row in rows])
    with threadpool_limits(1):
        # Not standardised: the penalty keeps the head from leaning on features that hardly vary.
        fitted = LogisticRegression(C=1.0, max_iter=1000).fit(features, truth)
    rows_of, offsets = fitted.coef_, fitted.intercept_
    if len(rows_of) == 1:  # two classes: one row of coefficients, shared out
        rows_of, offsets = np.vstack([-rows_of, rows_of]) / 2, np.concatenate([-offsets, offsets]) / 2
    head = scoring.classifier(network)
    with torch.no_grad():
        for found, place in enumerate(int(label) for label in fitted.classes_):
            head.weight[place] = torch.tensor(rows_of[found], dtype=head.weight.dtype)
            head.bias[place] = torch.tensor(offsets[found], dtype=head.bias.dtype)


def contrastive(
    rows: Sequence[Example], terms: pd.DataFrame, tokenizer: Any, settings: Sections, seed: int
) -> Objective:
    """InfoNCE over pairs of a verbatim and its term, and of the dictionary's own synonyms.

    In a step each wording must find its term among all terms of the step; another pair of the same
    code is no negative. (van den Oord et al. 2018; in-batch negatives: Henderson et al. 2017.)
    """
    import torch

    pairs = [*_verbatims(rows, terms), *_synonyms(terms)]
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

    plan = _plan(len(rows), len(pairs) - len(rows), settings, seed)
    content = content_digest([item.ids for item in asked], [item.ids for item in terms_of], codes)
    return Objective(plan, loss, content, divisible=False)


def batch(network: Any, tokenizer: Any, encoded: Sequence[Encoded]) -> tuple[Any, Any]:
    """(ids, mask) on the network's device, padded to the longest text, up to a multiple of eight."""
    import torch

    device = next(network.parameters()).device
    width = -(-max(len(item.ids) for item in encoded) // 8) * 8
    ids, mask = pad([e.ids for e in encoded], width=width, rows=len(encoded), pad_id=tokenizer.pad_token_id)
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _verbatims(rows: Sequence[Example], terms: pd.DataFrame) -> list[Pair]:
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
            steps[-2] += steps.pop()  # a last step of few pairs has few negatives, and none when it is one
        plan += steps
    return plan
