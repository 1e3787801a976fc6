"""A classifier's head follows its labels: they grow, split, merge, and what was known of the others stays."""

from __future__ import annotations

import dataclasses
import doctest
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from pvcore.errors import TrainingError
from pvcore.evaluation import metrics
from pvcore.inference.predict import load
from pvcore.problems import PROBLEMS, SERIOUSNESS
from pvcore.records import Example
from pvcore.training import labels, qlora
from pvcore.training.labels import fit_rows, move_head, takes_over, unsettled

WEIGHT, BIAS = "base_model.model.classifier.weight", "base_model.model.classifier.bias"
WORDS = {"skin": ("rash", "blister"), "heart": ("palpitation", "infarction"), "eye": ("glare", "squint")}


def test_doctest():
    assert doctest.testmod(labels).failed == 0


@pytest.mark.parametrize(
    ("before", "now", "origins", "expected", "new"),
    [
        ("ab", "ba", {}, {"b": "b", "a": "a"}, []),
        ("ab", "abc", {}, {"a": "a", "b": "b", "c": ""}, ["c"]),
        ("ab", "acd", {"c": "b", "d": "b"}, {"a": "a", "c": "b", "d": "b"}, ["c", "d"]),
        ("abc", "ad", {"d": "bc"}, {"a": "a", "d": "bc"}, ["d"]),
        ("abc", "ab", {"a": "ac"}, {"a": "ac", "b": "b"}, ["a"]),  # merged into a name that stays
        (
            "ab",
            "abc",
            {"c": "b"},
            {"a": "a", "b": "b", "c": "b"},
            ["b", "c"],
        ),  # split off, the old name stays
        ("ab", "c", {"c": "a"}, {"c": "a"}, []),  # renamed
        (
            "abc",
            "abc",
            {"c": "b", "a": "ad"},
            {"a": "a", "b": "b", "c": "c"},
            [],
        ),  # done by an earlier update
    ],
)
def test_which_labels_go_on_from_which(before, now, origins, expected, new):
    assert takes_over(before, now, origins) == {label: tuple(of) for label, of in expected.items()}
    assert unsettled(before, now, origins) == new


def test_an_origin_that_the_parent_does_not_have_is_refused():
    with pytest.raises(TrainingError, match=r"c: x; d: y\. It has a, b"):
        takes_over("ab", "acd", {"c": ["x"], "d": ["b", "y"]})


@given(st.integers(0, 999))
def test_what_is_split_sums_to_what_it_was_and_the_others_stay(seed):
    made = torch.Generator().manual_seed(seed)
    tensors = {
        WEIGHT: torch.randn(3, 5, generator=made),
        BIAS: torch.randn(3, generator=made),
        "x": torch.ones(2),
    }
    moved = move_head(tensors, ("a", "b", "c"), ("d", "c", "a", "e"), {"d": ["b"], "e": ["b"]})
    text = torch.randn(5, generator=made)

    def probability(of):
        return (of[WEIGHT] @ text + of[BIAS]).softmax(0)

    (a, b, c), (d, c_now, a_now, e) = probability(tensors), probability(moved)
    assert torch.allclose(torch.stack([a, b, c]), torch.stack([a_now, d + e, c_now]), atol=1e-6)
    assert torch.equal(moved["x"], tensors["x"])
    back = move_head(moved, ("d", "c", "a", "e"), ("a", "b", "c"), {"b": ["d", "e"]})
    assert torch.allclose(probability(back), probability(tensors), atol=1e-6)


def test_rows_of_criteria_stand_behind_the_labels_and_stay():
    tensors = {WEIGHT: torch.arange(20.0).reshape(4, 5), BIAS: torch.tensor([0.0, 1.0, -7.0, 3.0])}
    moved = move_head(tensors, ("a", "b"), ("c", "b", "a"), {}, criteria=2)
    for name in tensors:
        assert torch.equal(moved[name][[2, 1, 3, 4]], tensors[name])
    assert moved[BIAS][0] == 0.0  # the least of the labels', not of the criteria's


def test_the_tags_of_a_label_move_together():
    """Outputs of a head that tags: the four of the first label, then those of the second."""
    tensors = {WEIGHT: torch.arange(40.0).reshape(8, 5), BIAS: torch.arange(8.0)}
    moved = move_head(tensors, ("a", "b"), ("b", "c", "a"), {}, tags=4)
    for name in tensors:
        assert torch.equal(moved[name][:4], tensors[name][4:])
        assert torch.equal(moved[name][8:], tensors[name][:4])
    assert not moved[WEIGHT][4:8].any() and moved[BIAS][4:8].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_only_free_rows_are_fitted():
    chance = np.random.default_rng(1)
    truth = np.arange(90) % 3
    features = np.eye(3)[truth] * 3 + chance.normal(0, 0.3, (90, 3))
    weight, bias = np.array([[2.0, 0, 0], [0, 2.0, 0], [0, 0, 0]]), np.zeros(3)
    found, offsets = fit_rows(features, truth, weight, bias, [2])
    assert np.array_equal(found[:2], weight[:2]) and np.array_equal(offsets[:2], bias[:2])
    assert ((features @ found.T + offsets).argmax(1) == truth).all()
    assert not ((features @ weight.T + bias).argmax(1) == truth).all()


def cases(labels_of, count, seed):
    """Rows whose label is decided by one word."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        word = chance.choice([w for words in WORDS.values() for w in words])
        if label := labels_of(word):
            name = f"{seed}-{number}"
            text = f"the patient felt {word} after the drug"
            found.append(Example(name, name, text, label, name))
    return found


def system(word):
    return next(name for name, words in WORDS.items() if word in words)


@pytest.fixture
def systems(monkeypatch):
    """Sets the labels of an invented problem: organ systems, as a dictionary may redraw them."""

    def function(*names, criteria=()):
        toy = dataclasses.replace(
            SERIOUSNESS,
            name="systems",
            labels=names,
            positive=None,
            metrics={"accuracy": metrics.accuracy()},
            criteria={name: f" {name}?" for name in criteria},
        )
        monkeypatch.setitem(PROBLEMS, "systems", toy)

    return function


GROWN = (("skin", "heart", "eye"), {}, lambda word: system(word))
SPLIT = (
    ("rash", "heart", "blister"),
    {"rash": ["skin"], "blister": ["skin"]},
    lambda word: {"skin": word, "heart": "heart", "eye": None}[system(word)],
)


@pytest.mark.parametrize(("names", "origins", "label"), [GROWN, SPLIT])
def test_a_head_follows_without_losing_what_it_knew(
    systems, tiny_base, specify, train, names, origins, label
):
    systems("heart", "skin")
    options = {"training__epochs": 6, "lora__dropout": 0.0}
    known = cases(lambda word: system(word) if system(word) != "eye" else None, 150, 1)
    held = cases(lambda word: system(word) if system(word) != "eye" else None, 60, 2)
    parent = train(specify(tiny_base, "systems", **options), known, held, base=tiny_base)
    assert parent.tune["accuracy"] == 1.0
    before = load(parent.adapter, tiny_base).predict(held)

    systems(*names)
    still = {
        "training__learning_rate": 1e-9,
        "lora__dropout": 0.0,
        "training__epochs": 1,
        "mixture__labels": origins,
    }
    rows, tune = cases(label, 120, 3), cases(label, 60, 4)
    child = specify(tiny_base, "systems", parent=parent, **still)
    moved = train(child, rows, tune, base=tiny_base, parent=parent.adapter)
    said = load(moved.adapter, tiny_base).predict(tune)  # fitted before the first step
    new = [dict(answer.ranked)[names[-1]] for answer in said]
    own = [row.label == names[-1] for row in tune]
    assert np.mean(np.compress(own, new)) > np.mean(np.compress(np.logical_not(own), new)) + 0.05
    assert train(child, rows, tune, base=tiny_base, parent=parent.adapter).digest == moved.digest
    after = load(moved.adapter, tiny_base).predict(held)
    if names == GROWN[0]:  # what the head said of old labels against each other is what it says
        for old, now in zip(before, after, strict=True):
            was, is_now = dict(old.ranked), dict(now.ranked)
            ratio = is_now["skin"] / (is_now["skin"] + is_now["heart"])
            assert ratio == pytest.approx(was["skin"], abs=1e-5)

    options |= {"training__epochs": 12, "mixture__rate": 1.0}
    learned = specify(tiny_base, "systems", parent=parent, **options, mixture__labels=origins)
    trained = train(learned, rows, tune, base=tiny_base, parent=parent.adapter)
    assert trained.tune["accuracy"] > 0.6  # of three classes; 0.78 to 1.0 by the seed
    shapes = [
        {name: tuple(tensor.shape) for name, tensor in load_file(result.adapter / qlora.WEIGHTS).items()}
        for result in (parent, trained)
    ]
    assert shapes[0].pop(WEIGHT) == (2, 64) and shapes[1].pop(WEIGHT) == (3, 64)
    assert (shapes[0].pop(BIAS), shapes[1].pop(BIAS)) == ((2,), (3,))
    assert shapes[0] == shapes[1]


def test_merged_labels_answer_as_one(systems, tiny_base, specify, train):
    systems("skin", "heart", "eye")
    options = {"training__epochs": 6, "lora__dropout": 0.0}
    parent = train(specify(tiny_base, "systems", **options), cases(system, 150, 1), base=tiny_base)
    systems("surface", "heart")
    rows = cases(lambda word: "heart" if system(word) == "heart" else "surface", 60, 3)
    asked = specify(
        tiny_base,
        "systems",
        parent=parent,
        training__learning_rate=1e-9,
        mixture__labels={"surface": ["skin", "eye"]},
    )
    merged = train(asked, rows, rows[:0], base=tiny_base, parent=parent.adapter)
    answers = load(merged.adapter, tiny_base).predict(rows)
    assert np.mean([a.answer == row.label for a, row in zip(answers, rows, strict=True)]) > 0.95


def test_criteria_are_known_as_before_when_the_labels_change(systems, tiny_base, specify, train):
    def known(label_of, count, seed):
        rows = cases(label_of, count, seed)
        return [dataclasses.replace(row, criteria={"sore": "blister" in row.text}) for row in rows]

    options = {"training__epochs": 6, "lora__dropout": 0.0}
    systems("heart", "skin", criteria=["sore"])
    rows = known(lambda word: system(word) if system(word) != "eye" else None, 150, 1)
    parent = train(specify(tiny_base, "systems", **options), rows, rows[:0], base=tiny_base)
    before = load(parent.adapter, tiny_base).predict(rows)
    sore = [[dict(p.criteria)["sore"] for p, r in zip(before, rows, strict=True) if r.criteria["sore"] == met]
            for met in (True, False)]  # fmt: skip
    assert np.mean(sore[0]) > np.mean(sore[1]) + 0.2

    systems("eye", "skin", "heart", criteria=["sore"])
    still = {"training__learning_rate": 1e-9, "lora__dropout": 0.0, "training__epochs": 1}
    asked = specify(tiny_base, "systems", parent=parent, **still)
    moved = train(asked, known(system, 60, 3), rows[:0], base=tiny_base, parent=parent.adapter)
    for old, now in zip(before, load(moved.adapter, tiny_base).predict(rows), strict=True):
        assert dict(now.criteria)["sore"] == pytest.approx(dict(old.criteria)["sore"], abs=1e-5)
        assert now.met == old.met
