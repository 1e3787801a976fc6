"""A phase stops with its whole interval above the target, on a curve flat for sure, with nothing left to ask."""

from __future__ import annotations

from pvcore.advice.stopping import fitted, stop
from pvcore.evaluation.curve import Interval, Point

SCORE = Interval(0.80, 0.78, 0.82)


def test_the_target_is_reached_by_the_whole_interval_only() -> None:
    assert "target of 0.78 is reached" in stop(SCORE, target=0.78, curve=None, step=100, left=9)
    assert stop(SCORE, target=0.80, curve=None, step=100, left=9) == ""


def test_two_phases_have_no_curve_and_a_third_of_the_same_size_none_either() -> None:
    points = [Point(100, 1, 0.6), Point(200, 2, 0.7), Point(200, 3, 0.7)]
    assert fitted(points) is None
    assert fitted([*points, Point(300, 4, 0.75)]) is not None


def test_a_flat_curve_stops_and_a_rising_one_goes_on() -> None:
    sizes = [250, 500, 1000, 2000, 4000]
    flat = fitted([Point(size, n, 0.8) for n, size in enumerate(sizes)])
    assert stop(SCORE, target=0.9, curve=flat, step=500, left=9).startswith(
        "the curve is flat: 500 more bring +0.000"
    )
    rising = fitted([Point(size, n, 0.95 - 8 * size**-0.5) for n, size in enumerate(sizes)])
    assert stop(SCORE, target=0.9, curve=rising, step=500, left=9) == ""


def test_a_doubtful_flat_curve_says_so() -> None:
    level = fitted([Point(100, 1, 0.8), Point(150, 2, 0.8), Point(200, 3, 0.8)])
    reason = stop(SCORE, target=None, curve=level, step=50, left=9)
    assert "the curve is flat" in reason and "not to be relied on: 3 sizes were measured" in reason


def test_an_empty_pool_stops() -> None:
    assert "no case without a label" in stop(SCORE, target=0.9, curve=None, step=100, left=0)
