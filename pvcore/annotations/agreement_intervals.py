"""How sure a coefficient of agreement is: percentile bootstrap over the things that were judged.

Things with the same answers are alike, so a resample is a multinomial draw over the kinds of things, and its
cost does not grow with their number (Krippendorff 2004, 11.4, and Zapf et al. 2016, BMC Med Res Methodol 16:93,
resample alpha, too). Seeded: the same answers give the same interval.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvcore.annotations.coefficients import Answers

RESAMPLES, AT_ONCE, SEED = 2000, 100, 1
CONFIDENCE = 0.95
Bounds = tuple[float, float]
Floats = NDArray[np.float64]


def alpha_bounds(things: Iterable[Answers]) -> Bounds | None:
    """Lower and upper bound of Krippendorff's nominal alpha; None where it is not defined."""
    kinds = Counter(
        tuple(sorted(Counter(said.values()).items(), key=repr)) for said in things if len(said) > 1
    )
    if not kinds:
        return None
    counts = _matrix([dict(kind) for kind in kinds], {name for kind in kinds for name, _ in kind})
    sizes = np.array([sum(number for _, number in kind) for kind in kinds], float)
    alike = np.array([sum(number**2 for _, number in kind) for kind in kinds], float)
    differing = (sizes**2 - alike) / (sizes - 1)

    def alpha(weights: Floats) -> Floats:
        totals = weights @ counts
        number = totals.sum(axis=1)
        return 1 - (number - 1) * (weights @ differing) / (number**2 - (totals**2).sum(axis=1))

    return _bounds(alpha, list(kinds.values()))


def cohen_bounds(first: Sequence[Hashable], second: Sequence[Hashable]) -> Bounds | None:
    """Lower and upper bound of Cohen's kappa of two annotators' answers to the same things, in the same order."""
    kinds = Counter(zip(first, second, strict=True))
    if not kinds:
        return None
    labels = {name for kind in kinds for name in kind}
    one, other = (_matrix([{kind[side]: 1} for kind in kinds], labels) for side in (0, 1))
    agree = np.array([a == b for a, b in kinds], float)

    def kappa(weights: Floats) -> Floats:
        number = weights.sum(axis=1)
        chance = ((weights @ one) * (weights @ other)).sum(axis=1) / number**2
        return (weights @ agree / number - chance) / (1 - chance)

    return _bounds(kappa, list(kinds.values()))


def _matrix(rows: Sequence[Mapping[Hashable, int]], labels: Iterable[Hashable]) -> Any:
    """Sparse, (kinds, labels): how often a thing of each kind was given each label."""
    from scipy.sparse import csr_array

    place = {label: number for number, label in enumerate(sorted(labels, key=repr))}
    cells = [(number, place[label], count) for number, row in enumerate(rows) for label, count in row.items()]
    at, label, count = zip(*cells, strict=True)
    return csr_array((np.array(count, float), (at, label)), shape=(len(rows), len(place)))


def _bounds(coefficient: Callable[[Floats], Floats], times: Sequence[int]) -> Bounds | None:
    """Percentiles of a coefficient of resampled weights, shape (AT_ONCE, kinds)."""
    chance, number = np.random.default_rng(SEED), sum(times)
    share = np.array(times) / number
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = [
            coefficient(chance.multinomial(number, share, size=AT_ONCE).astype(float))
            for _ in range(RESAMPLES // AT_ONCE)
        ]
    found = np.concatenate(drawn)
    found = found[np.isfinite(found)]  # a resample in which all is one answer has no coefficient
    if not len(found):
        return None
    low, high = np.quantile(found, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
