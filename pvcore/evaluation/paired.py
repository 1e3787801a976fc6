"""Statistics of paired comparisons on clustered cases.

Reports of one case cluster (duplicates, follow-ups, several verbatims of one case) are not
independent, so whole clusters are resampled, and tests count clusters. The same resamples serve
both models, which keeps the pairing.

Sources: percentile bootstrap by cluster (Davison & Hinkley 1997, 3.8); Wilson 1927; Tango 1998,
Stat. Med. 17:891 (score interval of a paired difference); McNemar 1947, exact; Holm 1979.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pvcore.evaluation.metrics import Bools, Floats, Metric

if TYPE_CHECKING:
    import pandas as pd

CHUNK_CELLS = 400_000
"""Numbers held at once while a metric is recomputed (3 MB): few enough to stay in a processor's cache."""
FEW = 10
"""Clusters that differ, below which their scatter is not asked how alike the rows of a cluster are."""
UNDEFINED = 0.05
"""Share of resamples that may leave a metric undefined before its interval is given up."""


@dataclass(frozen=True)
class Resamples:
    """Draws of clusters with replacement: `codes[i]` is the cluster of row i, from 0 to `clusters` - 1."""

    codes: NDArray[np.intp]
    clusters: int
    resamples: int
    seed: int

    @cached_property
    def counts(self) -> NDArray[np.uint16]:
        """How often each cluster was drawn; shape (resamples, clusters). The same for the same seed."""
        rng = np.random.default_rng(self.seed)
        drawn = np.zeros((self.resamples, self.clusters), np.uint16)
        for row in drawn:
            chosen = rng.integers(0, self.clusters, self.clusters)
            row[:] = np.bincount(chosen, minlength=self.clusters)
        return drawn

    def values(self, metric: Metric, frame: pd.DataFrame) -> Floats:
        """`metric` under every resample of `frame`'s rows; NaN where it is undefined."""
        if metric.parts is not None:
            numerator, denominator = metric.parts(frame)
            return self._ratios(self._sums(numerator), self._sums(denominator))
        step = max(1, CHUNK_CELLS // max(1, len(frame)))
        chunks = [self.counts[start : start + step] for start in range(0, self.resamples, step)]
        if metric.weighted is not None:
            compute = metric.weighted(frame)
            return np.concatenate([compute(chunk[:, self.codes].astype(float)) for chunk in chunks])
        rows = np.arange(len(frame))
        repeated = (frame.iloc[np.repeat(rows, draw[self.codes])] for draw in self.counts)
        return np.array([metric(resampled) for resampled in repeated])

    def _sums(self, part: Floats) -> Floats:
        return np.bincount(self.codes, part, self.clusters).astype(float)

    def _ratios(self, numerator: Floats, denominator: Floats) -> Floats:
        counts = self.counts.astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio: Floats = (counts @ numerator) / (counts @ denominator)
        return ratio


def percentile_interval(values: Floats, confidence: float) -> tuple[float, float]:
    """The middle `confidence` of `values`; NaN if more than 5% of them are undefined."""
    defined = values[~np.isnan(values)]
    if len(defined) < (1 - UNDEFINED) * len(values) or not len(defined):
        return math.nan, math.nan
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def wilson_interval(successes: float, trials: float, confidence: float) -> tuple[float, float]:
    """Score interval of a proportion. `trials` may be an effective number, not a whole one."""
    if trials <= 0:
        return math.nan, math.nan
    z2 = _z(confidence) ** 2
    share = successes / trials
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def tango_interval(first: float, second: float, trials: float, confidence: float) -> tuple[float, float]:
    """Score interval of (first - second) / trials, the difference of two paired proportions.

    `first` and `second` count the pairs that only the one or only the other got right. Unlike a
    bootstrap it does not shrink to nothing when no pair differs: 30 equal answers are weak proof.
    """
    if trials <= 0:
        return math.nan, math.nan
    z = _z(confidence)

    def statistic(difference: float) -> float:
        b = (2 * trials - first + second) * difference - first - second
        c = -second * difference * (1 - difference)
        share = (math.sqrt(max(0.0, b * b - 8 * trials * c)) - b) / (4 * trials)
        variance = trials * (2 * share + difference * (1 - difference))
        distance = first - second - trials * difference
        return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance)

    value = (first - second) / trials
    return _solve(statistic, -1.0, value, z), _solve(statistic, value, 1.0, -z)


@dataclass(frozen=True, slots=True)
class SignTest:
    """Clusters in which the first model is right more often, fewer times, and what that says."""

    better: int
    worse: int
    p_worse: float


def sign_test(first: Bools, second: Bools, codes: NDArray[np.intp]) -> SignTest:
    """Exact sign test over clusters of which model is right more often (one row each: McNemar).

    `p_worse` is one-sided: the probability of so few wins of the first model if both were equal.
    """
    from scipy.stats import binom

    net = np.bincount(codes, first.astype(float) - second.astype(float))
    better, worse = int((net > 0).sum()), int((net < 0).sum())
    p_worse = float(binom.cdf(better, better + worse, 0.5)) if better + worse else 1.0
    return SignTest(better, worse, min(1.0, p_worse))


@lru_cache(maxsize=4096)
def least_loss(better: int, clusters: int, level: float) -> float:
    """The smallest net share of `clusters` that a sign test at `level` takes for a loss.

    `better` clusters speak for the first model, as they did; asked is how many had to speak against it.
    A group whose least loss is larger than a margin cannot show a loss of that margin. 1.0 if nothing shows.
    """
    from scipy.stats import binom

    enough = 2 * better + 20 + math.ceil(8 * math.sqrt(better + 1))  # shows at any level worth asking for
    counts = range(min(clusters - better, enough) + 1)
    worse = bisect_left(counts, True, key=lambda n: binom.cdf(better, better + n, 0.5) <= level)
    return max(0.0, (worse - better) / clusters) if worse < len(counts) else 1.0


def holm(values: Mapping[str, float]) -> dict[str, float]:
    """p-values adjusted over all of `values`, so that any one of them is wrongly small at most as
    often as its value says (Holm's step-down)."""
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, (name, value) in enumerate(sorted(values.items(), key=lambda item: (item[1], item[0]))):
        highest = max(highest, min(1.0, value * (len(values) - rank)))
        adjusted[name] = highest
    return {name: adjusted[name] for name in values}


def effective_trials(trials: float, unknown: int, binomial_variance: float, observed: float) -> float:
    """How many independent rows `trials` clustered rows are worth (Kish's design effect).

    Never more than `trials`; `unknown` where no variance is left to estimate it from.
    """
    if binomial_variance <= 0 or math.isnan(observed) or observed <= 0:
        return float(unknown)
    return trials / max(1.0, observed / binomial_variance)


def clustered_wilson(
    right: Bools, codes: NDArray[np.intp], error: float, confidence: float, few: int = FEW
) -> tuple[float, float]:
    """Wilson's interval of the share of `right` rows in clusters, by the bootstrap's standard `error`.

    Few clusters with an error are treated as `clustered_tango` treats few that differ.
    """
    trials, clusters, value = len(right), len(np.unique(codes)), float(right.mean())
    worth = effective_trials(trials, trials if few else clusters, value * (1 - value) / trials, error**2)
    trusted = wilson_interval(value * worth, worth, confidence)
    rare = right if value < 0.5 else ~right
    part = _part(rare, codes, few)
    moved = value * part if value < 0.5 else 1 - (1 - value) * part
    low, high = wilson_interval(moved * clusters, clusters, confidence)
    return _both(trusted, (low - moved, high - moved), value, 0.0) if few else trusted


def clustered_tango(
    first: Bools, second: Bools, codes: NDArray[np.intp], error: float, confidence: float, few: int = FEW
) -> tuple[float, float]:
    """Tango's interval of a paired difference in clusters, by the bootstrap's standard `error`.

    A few clusters that differ do not show how alike the rows of a cluster are: one row in 30 clusters of 33 seems
    to say that all 990 are independent. So it is never narrower, about its value, than with `few` of these
    clusters (or all, if they are fewer) and every cluster counted once: one more error does not narrow it. With one
    row a cluster that changes nothing. In reports of before (`few` 0) a cluster counts once only where none differs.
    """
    trials, clusters = len(first), len(np.unique(codes))
    won, lost = int((first & ~second).sum()), int((second & ~first).sum())
    value, variance = (won - lost) / trials, (won + lost - (won - lost) ** 2 / trials) / trials**2
    worth = effective_trials(trials, trials if few else clusters, variance, error**2)
    trusted = tango_interval(won * worth / trials, lost * worth / trials, worth, confidence)
    part = _part(first != second, codes, few)
    share = part * clusters / trials
    low, high = tango_interval(won * share, lost * share, clusters, confidence)
    return _both(trusted, (low - value * part, high - value * part), value, -1.0) if few else trusted


def few_of(edition: int) -> int:
    """`few` by the edition of a report's rules."""
    return FEW if edition > 1 else 0


def _part(rare: Bools, codes: NDArray[np.intp], few: int) -> float:
    """The share of the clusters with a rare row that are `few`; 1 if there are no more."""
    return min(1.0, few / max(1, len(np.unique(codes[rare]))))


def _both(
    interval: tuple[float, float], distances: tuple[float, float], value: float, least: float
) -> tuple[float, float]:
    low, high = value + distances[0], value + distances[1]
    return min(interval[0], max(least, low)), max(interval[1], min(1.0, high))


def _solve(statistic: Callable[[float], float], low: float, high: float, target: float) -> float:
    """Where the decreasing `statistic` crosses `target` between `low` and `high`, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if statistic(middle) > target else (low, middle)
    return (low + high) / 2


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)
