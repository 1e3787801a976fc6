"""A classifier's labels change between updates: they grow, split, merge and change their order.

    >>> takes_over(("rash", "other"), ("mild rash", "severe rash", "other"),
    ...            {"mild rash": ("rash",), "severe rash": ("rash",)})
    {'mild rash': ('rash',), 'severe rash': ('rash',), 'other': ('other',)}

The row of a label that stays is copied, so what the head knew of old labels against each other stays to
the bit. A label that takes over others starts with their share of probability: split, they sum to the old
one. Rows without an exact predecessor are then fitted to the new features, all others held fixed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pvcore.errors import TrainingError
from pvcore.inference.heads import NEW_HEADS

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float64]
Origins = Mapping[str, Sequence[str]]


def takes_over(before: Sequence[str], labels: Sequence[str], origins: Origins) -> dict[str, tuple[str, ...]]:
    """Label -> the labels of `before` that it goes on from: those of `origins`, itself, or none.

    A label that `before` has goes on from itself, and from others where `origins` names it among them;
    so what an earlier update has done already does nothing. Raises TrainingError naming every origin
    that `before` does not have.
    """
    found = {}
    for label in labels:
        named = tuple(origins.get(label, ()))
        done = label in before and (label not in named or not set(named) <= set(before))
        found[label] = (label,) if done or (not named and label in before) else named
    wrong = [f"{label}: {o}" for label, of in found.items() for o in of if o not in before]
    if wrong:
        raise TrainingError(
            f"mixture.labels names labels that the parent does not have: {'; '.join(wrong)}. "
            f"It has {', '.join(before)}."
        )
    return found


def unsettled(before: Sequence[str], labels: Sequence[str], origins: Origins) -> list[str]:
    """Labels whose row is no plain copy of one row that nobody else takes over; none if nothing changed."""
    if tuple(before) == tuple(labels):
        return []
    found = takes_over(before, labels, origins)
    users = Counter(origin for several in found.values() for origin in several)
    return [label for label, of in found.items() if len(of) != 1 or users[of[0]] > 1]


def move_head(
    tensors: Mapping[str, torch.Tensor],
    before: Sequence[str],
    labels: Sequence[str],
    origins: Origins,
    criteria: int = 0,
    tags: int = 1,
) -> dict[str, torch.Tensor]:
    """An adapter's tensors with a row of the head (so many `tags`: rows) for each of `labels`; all others as they are.

    The rows of so many `criteria`, which stand behind those of the labels, are copied.
    """
    found = takes_over(before, labels, origins)
    heads = {name for name in tensors if set(name.split(".")) & set(NEW_HEADS) and "lora_" not in name}
    return {
        name: _moved(tensor, before, found, criteria, tags, bias=name.endswith(".bias"))
        if name in heads
        else tensor
        for name, tensor in tensors.items()
    }


def _moved(
    tensor: torch.Tensor,
    before: Sequence[str],
    found: Mapping[str, Sequence[str]],
    criteria: int,
    tags: int,
    *,
    bias: bool,
) -> torch.Tensor:
    import torch

    own, behind = tensor[: len(tensor) - criteria], tensor[len(tensor) - criteria :]
    made = _rows(own.unflatten(0, (-1, tags)), before, found, bias=bias)
    return torch.cat([made.flatten(0, 1), behind])


def _rows(
    tensor: torch.Tensor, before: Sequence[str], found: Mapping[str, Sequence[str]], *, bias: bool
) -> torch.Tensor:
    """Means of the rows taken over, shapes (labels, tags, ...). P(label) starts as the sum of its origins' shares."""
    import torch

    users = Counter(origin for several in found.values() for origin in several)
    made = []
    for of in found.values():
        if not of:
            made.append(torch.zeros_like(tensor[0]) if not bias else tensor.amin(0))
        elif bias:
            shares = [tensor[before.index(origin)] - math.log(users[origin]) for origin in of]
            made.append(torch.stack(shares).mean(0) + math.log(len(of)))
        else:
            made.append(tensor[[before.index(origin) for origin in of]].mean(0))
    return torch.stack(made)


def by_class(fitted: Any) -> tuple[Floats, Floats]:
    """(weights, offsets) of a scikit-learn LogisticRegression, shapes (classes, features) and (classes,).

    Of two classes it has one row, which is shared out.
    """
    weights, offsets = fitted.coef_, fitted.intercept_
    if len(weights) == 1:
        weights, offsets = np.vstack([-weights, weights]) / 2, np.concatenate([-offsets, offsets]) / 2
    return weights, offsets


def fit_rows(
    features: Floats, truth: NDArray[np.int64], weight: Floats, bias: Floats, free: Sequence[int]
) -> tuple[Floats, Floats]:
    """(weight, bias) with the rows `free` moved to where the cross-entropy is least, all others fixed.

    `features` (rows, hidden), `truth` (rows,) label numbers, `weight` (labels, hidden), `bias` (labels,).
    The penalty is half the squared distance from the given rows, as a probe's is from zero.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    inputs = np.column_stack([features, np.ones(len(features))])
    start = np.column_stack([weight, bias])
    hot = truth[:, None] == np.arange(len(start))

    def cost(flat: Floats) -> tuple[float, Floats]:
        rows = start.copy()
        rows[free] = flat.reshape(len(free), -1)
        scores = inputs @ rows.T
        scores -= scores.max(axis=1, keepdims=True)
        logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        moved = rows[free] - start[free]
        slope = (np.exp(logs) - hot)[:, free].T @ inputs + moved
        return float((moved**2).sum() / 2 - logs[hot].sum()), slope.ravel()

    with threadpool_limits(1):
        found = minimize(cost, start[free].ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    start[free] = found.x.reshape(len(free), -1)
    return start[:, :-1], start[:, -1]
