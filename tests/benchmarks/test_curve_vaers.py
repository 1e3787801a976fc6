"""The benchmark of learning curves: what it says was foretold never knew what it is held against."""

from __future__ import annotations

from typing import Any

import curve_vaers
import pytest

from pvcore.evaluation.curve import Point


def points(ahead: float) -> list[Point]:
    grown = [
        Point(n, seed, 0.9 - 1.5 * n**-0.5 + (seed - 1) * 0.002)
        for n in (250, 500, 1000, 2000, 4000)
        for seed in range(3)
    ]
    return [*grown, Point(16_000, 0, ahead)]


def found(ahead: float) -> Any:
    return {"recipe": {name: points(ahead) for name in curve_vaers.METRICS}}


@pytest.mark.parametrize(("measured", "says"), [(0.888, "yes | yes"), (0.6, "no | no")])
def test_the_run_ahead_is_no_part_of_the_curve(measured: float, says: str) -> None:
    lines = curve_vaers.table(found(measured), 16_000)
    assert len(lines) == 4 and says in lines[2] and f"| {measured:.3f} |" in lines[2]
    foretold = {
        line.split("|")[3] for ahead in (0.888, 0.6) for line in curve_vaers.table(found(ahead), 16_000)[2:]
    }
    assert len(foretold) == 1
