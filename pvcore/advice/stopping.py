"""When to stop asking for annotations: the target is reached, the curve is flat, nothing is left to ask about.

>>> reached = Interval(0.84, 0.81, 0.87)
>>> stop(reached, target=0.8, curve=None, step=100, left=500)
'the target of 0.8 is reached: 0.840 (0.810 to 0.870)'
>>> stop(reached, target=0.9, curve=None, step=100, left=500)
''
>>> stop(reached, target=None, curve=None, step=100, left=0)
'no case without a label is left to ask about'
"""

from __future__ import annotations

from collections.abc import Sequence

from pvcore.evaluation.curve import Curve, Interval, Point, fit

LEAST = 3
"""Phases of different sizes that a curve needs."""
WORTHWHILE = 0.005
"""A gain of a phase below this is none."""


def fitted(points: Sequence[Point]) -> Curve | None:
    """The curve through the phases so far; None while they are fewer than LEAST sizes."""
    return fit(points) if len({point.size for point in points}) >= LEAST else None


def stop(score: Interval, *, target: float | None, curve: Curve | None, step: int, left: int) -> str:
    """Why no further phase is worth asking for; "" to go on.

    The target is reached where the whole interval lies above it. The curve is flat where `step` more rows bring
    less than WORTHWHILE for sure. `left` cases have no label yet.
    """
    if target is not None and score.low >= target:
        return f"the target of {target:g} is reached: {score.value:.3f} ({score.low:.3f} to {score.high:.3f})"
    if curve is not None and curve.flat(step, WORTHWHILE):
        gain = curve.gain(curve.largest, step)
        found = (
            f"the curve is flat: {step} more bring {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
        )
        return "; ".join(
            [found, *(f"not to be relied on: {doubt}" for doubt in curve.doubts(curve.largest + step))]
        )
    return "" if left else "no case without a label is left to ask about"
