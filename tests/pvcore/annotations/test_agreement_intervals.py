"""Intervals of alpha and kappa beside a plain bootstrap that draws the things themselves."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pvcore.annotations.agreement_intervals import alpha_bounds, cohen_bounds
from pvcore.annotations.coefficients import alpha, cohen

CHANCE = random.Random(5)
LABELS = ("a", "b", "c")


def judged(number: int) -> list[dict[str, str]]:
    """Two or three people who mostly say the same."""
    things = []
    for _ in range(number):
        right = CHANCE.choices(LABELS, (6, 3, 1))[0]
        names = ("ann", "bob", "eve")[: CHANCE.choice((2, 3))]
        things.append({name: right if CHANCE.random() < 0.8 else CHANCE.choice(LABELS) for name in names})
    return things


def test_they_are_those_of_a_bootstrap_over_the_things() -> None:
    things = judged(120)
    one, other = ([said[name] for said in things] for name in ("ann", "bob"))
    alphas, kappas = [], []
    for _ in range(3000):
        drawn = CHANCE.choices(range(len(things)), k=len(things))
        alphas.append(alpha(things[i] for i in drawn))
        kappas.append(cohen([one[i] for i in drawn], [other[i] for i in drawn]))
    for found, plain in ((alpha_bounds(things), alphas), (cohen_bounds(one, other), kappas)):
        assert found == pytest.approx(tuple(np.quantile(plain, [0.025, 0.975])), abs=0.03)
    assert alpha_bounds(things) == alpha_bounds(things)


def test_more_things_say_more() -> None:
    few, many = (alpha_bounds(judged(number)) for number in (40, 4000))
    assert few and many and few[1] - few[0] > 5 * (many[1] - many[0])


def test_where_there_is_no_coefficient_there_is_no_interval() -> None:
    assert alpha_bounds([{"ann": "a"}]) is None and cohen_bounds([], []) is None
    assert alpha_bounds([{"ann": "a", "bob": "a"}] * 5) is None
    assert cohen_bounds(["a"] * 5, ["a"] * 5) is None
