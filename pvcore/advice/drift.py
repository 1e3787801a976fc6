"""Does what is being scored still look like what was trained on?

A window of scored cases is held against the champion's own held-out rows, which it answered too: the mix of
answers, how often guardrails are raised, how often names (drugs, terms) occur that training never saw, and how
sure the answers are. None of these needs a label. Where labels of scored cases came back, the share of right
answers is compared as well. Each comparison is tested, and all together are corrected (Holm), so that a quiet
month alarms at most one time in twenty.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pvcore.evaluation.curve import Interval
from pvcore.evaluation.paired import holm, wilson_interval

LEVEL = 0.05
WORTH = 0.02
"""A difference of shares below this is no drift, however sure: large windows find any difference."""
SHOWN = 10
UNSEEN, SURE, RIGHT = "unseen names", "confidence", "right answers"
ANSWER = "answer "
"""In front of a label: the signal of its share among the answers."""


@dataclass(frozen=True, slots=True)
class Window:
    """Some answered cases. `answers` by label and `raised` by guardrail count answers, `named` the cases that name a
    drug or term; `sure` is the confidence of each answer that has one; `right` of `labelled` answers were right.
    """

    answered: int
    answers: Mapping[str, int]
    raised: Mapping[str, int]
    named: Mapping[str, int]
    sure: Sequence[float] = ()
    labelled: int = 0
    right: int = 0


@dataclass(frozen=True, slots=True)
class Signal:
    """One comparison. `before` and `now` are shares (of confidence: means) with 95% intervals, `p` corrected over
    all.
    """

    name: str
    before: Interval
    now: Interval
    p: float
    drifted: bool
    words: str


@dataclass(frozen=True, slots=True)
class Drift:
    """All signals, and what the window names that training never saw, the most frequent first."""

    answered: int
    signals: tuple[Signal, ...]
    unseen: tuple[tuple[str, int], ...]

    @property
    def drifted(self) -> bool:
        """Whether any signal says so."""
        return any(signal.drifted for signal in self.signals)


def drift(held: Window, now: Window, trained: Collection[str]) -> Drift:
    """Compare a window with the held-out rows. `trained` are the names that training saw, case folded.

    A window without an answer has no signal.
    """
    if not now.answered or not held.answered:
        return Drift(now.answered, (), ())
    unseen = Counter({name: count for name, count in now.named.items() if name not in trained})
    shares = _shares(held, now, trained)
    p = {name: _p(*before, *after) for name, (before, after) in shares.items()}
    if len(held.sure) > 1 and len(now.sure) > 1:
        p[SURE] = _welch(held.sure, now.sure)
    corrected = holm(p)
    signals = [_share(name, *counts, corrected[name]) for name, counts in shares.items()]
    if SURE in p:
        signals.append(_means(held.sure, now.sure, corrected[SURE]))
    return Drift(now.answered, tuple(signals), tuple(sorted(unseen.items(), key=_often)[:SHOWN]))


def _often(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


Counted = tuple[int, int]
"""(How many, of how many)."""


def _shares(held: Window, now: Window, trained: Collection[str]) -> dict[str, tuple[Counted, Counted]]:
    """What is compared as shares; what nothing is known of on one side is left out."""
    found: dict[str, tuple[Counted, Counted]] = {}
    for kind, of in ((ANSWER, "answers"), ("guardrail ", "raised")):
        before, after = getattr(held, of), getattr(now, of)
        for name in sorted({*before, *after}):
            found[kind + name] = (
                (before.get(name, 0), held.answered),
                (after.get(name, 0), now.answered),
            )
    found[UNSEEN] = (_new(held.named, trained), _new(now.named, trained))
    found[RIGHT] = ((held.right, held.labelled), (now.right, now.labelled))
    return {name: counts for name, counts in found.items() if counts[0][1] and counts[1][1]}


def _new(named: Mapping[str, int], trained: Collection[str]) -> Counted:
    return sum(count for name, count in named.items() if name not in trained), sum(named.values())


def _p(before: int, of: int, now: int, among: int) -> float:
    from scipy.stats import fisher_exact

    return float(fisher_exact([[before, of - before], [now, among - now]]).pvalue)


def _welch(before: Sequence[float], now: Sequence[float]) -> float:
    from scipy.stats import ttest_ind

    if np.ptp(before) == 0 and np.ptp(now) == 0:  # no spread to test against
        return float(before[0] == now[0])
    return float(ttest_ind(before, now, equal_var=False).pvalue)


def _share(name: str, held: Counted, window: Counted, p: float) -> Signal:
    before, now = (Interval(c[0] / c[1], *wilson_interval(*c, 0.95)) for c in (held, window))
    words = f"{before.value:.1%} of {held[1]:,} held out, {now.value:.1%} of {window[1]:,} now"
    return Signal(name, before, now, p, _drifted(before, now, p), words)


def _means(held: Sequence[float], window: Sequence[float], p: float) -> Signal:
    before, now = _mean(held), _mean(window)
    words = f"mean {before.value:.3f} held out, {now.value:.3f} now"
    return Signal(SURE, before, now, p, _drifted(before, now, p), words)


def _mean(values: Sequence[float]) -> Interval:
    """The mean of confidences, which lie between 0 and 1, and so does its interval."""
    mean, half = float(np.mean(values)), 1.96 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Interval(mean, max(0.0, mean - half), min(1.0, mean + half))


def _drifted(before: Interval, now: Interval, p: float) -> bool:
    return p <= LEVEL and abs(now.value - before.value) >= WORTH


def names(cases: Iterable[Iterable[str]]) -> Counter[str]:
    """How many cases name each thing, however it is written."""
    return Counter(
        name for case in cases for name in {item.strip().casefold() for item in case if item.strip()}
    )
