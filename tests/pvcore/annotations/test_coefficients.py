"""Coefficients of agreement against the tables of their authors, and what must hold of any answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvcore.annotations.coefficients import alpha, cohen, fleiss, observed

# Fleiss 1971 as worked through in the literature: 14 raters, 10 subjects, 5 categories; kappa 0.210.
FLEISS = (
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
)  # fmt: skip
# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", example C: 4 observers, 12 units; 0.743.
KRIPPENDORFF = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)

things = st.lists(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz"), min_size=2, max_size=4),
    min_size=1,
    max_size=20,
)


def test_the_published_tables() -> None:
    raters = [
        {str(n): answer for n, answer in enumerate(a for a, count in enumerate(row) for _ in range(count))}
        for row in FLEISS
    ]
    assert fleiss(raters) == pytest.approx(0.210, abs=0.0005)
    rows = [row.split() for row in KRIPPENDORFF]
    units = [{str(n): a for n, a in enumerate(unit) if a != "."} for unit in zip(*rows, strict=True)]
    assert alpha(units) == pytest.approx(0.743, abs=0.0005)
    first = ["y"] * 25 + ["n"] * 25
    second = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert cohen(first, second) == pytest.approx(0.4)


def test_what_is_not_defined_is_none() -> None:
    same = [{"a": "x", "b": "x"}] * 3
    assert (cohen("xxx", "xxx"), fleiss(same), alpha(same), observed(same)) == (None, None, None, 1.0)
    assert (cohen([], []), fleiss([{"a": "x"}]), alpha([]), observed([{"a": "x"}])) == (
        None,
        None,
        None,
        None,
    )


@given(things)
def test_no_coefficient_exceeds_what_is_observed(found: list[dict[str, str]]) -> None:
    for value in (fleiss(found), alpha(found)):
        assert value is None or value <= 1.0
    if observed(found) == 1.0:
        assert fleiss(found) in (None, 1.0) and alpha(found) in (None, 1.0)


@given(things)
def test_names_do_not_matter(found: list[dict[str, str]]) -> None:
    renamed = [{f"{name}!": answer for name, answer in one.items()} for one in reversed(found)]
    assert alpha(renamed) == pytest.approx(alpha(found)) and fleiss(renamed) == pytest.approx(fleiss(found))
