"""Uses of held-out cases: nothing but fresh cases brings them down."""

from __future__ import annotations

import doctest

from pvcore.evaluation import uses as module
from pvcore.evaluation.uses import fresh, uses

SET = {f"c{n}": f"k{n}" for n in range(10)}
ALL = set(SET)


def test_the_example_of_the_module():
    assert doctest.testmod(module).failed == 0 < doctest.testmod(module).attempted


def test_no_remix_of_the_same_cases_starts_anew():
    earlier = [ALL] * 5
    assert uses(SET, earlier) == 5
    assert uses({**SET, "more": "k10"}, earlier) == 5  # one case added
    assert uses({case: SET[case] for case in sorted(ALL)[:3]}, earlier) == 5  # most left out
    assert uses({case: f"renamed {k}" for case, k in SET.items()}, earlier) == 5  # clusters under other names
    copies = {f"copy of {case}": cluster for case, cluster in SET.items()}
    assert uses(SET | copies, earlier) == 5  # near-identical cases stand in the clusters of the old ones
    odd, even = ({c for c in ALL if int(c[1:]) % 2 == rest} for rest in (0, 1))
    assert uses(SET, [odd, even] * 5) == 5  # asked in halves that share nothing with each other
    assert uses(SET, [odd] * 5) == 5  # half is enough
    assert uses(SET, []) == uses({}, [ALL]) == 0


def test_fresh_cases_bring_them_down_and_how_many_are_due_is_exact():
    earlier = [ALL] * 5
    due = fresh(SET, earlier, maximum=5)
    assert due == 11 and fresh(SET, earlier, maximum=6) == 0
    for number, expected in ((due - 1, 5), (due, 0)):
        assert uses(SET | {f"new{n}": f"new{n}" for n in range(number)}, earlier) == expected
