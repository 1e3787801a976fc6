"""An encoder with a classifying layer: labels and criteria learned together, from a head that was fitted first."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pvcore.inference.heads.classification import classifier, logits, states
from pvcore.inference.text import Encoded, encode
from pvcore.inference.windows import windows
from pvcore.problems import Problem
from pvcore.records import Example
from pvcore.training.labels import by_class, fit_rows, unsettled
from pvcore.training.mixture import sample
from pvcore.training.objectives.objective import Given, Objective, batch, content_digest, plan_by_length

if TYPE_CHECKING:
    import torch


PROBED, KEPT = 4096, 16
"""Rows that a new head is fitted to (a linear layer needs no more), and how many of each label and slice at least."""


def classification(task: Problem, rows: Sequence[Example], given: Given) -> Objective:
    """Cross-entropy over the problem's labels, and the mean binary one over the criteria that a row knows.

    Every row's label must be one of the labels. Of a text in windows each epoch sees one, with label and
    criteria of the whole.
    """
    import torch

    tokenizer, labels = given.tokenizer, task.labels
    parts = [_put(row, given) for row in rows]
    encoded, of = [part for own in parts for part in own], _rows_of(parts)
    targets = [labels.index(rows[number].label) for number in of]
    truth, share = (values[of] for values in known_criteria(task, rows))
    training = given.settings.training

    def loss(network: Any, items: Sequence[int]) -> torch.Tensor:
        ids, mask = batch(network, tokenizer, [encoded[i] for i in items])
        tensor = partial(torch.tensor, device=ids.device)
        outputs = logits(network, ids, mask)
        classes = outputs[:, : len(labels)]
        found = torch.nn.functional.cross_entropy(classes, tensor([targets[i] for i in items]))
        if not task.criteria:
            return found
        wanted, weight = tensor(truth[items]), tensor(share[items])
        # The sum over a step's rows, so that the loss of a step stays the mean over its parts.
        return found + torch.nn.functional.binary_cross_entropy_with_logits(
            outputs[:, len(labels) :], wanted, weight, reduction="sum"
        ) / len(items)

    lengths = [len(item.ids) for item in encoded]
    plan = plan_by_length(
        lengths, epochs=training.epochs, batch=training.batch, seed=given.seed, choices=_numbers(parts)
    )
    content = content_digest(
        list(labels), [item.ids for item in encoded], targets, truth.tolist(), share.tolist()
    )
    return Objective(plan, loss, content, lengths=lengths, of=of)


def known_criteria(task: Problem, rows: Sequence[Example]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(met, share of the row's loss), each of shape (rows, criteria): what a row does not know has no share."""
    truth = np.zeros((len(rows), len(task.criteria)), np.float32)
    known = np.zeros_like(truth)
    for number, row in enumerate(rows):
        for place, name in enumerate(task.criteria):
            if name in (row.criteria or {}):
                known[number, place], truth[number, place] = 1, row.criteria[name]  # type: ignore[index]
    return truth, known / np.maximum(known.sum(1, keepdims=True), 1)


def _put(row: Example, given: Given) -> list[Encoded]:
    text = given.settings.text
    if text.long == "windows":
        return windows(given.tokenizer, row.text, text.max_tokens)
    return [encode(given.tokenizer, row.text, text.max_tokens)]


def _rows_of(parts: Sequence[Sequence[Encoded]]) -> list[int]:
    """The number of the text that each window is of."""
    return [number for number, own in enumerate(parts) for _ in own]


def _numbers(parts: Sequence[Sequence[Encoded]]) -> list[range] | None:
    """The item numbers of each text's windows; None where no text has two."""
    if all(len(own) == 1 for own in parts):
        return None
    ends = list(itertools.accumulate(map(len, parts)))
    return [range(end - len(own), end) for own, end in zip(parts, ends, strict=True)]


def probe(network: Any, task: Problem, rows: Sequence[Example], given: Given) -> None:
    """Fit a new head to the frozen base's features before anything is fine-tuned.

    A head of noise would first pull the base's features apart: linear probing, then fine-tuning (Kumar et
    al. 2022, arXiv 2202.10054). One forward pass over PROBED rows, and logistic regressions in one thread.
    """
    import torch
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    if len({row.label for row in rows}) < 2:
        return
    rows = sample(rows, PROBED, given.seed, KEPT)
    parts = [_put(row, given) for row in rows]
    encoded, of = [part for own in parts for part in own], _rows_of(parts)
    features = states(network, given.tokenizer, encoded).astype(np.float64)
    truth = np.array([task.labels.index(rows[number].label) for number in of])
    shares = np.array([1 / len(own) for own in parts for _ in own])  # each text counts once
    with threadpool_limits(1):
        # Not standardised: the penalty keeps the head from leaning on features that hardly vary.
        regression = LogisticRegression(C=1.0, max_iter=1000)
        fitted = regression.fit(features, truth, shares)
        rows_of, offsets = by_class(fitted)
        places = [int(label) for label in fitted.classes_]
        layer = {place: (rows_of[found], offsets[found]) for found, place in enumerate(places)}
        met, weight = (values[of] for values in known_criteria(task, rows))
        for number in range(len(task.criteria)):
            known = weight[:, number] > 0
            layer[len(task.labels) + number] = _criterion(
                regression, features[known], met[known, number], shares[known]
            )
    head = classifier(network)
    with torch.no_grad():
        for place, (weights, offset) in layer.items():
            head.weight[place] = torch.tensor(weights, dtype=head.weight.dtype)
            head.bias[place] = torch.tensor(offset, dtype=head.bias.dtype)


def _criterion(
    regression: Any, features: NDArray[Any], met: NDArray[Any], shares: NDArray[Any]
) -> tuple[Any, Any]:
    """Weights and offset of one criterion; where all rows are alike, none and their log odds."""
    if len(set(met.tolist())) < 2:
        yes, no = (shares * met).sum(), (shares * (1 - met)).sum()
        return np.zeros(features.shape[1]), np.log((yes + 0.5) / (no + 0.5))
    fitted = regression.fit(features, met, shares)
    return fitted.coef_[0], fitted.intercept_[0]


def follow(network: Any, task: Problem, rows: Sequence[Example], given: Given, before: Sequence[str]) -> None:
    """Fit the rows of labels that the parent (with labels `before`) did not have, its own rows held fixed.

    Without a row of training a label stays where it was put: at the share of what it takes over.
    """
    import torch

    new = unsettled(before, task.labels, given.settings.mixture.labels)
    free = [task.labels.index(label) for label in new if any(row.label == label for row in rows)]
    if not free:
        return
    rows = sample(rows, PROBED, given.seed, KEPT)
    encoded = [encode(given.tokenizer, row.text, given.settings.text.max_tokens) for row in rows]
    features = states(network, given.tokenizer, encoded).astype(np.float64)
    truth = np.array([task.labels.index(row.label) for row in rows])
    head, classes = classifier(network), len(task.labels)  # behind them stand the criteria, which stay
    weight, bias = (tensor.detach().double().cpu().numpy()[:classes] for tensor in (head.weight, head.bias))
    found = fit_rows(features, truth, weight, bias, free)
    with torch.no_grad():
        for tensor, values in zip((head.weight, head.bias), found, strict=True):
            tensor[free] = torch.tensor(values[free], dtype=tensor.dtype, device=tensor.device)
