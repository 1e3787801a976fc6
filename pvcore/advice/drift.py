"""Does what is being scored still look like what was trained on?

Three comparisons of a window of scored cases with the champion's own rows, none of which needs a label: the mix
of answers, how often guardrails are raised, and the share of texts unlike the training data; and two of what
the cases name: drugs and terms that were never trained on. Each is tested, and all together are
corrected (Holm), so that a quiet month alarms at most one time in twenty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pvcore.evaluation.paired import holm, wilson_interval

LEVEL = 0.05
WORTH = 0.02
"""A difference of shares below this is no drift, however sure: large windows find any difference."""
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Window:
    """Counts of some cases: `answers` by label, `raised` by guardrail, `named` things (drugs, terms) by name."""

    cases: int
    answers: Mapping[str, int]
    raised: Mapping[str, int]
    named: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Signal:
    """One comparison. `before` and `now` are shares, `low` and `high` the 95% interval of `now`, `p` corrected."""

    name: str
    before: float
    now: float
    low: float
    high: float
    p: float
    drifted: bool
    words: str


@dataclass(frozen=True, slots=True)
class Drift:
    """All signals, and the things named in the window that training never saw, the most frequent first."""

    cases: int
    signals: tuple[Signal, ...]
    unseen: tuple[tuple[str, int], ...]

    @property
    def drifted(self) -> bool:
        """Whether any signal says so."""
        return any(signal.drifted for signal in self.signals)


def drift(trained: Window, now: Window) -> Drift:
    """Compare a window with what was trained on. A window of no case has no signal."""
    if not now.cases or not trained.cases:
        return Drift(now.cases, (), ())
    shares = {
        **{f"answer {name}": (trained.answers.get(name, 0), now.answers.get(name, 0))
           for name in sorted({*trained.answers, *now.answers})},
        **{f"guardrail {name}": (trained.raised.get(name, 0), now.raised.get(name, 0))
           for name in sorted({*trained.raised, *now.raised})},
    }  # fmt: skip
    unseen = Counter({name: count for name, count in now.named.items() if name not in trained.named})
    tested = {name: _p(a, trained.cases, b, now.cases) for name, (a, b) in shares.items()}
    corrected = holm(tested)
    signals = [
        _signal(name, a / trained.cases, b, now.cases, corrected[name]) for name, (a, b) in shares.items()
    ]
    return Drift(now.cases, (*signals, *_new(unseen, now)), tuple(sorted(unseen.items(), key=_often)[:SHOWN]))


def _often(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _p(before: int, of: int, now: int, among: int) -> float:
    from scipy.stats import fisher_exact

    return float(fisher_exact([[before, of - before], [now, among - now]]).pvalue)


def _signal(name: str, before: float, count: int, cases: int, p: float) -> Signal:
    now = count / cases
    low, high = wilson_interval(count, cases, 0.95)
    drifted = p <= LEVEL and abs(now - before) >= WORTH
    return Signal(name, before, now, low, high, p, drifted, f"{before:.1%} when trained, {now:.1%} now")


def _new(unseen: Mapping[str, int], now: Window) -> list[Signal]:
    """The share of named things that training never saw: nothing to compare with, so it is held against WORTH."""
    total, count = sum(now.named.values()), sum(unseen.values())
    if not total:
        return []
    low, high = wilson_interval(count, total, 0.95)
    words = f"{count} of {total} named drugs and terms were never trained on ({len(unseen)} different ones)"
    return [
        Signal("unseen names", 0.0, count / total, low, high, 0.0 if low > WORTH else 1.0, low > WORTH, words)
    ]


def names(cases: Sequence[Sequence[str]]) -> Counter[str]:
    """How many cases name each thing, however it is written."""
    return Counter(
        name for case in cases for name in {item.strip().casefold() for item in case if item.strip()}
    )
