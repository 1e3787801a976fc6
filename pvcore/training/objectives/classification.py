"""An encoder with a classifying layer: cross-entropy, from a head that was fitted first."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pvcore.inference.heads.classification import classifier, head_inputs
from pvcore.inference.text import Encoded, encode
from pvcore.inference.windows import windows
from pvcore.problems import Problem
from pvcore.records import Example
from pvcore.training.labels import fit_rows, unsettled
from pvcore.training.objectives.objective import Given, Objective, batch, content_digest, plan_by_length

if TYPE_CHECKING:
    import torch


def classification(task: Problem, rows: Sequence[Example], given: Given) -> Objective:
    """Cross-entropy over the problem's labels; every row's label must be one of them.

    Of a text in windows each epoch sees one, with the label of the whole.
    """
    import torch

    tokenizer, labels = given.tokenizer, task.labels
    parts = [_put(row, given) for row in rows]
    encoded = [part for own in parts for part in own]
    targets = [labels.index(row.label) for row, own in zip(rows, parts, strict=True) for _ in own]
    training = given.settings.training

    def loss(network: Any, items: Sequence[int]) -> torch.Tensor:
        ids, mask = batch(network, tokenizer, [encoded[i] for i in items])
        wanted = torch.tensor([targets[i] for i in items], device=ids.device)
        return torch.nn.functional.cross_entropy(network(ids, mask).logits.float(), wanted)

    lengths = [len(item.ids) for item in encoded]
    plan = plan_by_length(
        lengths, epochs=training.epochs, batch=training.batch, seed=given.seed, choices=_numbers(parts)
    )
    return Objective(plan, loss, content_digest(list(labels), [item.ids for item in encoded], targets))


def _put(row: Example, given: Given) -> list[Encoded]:
    text = given.settings.text
    if text.long == "windows":
        return windows(given.tokenizer, row.text, text.max_tokens)
    return [encode(given.tokenizer, row.text, text.max_tokens)]


def _numbers(parts: Sequence[Sequence[Encoded]]) -> list[range] | None:
    """The item numbers of each text's windows; None where no text has two."""
    if all(len(own) == 1 for own in parts):
        return None
    ends = list(itertools.accumulate(map(len, parts)))
    return [range(end - len(own), end) for own, end in zip(parts, ends, strict=True)]


def probe(network: Any, task: Problem, rows: Sequence[Example], given: Given) -> None:
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
    parts = [_put(row, given) for row in rows]
    encoded = [part for own in parts for part in own]
    features = head_inputs(network, given.tokenizer, encoded).astype(np.float64)
    truth = np.array(
        [task.labels.index(row.label) for row, own in zip(rows, parts, strict=True) for _ in own]
    )
    shares = np.array([1 / len(own) for own in parts for _ in own])  # each text counts once
    with threadpool_limits(1):
        # Not standardised: the penalty keeps the head from leaning on features that hardly vary.
        fitted = LogisticRegression(C=1.0, max_iter=1000).fit(features, truth, shares)
    rows_of, offsets = fitted.coef_, fitted.intercept_
    if len(rows_of) == 1:  # two classes: one row of coefficients, shared out
        rows_of, offsets = np.vstack([-rows_of, rows_of]) / 2, np.concatenate([-offsets, offsets]) / 2
    head = classifier(network)
    with torch.no_grad():
        for found, place in enumerate(int(label) for label in fitted.classes_):
            head.weight[place] = torch.tensor(rows_of[found], dtype=head.weight.dtype)
            head.bias[place] = torch.tensor(offsets[found], dtype=head.bias.dtype)


def follow(network: Any, task: Problem, rows: Sequence[Example], given: Given, before: Sequence[str]) -> None:
    """Fit the rows of labels that the parent (with labels `before`) did not have, its own rows held fixed.

    Without a row of training a label stays where it was put: at the share of what it takes over.
    """
    import numpy as np
    import torch

    new = unsettled(before, task.labels, given.settings.mixture.labels)
    free = [task.labels.index(label) for label in new if any(row.label == label for row in rows)]
    if not free:
        return
    encoded = [encode(given.tokenizer, row.text, given.settings.text.max_tokens) for row in rows]
    features = head_inputs(network, given.tokenizer, encoded).astype(np.float64)
    truth = np.array([task.labels.index(row.label) for row in rows])
    head = classifier(network)
    weight, bias = (tensor.detach().double().cpu().numpy() for tensor in (head.weight, head.bias))
    found = fit_rows(features, truth, weight, bias, free)
    with torch.no_grad():
        for tensor, values in zip((head.weight, head.bias), found, strict=True):
            tensor[free] = torch.tensor(values[free], dtype=tensor.dtype, device=tensor.device)
