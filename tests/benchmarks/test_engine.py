"""What the engine's benchmark counts is what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def side():
    import engine_side

    return engine_side


def test_weights_are_counted_through_their_quantisation(side, tiny_phi3):
    found = {bits: side.weights(side.network_of({"base": tiny_phi3, "bits": bits})[0]) for bits in (4, 16)}
    assert found[4]["parameters"] == found[16]["parameters"] == found[16]["weights"] / 4
    assert found[4]["weights"] < 0.6 * found[16]["weights"]


def test_a_text_has_the_tokens_it_was_asked_for(side, tiny_phi3):
    tokenizer = side.load_tokenizer(tiny_phi3)
    assert [len(tokenizer(side.words(tokenizer, n, 1))["input_ids"]) for n in (1, 7, 100)] == [1, 7, 100]


@pytest.mark.parametrize("shared", [True, False])
def test_the_peak_is_above_what_was_held(side, tiny_phi3, shared):
    asked = {
        "base": tiny_phi3,
        "threads": 1,
        "prefix": 40,
        "rest": [5, 9],
        "answer": 2,
        "batch": 2,
        "steps": 3,
    }
    found = side.ours({**asked, "training": {"shared_prefix": shared}})
    assert len(found["seconds"]) == 2 and len(found["losses"]) == 3
    assert 0 <= found["peak"] < 2e9 and found["before"] > 1e7
