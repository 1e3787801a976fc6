"""What the benchmark of consecutive updates says of its figures, on figures made by hand."""

from __future__ import annotations

import dataclasses
import json

import incremental_page as page
import pytest


def result(name, ours, full, seconds=20.0):
    """One update: values by test set of the incremental way and of the full retraining."""
    values = {"incremental": ours, "full": full, "none": dict.fromkeys(full, 0.5)}
    return page.Result(name, {"incremental": 15, "full": 90}, {"incremental": seconds, "full": 100.0}, values)


RESULTS = [
    result("a", {"a": 0.80}, {"a": 0.80}),
    result("b", {"a": 0.795, "b": 0.70}, {"a": 0.80, "b": 0.705}),
    result("c", {"a": 0.75, "b": 0.71, "c": 0.60}, {"a": 0.79, "b": 0.70, "c": 0.65}, seconds=30.0),
]


def test_what_was_lost_is_counted_from_when_it_was_learned():
    assert page.losses(RESULTS) == pytest.approx([5.0, -1.0])
    assert page.behind(RESULTS[2]) == (pytest.approx(5.0), pytest.approx((4.0 - 1.0) / 2))


def test_the_verdict_counts_updates_that_reached_each_goal():
    rows = page.verdict(RESULTS).split("\n")[2:]
    assert [row.split(" | ")[1] for row in rows] == ["1 of 2", "1 of 2", "1 of 2", "1 of 2"]
    assert rows[0].endswith("| 25% |") and rows[1].endswith("| +2.8 |")


def test_a_plot_of_what_was_kept_is_the_same_bytes(tmp_path):
    (tmp_path / "vaers.json").write_text(json.dumps([dataclasses.asdict(r) for r in RESULTS]))
    drawn = page.plot(tmp_path)
    assert drawn.startswith(b"<?xml") and drawn == page.plot(tmp_path)
