"""Near duplicates are one cluster, a cluster is in one split, and what was held out stays held out."""

from __future__ import annotations

import random
import time

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from pvcore.annotations.leakage import (
    EXCLUDED,
    SplitSettings,
    assign_pairs,
    assign_splits,
    check_held_out,
    check_leakage,
    clusters,
)
from pvcore.errors import LeakageError

WORDS = [f"word{i}" for i in range(400)]


def text(seed: int, length: int = 80) -> list[str]:
    rng = random.Random(seed)
    return [rng.choice(WORDS) for _ in range(length)]


def test_exact_and_near_duplicates() -> None:
    base = text(1)
    one_word = [*base[:40], "changed", *base[41:]]
    half = [*base[:40], *text(2, 40)]
    texts = [
        " ".join(base),
        " ".join(base).upper() + "!!",
        " ".join(one_word),
        " ".join(half),
        " ".join(text(3)),
    ]
    assert clusters(texts).tolist() == [0, 0, 0, 3, 4]


def test_short_and_empty_texts() -> None:
    assert clusters([]).tolist() == []
    assert clusters(["Fever"]).tolist() == [0]
    assert clusters(["Fever", "fever.", "rash", "", "  ", "sore arm", "Sore  arm!"]).tolist() == [
        0,
        0,
        2,
        3,
        3,
        5,
        5,
    ]


def test_threshold_is_the_real_jaccard_similarity() -> None:
    base = text(5, 100)
    for changed in range(0, 30, 3):
        other = list(base)
        for i in range(changed):
            other[i * 3 + 1] = f"new{i}"
        a = {tuple(base[i : i + 3]) for i in range(98)}
        b = {tuple(other[i : i + 3]) for i in range(98)}
        jaccard = len(a & b) / len(a | b)
        joined = len(set(clusters([" ".join(base), " ".join(other)], threshold=0.6).tolist())) == 1
        if abs(jaccard - 0.6) > 0.02:
            assert joined == (jaccard >= 0.6), (changed, jaccard)


def test_pairs_are_found_among_many() -> None:
    texts = [" ".join(text(i)) for i in range(2000)]
    rng = random.Random(0)
    copies = [texts[i].split() for i in range(0, 2000, 4)]
    for words in copies:
        words[rng.randrange(len(words))] = "changed"
    found = clusters([*texts, *(" ".join(words) for words in copies)])
    assert found[:2000].tolist() == list(range(2000))
    assert np.mean(found[2000:] == np.arange(0, 2000, 4)) == 1.0


def test_twins_are_found_among_many_of_one_template() -> None:
    """The family is alike to .73, its twins to .9: most buckets hold the whole family."""
    rng = random.Random(2)
    words = [f"w{number}" for number in range(5000)]
    template = [rng.choice(words) for _ in range(100)]

    def changed(text: list[str], places: tuple[int, ...]) -> list[str]:
        return [rng.choice(words) if place in places else word for place, word in enumerate(text)]

    family = [changed(template, (8, 22, 36, 50, 64)) for _ in range(2500)]
    twins = [changed(text, (78, 90)) for text in family[:500]]
    texts = [*map(" ".join, family), *map(" ".join, twins)]
    for _ in range(2):
        order = rng.sample(range(len(texts)), len(texts))
        found = dict(zip(order, clusters([texts[place] for place in order]).tolist(), strict=True))
        assert [twin for twin in range(500) if found[twin] != found[2500 + twin]] == []


def test_a_bucket_of_many_takes_linear_time() -> None:
    base = text(9)
    same = [" ".join([*base, f"number{i}"]) for i in range(3000)]
    began = time.process_time()
    assert set(clusters(same).tolist()) == {0}
    assert time.process_time() - began < 10


def test_clusters_do_not_split_and_shares_hold() -> None:
    ids = [f"c{i}" for i in range(4000)]
    names = [i // 2 for i in range(4000)]
    splits = assign_splits(ids, names, [None] * 4000, {}, SplitSettings(test=0.3, tune=0.1), seed=17)
    check_leakage(pd.DataFrame({"case_id": ids, "cluster": names, "split": splits}))
    assert np.mean(np.array(splits) == "test") == pytest.approx(0.3, abs=0.03)
    assert np.mean(np.array(splits) == "tune") == pytest.approx(0.1, abs=0.03)
    assert splits != assign_splits(ids, names, [None] * 4000, {}, SplitSettings(), seed=18)


def test_whether_two_texts_are_one_cluster_does_not_depend_on_the_others() -> None:
    base = [" ".join(text(i)) for i in range(200)]
    near = [t.replace(t.split()[7], "other") for t in base]
    alone = [len(set(clusters(list(pair)).tolist())) for pair in zip(base, near, strict=True)]
    together = clusters([*map(" ".join, map(text, range(1000, 1300))), *near, *base]).tolist()[300:]
    assert alone == [1 if together[i] == together[200 + i] else 2 for i in range(200)]


def test_no_drug_of_a_held_out_pair_is_in_another_split() -> None:
    drugs = [f"Drug {i}" for i in range(200)]
    pairs = [(a, b) for i, a in enumerate(drugs) for b in drugs[i + 1 :]]
    settings = SplitSettings(by="drug", test=0.3, tune=0.1)
    splits = assign_pairs(pairs, {}, settings, seed=17)
    members = {
        name: {drug for pair, split in zip(pairs, splits, strict=True) if split == name for drug in pair}
        for name in ("train", "tune", "test")
    }
    assert all(members.values())
    assert not members["train"] & members["test"] and not members["tune"] & (
        members["train"] | members["test"]
    )
    assert splits.count("test") / len(pairs) == pytest.approx(0.3**2, abs=0.04)
    assert splits.count(EXCLUDED) + sum(splits.count(name) for name in members) == len(pairs)
    # the order of a pair, its spelling and the other pairs do not matter
    assert assign_pairs([(b.upper(), f" {a}") for a, b in pairs[:50]], {}, settings, seed=17) == splits[:50]


def test_a_drug_that_was_held_out_stays_held_out() -> None:
    settings = SplitSettings(by="drug", test=0, tune=0)
    pairs = [("Aspirin", "warfarin"), ("aspirin", "Digoxin"), ("digoxin", "heparin")]
    assert assign_pairs(pairs, {}, settings, 1) == ["train"] * 3
    known = {"ASPIRIN": "test", "warfarin": "test"}
    assert assign_pairs(pairs, known, settings, 1) == ["test", EXCLUDED, "train"]


def test_training_that_nearly_repeats_a_held_out_case_is_refused() -> None:
    base, other = text(1), text(2)
    near = " ".join([*base[:40], "changed", *base[41:]])
    training = {"US-1": near, "US-2": " ".join(other), "US-3": " ".join(text(3))}
    check_held_out(training, [("US-9", " ".join(text(4)))])
    with pytest.raises(LeakageError, match=r"^1 case.*\n  US-1 \(training\) and US-9 \(held out\)\nLeave"):
        check_held_out(training, [("US-9", " ".join(base)), ("US-8", " ".join(text(5)))])
    with pytest.raises(LeakageError, match=r"US-3 \(training\) and US-3 \(held out\)"):
        check_held_out(training, [("US-3", "an older version of the report")])
    # a held-out case that was replaced since is compared as it was and as it is
    with pytest.raises(LeakageError, match=r"^1 case.*\n  US-1 \(training\) and US-9 \(held out\)\nLeave"):
        check_held_out(training, [("US-9", " ".join(base)), ("US-9", " ".join(text(6)))])


def test_held_out_stays_held_out() -> None:
    settings = SplitSettings(test=0.3, tune=0.1)
    known = {"a": "test", "b": "train", "c": "tune"}
    # every known case keeps its place, whatever the seed
    for seed in range(20):
        assert assign_splits(["a", "b", "c"], [1, 2, 3], [None] * 3, known, settings, seed) == [
            "test",
            "train",
            "tune",
        ]
    # a new case follows its cluster; one that joins two clusters takes both where the held-out one is
    assert assign_splits(["a", "new"], [1, 1], [None] * 2, known, settings, 1) == ["test", "test"]
    assert assign_splits(["b", "c", "new"], [1, 1, 1], [None] * 3, known, settings, 1) == ["tune"] * 3
    assert assign_splits(["a", "b", "c"], [1, 1, 1], [None] * 3, known, settings, 1) == ["test"] * 3


def test_by_time() -> None:
    settings = SplitSettings(by="time", train_until=2000, tune_years=(2001,), test_years=(2003,))
    days = ["1999-05-01", "2001-01-01", "2002-01-01", "2003-12-31", None, "2000-12-31"]
    splits = assign_splits(list("abcdef"), [1, 2, 3, 4, 5, 4], days, {}, settings, 1)
    # f is in the years of training, but nearly the same as d, which is held out
    assert splits == ["train", "tune", EXCLUDED, "test", EXCLUDED, EXCLUDED]
    open_end = SplitSettings(by="time", tune_years=(2001,), test_years=(2003,))
    assert assign_splits(["c"], [1], ["2002-01-01"], {}, open_end, 1) == ["train"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"test": 0.7, "tune": 0.3},
        {"by": "time"},
        {"by": "time", "test_years": [2003], "tune_years": [2003]},
        {"by": "colour"},
        {"share": 0.1},
    ],
)
def test_settings_that_cannot_be(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        SplitSettings.model_validate(wrong)


def test_leakage_names_the_pairs() -> None:
    rows = pd.DataFrame(
        {
            "case_id": ["a", "b", "c", "d"],
            "cluster": [1, 1, 2, 3],
            "split": ["train", "test", "train", "tune"],
        }
    )
    with pytest.raises(LeakageError, match=r"1 cluster.*\n  cluster 1: b \(test\) and a \(train\)"):
        check_leakage(rows)
    check_leakage(rows[rows["case_id"] != "b"])
    twice = pd.DataFrame({"case_id": ["a", "a"], "cluster": [1, 2], "split": ["train", "test"]})
    with pytest.raises(LeakageError, match="case a"):
        check_leakage(twice)
    rows.loc[1, "split"] = EXCLUDED
    check_leakage(rows)
