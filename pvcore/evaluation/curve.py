"""How a score grows with the number of annotated cases, and what the next ones would bring.

score(n) = ceiling - scale * n ** -exponent, the inverse power law that learning curves of text classifiers
follow well beyond their first few hundred rows (Figueroa et al. 2012, BMC Med. Inform. Decis. Mak. 12:8).
Three numbers through a handful of points leave much open, so the answer is never a single curve: every
exponent of a grid is kept by how well the points speak for it (the marginal likelihood of a linear model
under Jeffreys' prior), and of each the ceiling and scale that are possible: no score lies above `top`, and
none falls with more rows. The same points give the same curves.

    >>> runs = [(n, seed) for n in (125, 250, 500, 1000) for seed in range(3)]
    >>> points = [Point(n, seed, 0.9 - 1.5 * n ** -0.5 + (seed - 1) * 0.004) for n, seed in runs]
    >>> fitted = fit(points)
    >>> abs(fitted.at(4000).value - (0.9 - 1.5 * 4000 ** -0.5)) < 0.01, fitted.doubts(4000)
    (True, ())
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvcore.errors import GateError

Floats = NDArray[np.float64]
EXPONENTS = np.linspace(0.05, 1.5, 59)
"""Text classifiers lie between 0.2 and 1; a flat curve fits any of them with a scale of 0."""
TRIES, DRAWS = 400, 4000
"""Ceilings and scales tried of each exponent, and curves kept of all that are possible."""
OWN_NOISE = 2
"""How many sizes the spread of runs at one size counts as, beside how far the sizes lie from a curve."""
CONFIDENCE = 0.95
LEAST = 3
"""Sizes below which no curve is fitted."""
SIZES, SPAN, REACH, WIDE = 4, 6, 8, 0.1
"""Sizes a fit needs, largest over smallest; how many times the largest it may be read at, and how wide (in
points of the score) an interval may be, before the page says that nobody knows."""


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """The held-out score of a model that learned from `size` rows, drawn by `seed`."""

    size: int
    seed: int
    score: float


@dataclass(frozen=True, slots=True)
class Interval:
    """A median and the middle 95% of what is possible."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """What the points leave possible: DRAWS curves, and the chance of one run (`noise`, see `_spread`).

    `ceilings`, `scales`, `exponents`, `noise` have shape (DRAWS,).
    """

    points: tuple[Point, ...]
    top: float
    ceilings: Floats
    scales: Floats
    exponents: Floats
    noise: Floats

    def mean_at(self, size: float) -> Interval:
        """The mean score of models that learned from `size` rows."""
        return _interval(self._at(size))

    def at(self, size: float) -> Interval:
        """The score of the next model that learns from `size` rows: chance of its draw included."""
        chance = np.random.default_rng(0).standard_normal(len(self.noise)) * self.noise * _spread(size)
        return _interval(np.minimum(self._at(size) + chance, self.top))

    def gain(self, size: int, more: int) -> Interval:
        """What `more` rows on top of `size` add to the mean score."""
        return _interval(self._at(size + more) - self._at(size))

    def rows_for(self, target: float) -> tuple[float, Interval | None]:
        """(Probability that any number of rows reaches `target`; rows that do, among the curves that reach it).

        The interval is None where fewer than half of the curves reach it.
        """
        room = self.ceilings - target
        reached = room > 0
        share = float(reached.mean())
        if share < 0.5:
            return share, None
        with np.errstate(over="ignore"):
            rows = (self.scales[reached] / room[reached]) ** (1 / self.exponents[reached])
        return share, _interval(np.clip(rows, 1.0, 1e9))

    def flat(self, more: int, worthwhile: float) -> bool:
        """Whether `more` rows beyond the largest size bring less than `worthwhile` points for sure."""
        return self.gain(self.largest, more).high < worthwhile

    def doubts(self, size: float) -> tuple[str, ...]:
        """Why a reading at `size` is not to be relied on; () for none."""
        sizes = sorted({point.size for point in self.points})
        found = []
        if len(sizes) < SIZES:
            found.append(f"{len(sizes)} sizes were measured, {SIZES} are needed")
        if sizes[-1] < SPAN * sizes[0]:
            found.append(f"the largest size is {sizes[-1] / sizes[0]:.1f} times the smallest, not {SPAN}")
        if size > REACH * sizes[-1]:
            found.append(f"{size:,.0f} rows are more than {REACH} times the {sizes[-1]:,} that were measured")
        shown = self.mean_at(size)
        if shown.high - shown.low > WIDE:
            found.append(f"anything between {shown.low:.3f} and {shown.high:.3f} is possible")
        by_size = means(self.points)
        if np.polyfit(np.log(list(by_size)), list(by_size.values()), 1)[0] < 0:
            found.append("the score falls with more rows: look at how consistent the labels are")
        return tuple(found)

    @property
    def largest(self) -> int:
        """The largest size that was measured."""
        return max(point.size for point in self.points)

    def _at(self, size: float) -> Floats:
        found: Floats = self.ceilings - self.scales * float(size) ** -self.exponents
        return found


def means(points: Sequence[Point]) -> dict[int, float]:
    """Size -> the mean score of its runs, by size."""
    sizes = sorted({point.size for point in points})
    return {size: float(np.mean([p.score for p in points if p.size == size])) for size in sizes}


def fit(points: Sequence[Point], top: float = 1.0, seed: int = 0) -> Curve:
    """The curves that the points leave possible, none above `top` (what the labels' own noise allows).

    Raises GateError for fewer than three sizes, a size below 1, a run given twice, or a score above `top`.
    """
    points = sorted(points)
    _refuse(points, top)
    by_size = means(points)
    sizes, scores = np.array(list(by_size), float), np.array(list(by_size.values()))
    runs = np.array([sum(point.size == size for point in points) for size in by_size])
    apart = [(point.score - by_size[point.size]) / _spread(point.size) for point in points]
    free = len(points) - len(by_size)
    own = float(np.square(apart).sum()) / free if free else 0.0
    chance = np.random.default_rng(seed)
    curves, likely = [], []
    for exponent in EXPONENTS:
        weight, drawn = _draws(chance, exponent, sizes, scores, np.sqrt(runs) / _spread(sizes), (own, free))
        drawn = drawn[(drawn[:, 0] <= top) & (drawn[:, 1] >= 0)]
        curves.append(drawn)
        likely += [weight] * len(drawn)
    kept = np.concatenate(curves)
    if len(kept):
        shares = np.exp(np.array(likely) - max(likely))
        kept = kept[chance.choice(len(kept), DRAWS, p=shares / shares.sum())]
    else:  # the score falls: of all that is possible a flat curve is nearest
        kept = np.tile([scores.mean(), 0.0, 1.0, scores.std(ddof=1)], (DRAWS, 1))
    noise = np.full(DRAWS, math.sqrt(own)) if free else kept[:, 3]
    return Curve(tuple(points), top, kept[:, 0], kept[:, 1], kept[:, 2], noise)


def _draws(
    chance: np.random.Generator,
    exponent: float,
    sizes: Floats,
    scores: Floats,
    weights: Floats,
    own: tuple[float, int],
) -> tuple[float, Floats]:
    """(Log marginal likelihood of an exponent, draws of (ceiling, scale, exponent, noise)); shape (TRIES, 4).

    Linear regression on the gap at the smallest size, so that a flat prior means the same for every exponent.
    """
    x = np.stack([weights, -weights * (sizes / sizes[0]) ** -exponent], axis=1)
    y = weights * scores
    precision = x.T @ x
    covariance = np.linalg.inv(precision)
    middle = covariance @ x.T @ y
    counted = min(OWN_NOISE, own[1])
    freedom = len(sizes) - 2 + counted
    squares = float(np.square(y - x @ middle).sum()) + counted * own[0] + 1e-12
    variance = squares / chance.chisquare(freedom, TRIES)
    steps = chance.standard_normal((TRIES, 2)) @ np.linalg.cholesky(covariance).T
    drawn = middle + steps * np.sqrt(variance)[:, None]
    scale = drawn[:, 1] * sizes[0] ** exponent
    likely = -0.5 * float(np.linalg.slogdet(precision)[1]) - 0.5 * freedom * math.log(squares)
    return likely, np.stack([drawn[:, 0], scale, np.full(TRIES, exponent), np.sqrt(variance)], axis=1)


def _spread(size: float | Floats) -> Any:
    """How far runs of a size lie apart, relative to one row: less with more rows, so larger sizes count more."""
    return np.asarray(size, float) ** -0.25


def _interval(values: Floats) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    low, value, high = np.quantile(values, [tail, 0.5, 1 - tail])
    return Interval(float(value), float(low), float(high))


def _refuse(points: Sequence[Point], top: float) -> None:
    faults = []
    if len({point.size for point in points}) < LEAST:
        faults.append("a curve needs three sizes at least")
    if small := sorted({point.size for point in points if point.size < 1}):
        faults.append(f"a size is a number of rows, found {small[0]}")
    if twice := sorted(k for k, count in Counter((p.size, p.seed) for p in points).items() if count > 1):
        faults.append(f"size {twice[0][0]}, seed {twice[0][1]} is given twice")
    if high := sorted(point.score for point in points if not point.score <= top):
        faults.append(f"a score of {high[-1]:g} lies above the {top:g} that is possible")
    if faults:
        raise GateError("no learning curve can be drawn:\n" + "\n".join(f"  {fault}" for fault in faults))
