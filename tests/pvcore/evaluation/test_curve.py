"""Learning curves: what known curves leave possible, and what is said where the points tell too little."""

from __future__ import annotations

import numpy as np
import pytest

from pvcore.errors import GateError
from pvcore.evaluation.curve import Point, fit

SIZES = (250, 500, 1000, 2000, 4000)


def points(ceiling=0.9, scale=1.5, exponent=0.5, sizes=SIZES, seeds=3, noise=0.006, draw=0):
    """Runs along a known curve, the chance of each smaller with more rows."""
    chance = np.random.default_rng(draw)
    return [
        Point(n, s, ceiling - scale * n**-exponent + chance.normal() * noise * (n / sizes[-1]) ** -0.25)
        for n in sizes
        for s in range(seeds)
    ]


@pytest.mark.parametrize(
    ("ceiling", "scale", "exponent"), [(0.85, 1.5, 0.5), (0.9, 1.0, 0.25), (0.75, 3, 0.8)]
)
def test_known_curves_are_read_at_four_times_their_size(ceiling, scale, exponent):
    truth = ceiling - scale * 16_000**-exponent
    found = [fit(points(ceiling, scale, exponent, draw=n)).mean_at(16_000) for n in range(12)]
    assert sum(interval.low <= truth <= interval.high for interval in found) >= 11
    assert np.mean([abs(interval.value - truth) < 0.02 for interval in found]) >= 0.9
    assert all(interval.high - interval.low < 0.1 for interval in found)


def test_fewer_points_leave_more_possible():
    many, few = fit(points()), fit(points(sizes=SIZES[:3], seeds=2))
    wide, narrow = (curve.mean_at(16_000) for curve in (few, many))
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
    assert any("3 sizes" in doubt for doubt in few.doubts(4_000))
    assert any("more than 8 times" in doubt for doubt in many.doubts(100_000))
    assert many.doubts(16_000) == ()


def test_one_run_is_less_sure_than_the_mean_and_no_score_passes_the_top():
    curve = fit(points(noise=0.02), top=0.9)
    mean, run = curve.mean_at(4_000), curve.at(4_000)
    assert run.high - run.low > mean.high - mean.low
    assert max(curve.ceilings) <= 0.9
    assert run.high <= 0.9


def test_rows_that_reach_a_target():
    curve = fit(points(0.9, 1.5, 0.5, noise=0.002))  # 0.87 is reached with (1.5 / 0.03)^2 = 2,500 rows
    share, rows = curve.rows_for(0.87)
    assert share > 0.95
    assert rows.low < 2_500 < rows.high
    assert 1_500 < rows.value < 4_000
    assert curve.rows_for(0.99) == (pytest.approx(0.0, abs=0.2), None)


def test_a_flat_curve_says_so_and_a_rising_one_does_not():
    flat, rising = fit(points(0.8, 0.0, 1.0)), fit(points(0.95, 1.2, 0.2))
    assert flat.flat(500, worthwhile=0.005)
    assert not rising.flat(500, worthwhile=0.005)
    assert rising.gain(4_000, 500).low > 0
    assert flat.gain(4_000, 500).value < 0.002


def test_a_falling_score_is_no_curve():
    falling = [Point(n, s, 0.9 - n / 20_000 + s / 1_000) for n in SIZES for s in range(3)]
    curve = fit(falling)
    assert any("falls with more rows" in doubt for doubt in curve.doubts(4_000))
    assert curve.gain(4_000, 4_000).value < 0.01


def test_the_same_points_in_any_order_are_the_same_curves():
    made = points()
    assert (fit(made).ceilings == fit(made[::-1]).ceilings).all()


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(GateError) as told:
        fit([Point(0, 1, 0.5), Point(0, 1, 0.5), Point(10, 1, 0.95)], top=0.9)
    for words in ("three sizes", "found 0", "size 0, seed 1 is given twice", "0.95 lies above the 0.9"):
        assert words in str(told.value)
