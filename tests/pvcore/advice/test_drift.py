"""Drift is said of a window that differs, and not of one that chance made."""

from __future__ import annotations

import numpy as np

from pvcore.advice.drift import Window, drift, names

TRAINED = Window(2_000, {"serious": 400, "non-serious": 1_600}, {"unlike": 40}, {"aspirin": 900, "rash": 300})


def window(cases=500, serious=100, unlike=10, **named):
    return Window(
        cases,
        {"serious": serious, "non-serious": cases - serious},
        {"unlike": unlike},
        named or {"aspirin": 9},
    )


def drifted(found):
    return {signal.name for signal in found.signals if signal.drifted}


def test_a_window_like_the_training_data_is_none():
    assert not drift(TRAINED, window()).drifted
    chance = np.random.default_rng(1)
    alarms = [
        drift(
            TRAINED, window(serious=int(chance.binomial(500, 0.2)), unlike=int(chance.binomial(500, 0.02)))
        ).drifted
        for _ in range(30)
    ]
    assert sum(alarms) <= 4


def test_another_mix_of_answers_unlike_texts_and_unseen_names_are_told_apart():
    assert drifted(drift(TRAINED, window(serious=200))) == {"answer serious", "answer non-serious"}
    assert drifted(drift(TRAINED, window(unlike=60))) == {"guardrail unlike"}
    found = drift(TRAINED, window(aspirin=300, newdrug=40, rash=60))
    assert drifted(found) == {"unseen names"}
    assert found.unseen == (("newdrug", 40),)


def test_a_sure_difference_too_small_to_matter_is_no_drift():
    large = Window(200_000, {"serious": 40_000, "non-serious": 160_000}, {"unlike": 4_000}, {"aspirin": 9})
    assert not drift(large, window(200_000, 42_000, 4_000)).drifted


def test_a_window_of_no_case_says_nothing():
    assert drift(TRAINED, Window(0, {}, {}, {})).signals == ()


def test_a_name_counts_once_a_case_however_it_is_written():
    assert names([["Aspirin", "ASPIRIN "], ["aspirin", ""]]) == {"aspirin": 2}
