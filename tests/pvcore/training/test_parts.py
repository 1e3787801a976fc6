"""Settings, specification, mixture, plan and schedule on hand-built values."""

from __future__ import annotations

import doctest
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvcore.errors import TrainingError
from pvcore.records import Example
from pvcore.training import loop, mixture
from pvcore.training.mixture import mix, sample
from pvcore.training.objectives.objective import PASS, ROOM, parts_by_length, plan_by_length
from pvcore.training.settings import sections
from pvcore.training.specification import Specification, code_digest

BASE = {"base": {"source": "package:x", "digest": "0" * 64}}


def example(number: int, label: str = "serious", slices: tuple[str, ...] = ()) -> Example:
    return Example(f"e{number}", f"c{number}", "text", label, f"k{number}", slices)


def test_doctest():
    assert doctest.testmod(mixture).failed == 0


def test_settings_name_every_fault():
    with pytest.raises(TrainingError, match=r"(?s)base.digest.*lora.rank.*training.epoch"):
        sections(
            {"base": {"source": "x", "digest": "PENDING"}, "lora": {"rank": 0}, "training": {"epoch": 3}}
        )
    with pytest.raises(TrainingError, match="does not divide"):
        sections({**BASE, "training": {"batch": 16, "micro_batch": 5}})


def test_a_specification_survives_json_and_every_field_counts():
    one = Specification("seriousness", "encoder", BASE, "1" * 64, 17)
    assert Specification.from_json(one.to_json()) == one
    assert Specification.from_json(one.to_json()).digest == one.digest
    others = [
        Specification("coding", "encoder", BASE, "1" * 64, 17),
        Specification("seriousness", "causal", BASE, "1" * 64, 17),
        Specification("seriousness", "encoder", {}, "1" * 64, 17),
        Specification("seriousness", "encoder", BASE, "2" * 64, 17),
        Specification("seriousness", "encoder", BASE, "1" * 64, 18),
        Specification("seriousness", "encoder", BASE, "1" * 64, 17, code="0" * 64),
        Specification("seriousness", "encoder", BASE, "1" * 64, 17, parent="3" * 64),
        Specification("seriousness", "encoder", BASE, "1" * 64, 17, dictionary="4" * 64),
    ]
    assert len({one.digest, *(other.digest for other in others)}) == 1 + len(others)
    with pytest.raises(TrainingError, match="unexpected keyword"):
        Specification.from_json(b'{"colour": "red"}')


def test_how_often_a_run_is_looked_at_is_no_part_of_what_its_adapter_names():
    plain, never, often = (
        Specification("seriousness", "encoder", {**BASE, "training": {"epochs": 2, **told}}, "1" * 64, 17)
        for told in ({}, {"evaluate_every": None}, {"evaluate_every": 5})
    )
    assert plain.unwatched == plain.digest and never.unwatched == never.digest
    assert often.unwatched == never.digest != often.digest
    assert Specification("seriousness", "encoder", BASE, "1" * 64, 17).unwatched


def test_the_code_digest_covers_the_rooms_that_decide_an_adapter(monkeypatch, tmp_path):
    before = code_digest()
    assert before == code_digest.__wrapped__()
    from pvcore import records

    room = tmp_path / "training"
    room.mkdir()
    for name in ("inference", "problems"):
        (tmp_path / name).mkdir()
    (tmp_path / "evaluation").mkdir()
    for name in ("records.py", "evaluation/spans.py"):
        (tmp_path / name).write_text("a = 1\n")
    monkeypatch.setattr(records, "__file__", str(tmp_path / "records.py"))
    one = code_digest.__wrapped__()
    (room / "new.py").write_bytes(b"b = 1\n")
    two = code_digest.__wrapped__()
    (room / "new.py").write_bytes(b"b = 1\r\n")
    assert one != two == code_digest.__wrapped__()


@given(
    st.lists(st.integers(0, 60), unique=True, max_size=40),
    st.lists(st.integers(0, 60), unique=True, max_size=40),
    st.sampled_from([0.0, 0.25, 0.5, 1.0, 3.0]),
    st.sampled_from([None, 1, 7, 100]),
    st.randoms(),
)
def test_a_mixture_has_its_sizes_whatever_the_order(new, old, replay, most, chance):
    label = {number: ("serious" if number % 3 == 0 else "non-serious") for number in range(61)}
    fresh, parent = ([example(n, label[n]) for n in numbers] for numbers in (new, old))
    mixed = mix(fresh, parent, replay=replay, max_rows=most, seed=3)
    assert len({row.example_id for row in mixed}) == len(mixed)
    chosen = [row for row in mixed if row in fresh]
    assert len(chosen) == min(len(fresh), most or len(fresh))
    only_old = [n for n in old if n not in new]
    if fresh:
        assert len(mixed) - len(chosen) == min(len(only_old), -(-replay * len(chosen) // 1))
    chance.shuffle(fresh)
    chance.shuffle(parent)
    assert mix(fresh, parent, replay=replay, max_rows=most, seed=3) == mixed


def test_few_new_rows_of_one_class_are_mixed_with_a_row_of_every_other():
    classes = ("serious", "non-serious", "unknown")
    parent = [example(n, "serious" if n == 57 else "non-serious") for n in range(60)]
    options = {"max_rows": None, "seed": 1, "keep": 8, "labels": classes}
    mixed = mix([example(99, "non-serious")], parent, replay=0.5, **options)
    assert Counter(row.label for row in mixed) == {
        "non-serious": 2,
        "serious": 1,
    }  # and no unknown row is there
    assert mix([example(99, "non-serious")], parent[::-1], replay=0.5, **options) == mixed
    assert len(mix([example(99, "non-serious")], parent, replay=0, **options)) == 1
    assert len(mix([], parent, replay=0.5, **options)) == 60


def test_a_sample_keeps_the_shares_of_labels_and_slices():
    rows = [
        example(n, "serious" if n < 30 else "non-serious", ("negation",) if n % 2 else ()) for n in range(120)
    ]
    chosen = sample(rows, 40, seed=1)
    assert sum(row.label == "serious" for row in chosen) == 10
    assert sum("negation" in row.slices for row in chosen) == 20
    assert sample(rows, 40, seed=2) != chosen


GROUPED = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sets(st.sampled_from(["x", "y", "z"]))), min_size=1, max_size=80
)


def groups_of(rows):
    """How many rows each label and each slice has."""
    return Counter(name for row in rows for name in (f"label {row.label}", *row.slices))


@given(GROUPED, st.integers(0, 90), st.integers(0, 6), st.randoms())
def test_a_sample_keeps_some_of_every_label_and_slice(drawn, size, keep, chance):
    rows = [example(n, label, tuple(sorted(found))) for n, (label, found) in enumerate(drawn)]
    chosen = sample(rows, size, 3, keep)
    assert len(chosen) == min(size, len(rows)) and set(chosen) <= set(rows)
    before, after = groups_of(rows), groups_of(chosen)
    asked = {name: min(keep, number) for name, number in before.items()}
    if sum(asked.values()) <= size // 2:
        assert all(after[name] >= number for name, number in asked.items())
    elif keep and len(before) <= size // 2:  # no group is served twice before every group was once
        assert set(after) == set(before)
    chance.shuffle(rows)
    assert sample(rows, size, 3, keep) == chosen


def test_what_is_rare_would_go_missing_by_its_share():
    rows = [
        example(n, "serious" if n < 3 else "non-serious", ("planned",) if n in (9, 10) else ())
        for n in range(900)
    ]
    by_share, kept = (groups_of(sample(rows, 60, 1, keep)) for keep in (0, 8))
    assert by_share["label serious"] < 2 and by_share["planned"] < 2
    assert kept["label serious"] == 3 and kept["planned"] == 2
    assert kept["label non-serious"] == 57


def test_terms_seen_least_and_new_ones_are_replayed_first():
    """A ranking has more labels than a sample has rows: half of it goes to the rare, half by share."""
    rows = [example(n, f"common {n % 4}") for n in range(400)]
    rows += [example(n, f"rare {n}", ("new_terms",) if n % 5 == 0 else ()) for n in range(400, 420)]
    chosen = groups_of(sample(rows, 40, 1, keep=4))
    assert chosen["new_terms"] == 4
    assert sum(name.startswith("label rare") for name in chosen) >= 20
    assert sum(number for name, number in chosen.items() if name.startswith("label common")) >= 16
    plain = groups_of(sample(rows, 40, 1))
    assert sum(name.startswith("label rare") for name in plain) < 5


def test_two_rows_of_one_name_are_refused():
    with pytest.raises(TrainingError, match="two different rows are named e1"):
        mix([example(1), example(1, "non-serious")], [], replay=0, max_rows=None, seed=1)


@given(st.lists(st.integers(1, 90), min_size=1, max_size=70), st.integers(1, 9), st.integers(0, 5))
def test_every_item_comes_once_an_epoch(lengths, batch, seed):
    plan = plan_by_length(lengths, epochs=2, batch=batch, seed=seed)
    steps = -(-len(lengths) // batch)
    assert len(plan) == 2 * steps
    for epoch in (plan[:steps], plan[steps:]):
        assert sorted(item for step in epoch for item in step) == list(range(len(lengths)))
    assert plan == plan_by_length(lengths, epochs=2, batch=batch, seed=seed)


def test_a_plan_puts_texts_of_like_length_together():
    lengths = [(n * 37) % 100 + 1 for n in range(160)]
    plan = plan_by_length(lengths, epochs=1, batch=8, seed=1)
    padded = sum(max(lengths[i] for i in step) * len(step) for step in plan)
    assert padded < 1.15 * sum(lengths)


def test_a_long_epoch_is_sorted_in_larger_chunks():
    chance = random.Random(3)
    lengths = [min(512, int(chance.lognormvariate(3.6, 0.8)) + 3) for _ in range(1600)]
    plan = plan_by_length(lengths, epochs=1, batch=8, seed=1)
    padded = sum(max(lengths[i] for i in step) * len(step) for step in plan)
    assert padded < 1.14 * sum(lengths)


def test_the_rate_rises_and_falls():
    rates = [loop.rate_at(step, 20, 0.1) for step in range(1, 21)]
    assert rates[:3] == [0.5, 1.0, pytest.approx(18 / 19)]
    assert rates[-1] == pytest.approx(1 / 19)
    assert all(0 < rate <= 1 for rate in rates)
    assert loop.rate_at(1, 1, 0.1) == 1.0


@given(st.lists(st.integers(1, 1500), min_size=1, max_size=9), st.integers(1, 9))
def test_a_step_is_cut_where_the_fewest_tokens_are_computed(lengths, most):
    def cost(parts):
        return sum(len(part) * max(lengths[item] for item in part) + PASS for part in parts)

    def cuts(order):
        if not order:
            yield []
        for size in range(1, min(most, len(order)) + 1):
            if size > 1 and size * lengths[order[size - 1]] > ROOM:
                continue
            for rest in cuts(order[size:]):
                yield [order[:size], *rest]

    items = list(range(len(lengths)))
    found = parts_by_length(items, lengths, most)
    assert sorted(item for part in found for item in part) == items
    assert max(map(len, found)) <= most
    assert cost(found) == min(map(cost, cuts(sorted(items, key=lambda item: lengths[item]))))
