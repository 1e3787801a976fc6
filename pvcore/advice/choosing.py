"""Which cases to annotate next: by chance, where the model is unsure, where it fails, and spread out.

    >>> unsure = np.array([0.1, 0.9, 0.8, 0.2, 0.7, 0.3])
    >>> apart = np.eye(6)
    >>> choose(apart, 2, how="uncertainty", unsure=unsure).tolist()
    [1, 2]
    >>> len(set(choose(apart, 4, how="mixed", unsure=unsure, failing=apart[:1]).tolist()))
    4

`mixed` is the default of work lists: a third of the places by likeness to what the model got wrong, the rest
among the three times as many surest-to-be-unsure, spread out by the rule of k-means++ (as BADGE does, Ash et
al. 2020), so that no list holds ten copies of one difficulty. Whether any of them beats chance depends on the
data: `benchmarks/choosing.py` measures each against it, and chance wins often (Lowell et al. 2019).
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pvcore.errors import ConfigError

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Way = Literal["random", "uncertainty", "diversity", "failures", "mixed"]
WAYS: tuple[Way, ...] = get_args(Way)
WIDER = 3
"""How many times the places `mixed` looks at, the most unsure first, before it spreads out."""
FAILING = 1 / 3
"""Share of the places that `mixed` gives to cases like those that went wrong."""


def choose(
    vectors: Floats,
    size: int,
    *,
    how: Way = "mixed",
    unsure: Floats | None = None,
    failing: Floats | None = None,
    seed: int = 0,
) -> Indices:
    """Places of `size` cases of the pool (all, if fewer), in the order of choice.

    `vectors` of the pool, shape (cases, d), of length 1; `unsure` 1 - confidence of each; `failing` vectors of
    cases that went wrong, shape (any, d). Equal cases go by their place. Raises ConfigError where a way lacks what
    it goes by.
    """
    if how not in WAYS:
        raise ConfigError(f"{how!r} is no way to choose: {', '.join(WAYS)}.")
    number = len(vectors)
    size = min(size, number)
    if how in ("uncertainty", "mixed") and unsure is None:
        raise ConfigError(
            f"{how} needs a model's confidence in each case: train a first one, or choose by diversity."
        )
    if how == "failures" and (failing is None or not len(failing)):
        raise ConfigError("failures needs cases that went wrong: evaluate a model first.")
    if how == "random":
        return np.random.default_rng(seed).permutation(number)[:size]
    if how == "uncertainty":
        return _most(unsure)[:size]
    if how == "failures":
        return _most(_likeness(vectors, failing))[:size]
    if how == "diversity":
        return _spread(vectors, np.arange(number), size, seed)
    return _mixed(vectors, size, unsure, failing, seed)


def _mixed(vectors: Floats, size: int, unsure: Floats | None, failing: Floats | None, seed: int) -> Indices:
    first = np.zeros(0, np.intp)
    if failing is not None and len(failing):
        first = _most(_likeness(vectors, failing))[: round(size * FAILING)]
    doubtful = _most(unsure)
    left = doubtful[~np.isin(doubtful, first)]
    rest = size - len(first)
    return np.concatenate([first, _spread(vectors, left[: WIDER * rest], rest, seed)])


def _most(values: Floats | None) -> Indices:
    """Places by value, the largest first."""
    return np.argsort(-np.asarray(values), kind="stable")


def _likeness(vectors: Floats, failing: Floats | None) -> Floats:
    found: Floats = (vectors @ np.asarray(failing).T).max(axis=1)
    return found


def _spread(vectors: Floats, among: Indices, size: int, seed: int) -> Indices:
    """k-means++ (Arthur & Vassilvitskii 2007): each next one by its squared distance from those chosen."""
    chance = np.random.default_rng(seed)
    size = min(size, len(among))
    if not size:
        return np.zeros(0, np.intp)
    pool = vectors[among]
    chosen = [0]
    near = np.square(pool - pool[0]).sum(axis=1)
    while len(chosen) < size:
        near[chosen] = 0.0
        if near.sum() > 0:
            place = int(chance.choice(len(pool), p=near / near.sum()))
        else:  # all that is left equals what was chosen
            place = int(np.setdiff1d(np.arange(len(pool)), chosen)[0])
        chosen.append(place)
        near = np.minimum(near, np.square(pool - pool[place]).sum(axis=1))
    return among[np.array(chosen, np.intp)]
