"""Failure modes are named where rows go wrong more often than chance, and only there."""

from __future__ import annotations

import random
from dataclasses import replace

from pvcore.advice.failures import Answered, closed, failure_modes
from pvcore.cycle.targeting import judged
from pvcore.records import Example, Prediction


def answered(
    count, wrong, text=lambda n: f"report of a patient {n}", slices=lambda n: (), label=lambda n: "a"
):
    return [
        Answered(
            Example(f"e{n}", f"c{n}", text(n), label(n), f"k{n}", slices(n)),
            "b" if wrong(n) else label(n),
            not wrong(n),
            0.9,
        )
        for n in range(count)
    ]


def test_a_slice_that_fails_is_named_with_examples():
    rows = answered(
        400,
        lambda n: n % 4 == 0 and n % 3 > 0,
        slices=lambda n: ("negation",) if n % 4 == 0 else ("history",) if n % 4 == 1 else (),
    )
    (mode,) = [m for m in failure_modes(rows, {"a": 100}) if m.kind == "slice"]
    assert (mode.name, mode.rows, mode.errors, mode.rest) == ("negation", 100, 66, 0.0)
    assert len(mode.examples) == 5
    assert mode.examples[0]["answer"] == "b"


def test_errors_by_chance_are_no_mode():
    named = 0
    for seed in range(8):
        chance = random.Random(seed)
        hits = [chance.random() < 0.1 for _ in range(400)]
        groups = [tuple(f"s{k}" for k in range(6) if chance.random() < 0.2) for _ in range(400)]
        rows = answered(400, lambda n, h=hits: h[n], slices=lambda n, g=groups: g[n])
        named += any(mode.kind == "slice" for mode in failure_modes(rows, {"a": 100}))
    assert named <= 2  # 5% a report


def test_rare_labels_and_long_texts_are_slices_of_their_own():
    rows = answered(
        200, lambda n: n % 5 == 0, label=lambda n: "rare" if n % 5 == 0 else "a", text=lambda n: f"report {n}"
    )
    assert [m.name for m in failure_modes(rows, {"a": 50, "rare": 2}) if m.kind == "slice"] == ["rare_labels"]
    assert not [m for m in failure_modes(rows, {"a": 50, "rare": 9}) if m.name == "rare_labels"]
    long = answered(200, lambda n: n % 5 == 0, text=lambda n: "word " * (90 if n % 5 == 0 else 9))
    assert [m.name for m in failure_modes(long, {"a": 50}) if m.kind == "slice"] == ["long_texts"]


def test_wrong_answers_that_read_alike_are_a_group_named_by_their_words():
    alike = "jaundice and bilirubin rose after the course"
    rows = answered(
        300,
        lambda n: n % 10 == 0,
        text=lambda n: (
            f"{alike} {n}" if n % 10 == 0 else f"a mild rash was seen on the day after, recovered {n}"
        ),
    )
    found = [mode for mode in failure_modes(rows, {"a": 100}) if mode.kind == "words"]
    assert found
    assert all(
        {"jaundice", "bilirubin"} & set(mode.name.removeprefix("like: ").split(", ")) for mode in found
    )


def test_a_mode_is_closed_where_its_rows_are_right_now():
    wrong = lambda n: n % 4 == 0  # noqa: E731
    groups = lambda n: ("negation",) if n % 4 == 0 else ()  # noqa: E731
    before = failure_modes(answered(200, wrong, slices=groups), {"a": 100})
    (told,) = closed(before, answered(200, lambda n: n % 40 == 0, slices=groups), {"a": 100})
    assert told == {
        "mode": "negation",
        "wrong_before": 50,
        "right_now": 45,
        "closed": False,
    }  # still worse than the rest
    (told,) = closed(before, answered(200, lambda n: False, slices=groups), {"a": 100})
    assert told["closed"]


def test_words_of_any_alphabet_name_a_group():
    alike = "gelbsucht mit übelkeit und erhöhtem bilirubin"
    other = "ausschlag am rücken nach der zweiten gabe ..."
    rows = answered(200, lambda n: n % 10 == 0, text=lambda n: alike if n % 10 == 0 else other)
    (mode,) = failure_modes(rows, {"a": 100})
    assert "übelkeit" in mode.name or "erhöhtem" in mode.name
    assert not {"belkeit", "erh", "htem"} & set(mode.name.removeprefix("like: ").split(", "))


def test_a_set_is_rare_by_its_terms_and_not_as_a_set():
    """Two common terms together are often seen once in training."""
    common, rare = ("90000001", "90000002"), ("90000001", "90000003")
    rows = [
        replace(row, labels=rare if n % 5 == 0 else common)
        for n, row in enumerate(answered(200, lambda n: n % 5 == 0, label=lambda n: f"set {n}"))
    ]
    (mode,) = failure_modes(rows, {"90000001": 90, "90000002": 80, "90000003": 1})
    assert (mode.name, mode.rows, mode.errors) == ("rare_labels", 40, 40)


def test_what_a_label_counts_as_follows_from_the_problem():
    example = Example("a", "a", "", "90000001 90000002", "a")
    (row,) = judged("pts", [example], [Prediction("a", "90000001", 0.5)])
    assert row.counted == ("90000001", "90000002")
    (row,) = judged("coding", [example], [Prediction("a", "90000001", 0.5)])
    assert row.counted == ("90000001 90000002",)
