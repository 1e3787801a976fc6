"""Drift is said of a window that differs, and not of one that chance made."""

from __future__ import annotations

import numpy as np

from pvcore.advice.drift import Window, drift, names

TRAINED = {"aspirin", "rash"}
HELD = Window(
    2_000, {"serious": 400, "non-serious": 1_600}, {"unlike": 40}, {"aspirin": 900, "rash": 300, "rare": 12},
    sure=[0.8, 0.9] * 200, labelled=2_000, right=1_700,
)  # fmt: skip


def window(answered=500, serious=100, unlike=10, sure=(), labelled=0, right=0, **named):
    return Window(
        answered,
        {"serious": serious, "non-serious": answered - serious},
        {"unlike": unlike},
        named or {"aspirin": 9},
        sure,
        labelled,
        right,
    )


def found(now):
    return drift(HELD, now, TRAINED)


def drifted(now):
    return {signal.name for signal in found(now).signals if signal.drifted}


def test_a_window_like_the_held_out_rows_is_none():
    chance = np.random.default_rng(1)
    alarms = [
        found(
            window(
                serious=int(chance.binomial(500, 0.2)),
                unlike=int(chance.binomial(500, 0.02)),
                sure=chance.choice([0.8, 0.9], 300).tolist(),
                labelled=100,
                right=int(chance.binomial(100, 0.85)),
            )
        ).drifted
        for _ in range(40)
    ]
    assert sum(alarms) <= 4


def test_another_mix_of_answers_unlike_texts_and_unseen_names_are_told_apart():
    assert drifted(window(serious=200)) == {"answer serious", "answer non-serious"}
    assert drifted(window(unlike=60)) == {"guardrail unlike"}
    new = window(aspirin=300, newdrug=40, rash=60)
    assert drifted(new) == {"unseen names"}
    assert found(new).unseen == (("newdrug", 40),)


def test_both_shares_have_their_interval_and_more_cases_a_narrower_one():
    for signal in found(window(sure=[0.6, 0.7] * 50, labelled=80, right=48)).signals:
        for shown in (signal.before, signal.now):
            assert shown.low <= shown.value <= shown.high and shown.low < shown.high
        assert signal.before.high - signal.before.low < signal.now.high - signal.now.low


def test_names_that_training_missed_are_no_drift_where_they_were_as_rare_before():
    assert drifted(window(aspirin=300, another=4)) == set()


def test_less_sure_answers_and_labels_that_came_back_wrong_are_told():
    assert drifted(window(sure=[0.6, 0.7] * 50)) == {"confidence"}
    assert drifted(window(labelled=80, right=48)) == {"right answers"}
    known = {signal.name for signal in found(window()).signals}
    assert not known & {"confidence", "right answers"}  # nothing is known of them


def test_a_sure_difference_too_small_to_matter_is_no_drift():
    many = Window(200_000, {"serious": 40_000, "non-serious": 160_000}, {"unlike": 4_000}, {"aspirin": 9})
    assert not drift(many, window(200_000, 42_000, 4_000), TRAINED).drifted


def test_a_window_of_no_case_says_nothing():
    assert drift(HELD, Window(0, {}, {}, {}), TRAINED).signals == ()


def test_a_name_counts_once_a_case_however_it_is_written():
    assert names([["Aspirin", "ASPIRIN "], ["aspirin", ""]]) == {"aspirin": 2}


def test_no_confidence_is_more_than_sure():
    few = window(answered=4, serious=1, unlike=0, sure=(0.99, 0.6, 0.97, 0.99))
    (sure,) = [signal for signal in found(few).signals if signal.name == "confidence"]
    assert sure.now.low < sure.now.value < sure.now.high == 1.0
