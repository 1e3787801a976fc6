"""Counts, repetition and coverage of examples, and what is said to be missing."""

from __future__ import annotations

import time

from pvcore.advice.sufficiency import coverage, sufficiency
from pvcore.records import Example


def rows(labels, clusters=None):
    return [
        Example(f"e{n}", f"c{n}", f"text {n} of a report", label, (clusters or {}).get(n, f"k{n}"))
        for n, label in enumerate(labels)
    ]


def test_rare_labels_and_short_supply_are_named():
    found = sufficiency("triage", "classification", ("a", "b", "c"), rows(["a"] * 200 + ["b"] * 20))
    told = [(label.name, label.examples, label.enough) for label in found.labels]
    assert told == [("a", 200, True), ("b", 20, False), ("c", 0, False)]
    assert any("500 to 2,000" in line for line in found.advice)
    assert any("b (20), c (0)" in line for line in found.advice)
    assert sufficiency("x", "classification", ("a", "b"), rows(["a", "b"] * 300)).advice == ()


def test_near_copies_count_once():
    found = sufficiency("x", "classification", ("a",), rows(["a"] * 100, dict.fromkeys(range(60), "same")))
    assert (found.examples, found.distinct) == (100, 41)
    assert any("59% of the examples repeat" in line for line in found.advice)


def test_coverage_counts_the_most_frequent_terms_first():
    found = coverage(["a"] * 50 + ["b"] * 30 + [f"t{n}" for n in range(20)])
    assert [(c.share, c.terms, c.fewest) for c in found] == [(0.5, 1, 50), (0.8, 2, 30), (0.95, 17, 1)]
    assert coverage([]) == ()


def test_terms_of_a_set_are_counted_one_by_one():
    found = sufficiency("pts", "set", (), rows(["1 2", "1", "2 3"]), terms=True)
    assert [(x.name, x.examples) for x in found.labels] == [("1", 2), ("2", 2), ("3", 1)]
    assert found.range is None
    assert any("one example only" in line for line in found.advice)


def test_spans_are_counted_by_what_they_are():
    label = '{"spans":[{"end":4,"label":"Drug","start":0}]}'
    found = sufficiency("extraction", "extraction", ("Drug", "Reaction"), rows([label] * 3))
    assert [(x.name, x.examples) for x in found.labels] == [("Drug", 3), ("Reaction", 0)]
    assert found.range == (1_000, 5_000)


def test_many_rare_terms_are_covered_at_once():
    """Each term's share was held against a volume that was counted anew: 11 s for 20,000 terms."""
    started = time.process_time()
    assert [row.terms for row in coverage(map(str, range(20_000)))] == [10_000, 16_000, 19_000]
    assert time.process_time() - started < 2
