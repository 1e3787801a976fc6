from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from pvcore.evaluation import metrics as m
from pvcore.evaluation import paired


def draws(codes, resamples=400, seed=3) -> paired.Resamples:
    codes = np.asarray(codes)
    return paired.Resamples(codes, int(codes.max()) + 1, resamples, seed)


def test_every_resample_holds_as_many_clusters_and_repeats_for_the_seed():
    one, same, other = draws(range(50)), draws(range(50)), draws(range(50), seed=4)
    assert (one.counts.sum(axis=1) == 50).all()
    assert (one.counts == same.counts).all()
    assert (one.counts != other.counts).any()


@pytest.mark.parametrize("metric", [m.f1("y"), m.roc_auc("y")], ids=lambda x: x.name)
def test_the_fast_ways_agree_with_repeated_rows(metric):
    rng = np.random.default_rng(0)
    score = np.round(rng.random(60), 1)
    frame = pd.DataFrame(
        {"label": rng.choice(["y", "n"], 60), "answer": np.where(score > 0.5, "y", "n"), "score": score}
    )
    drawn = draws(rng.integers(0, 25, 60), resamples=200)
    slow = m.Metric("slow", metric.function)
    assert drawn.values(metric, frame) == pytest.approx(drawn.values(slow, frame), abs=1e-12)


def test_resampling_whole_clusters_widens_what_rows_would_make_narrow():
    # 40 clusters of 10 equal rows hold the information of 40 rows, not of 400.
    right = np.repeat(np.arange(40) % 2 == 0, 10)
    frame = pd.DataFrame({"label": "a", "answer": np.where(right, "a", "b")})
    by_row = draws(range(400)).values(m.accuracy(), frame)
    by_cluster = draws(np.repeat(range(40), 10)).values(m.accuracy(), frame)
    assert by_cluster.std() == pytest.approx(math.sqrt(0.25 / 40), rel=0.15)
    assert by_row.std() == pytest.approx(math.sqrt(0.25 / 400), rel=0.15)


def test_percentile_interval_gives_up_where_the_metric_is_often_undefined():
    values = np.r_[np.full(10, np.nan), np.linspace(0, 1, 90)]
    assert all(math.isnan(bound) for bound in paired.percentile_interval(values, 0.9))
    low, high = paired.percentile_interval(np.linspace(0, 1, 101), 0.9)
    assert (low, high) == pytest.approx((0.05, 0.95))


@given(st.integers(1, 500), st.data())
def test_wilson_agrees_with_scipy(trials, data):
    successes = data.draw(st.integers(0, trials))
    expected = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert paired.wilson_interval(successes, trials, 0.95) == pytest.approx((expected.low, expected.high))


def test_tango_without_a_discordant_pair_has_its_closed_form():
    z2 = 1.959963984540054**2
    low, high = paired.tango_interval(0, 0, 100, 0.95)
    assert (low, high) == pytest.approx((-z2 / (100 + z2), z2 / (100 + z2)))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200))
def test_tango_holds_the_value_and_mirrors(first, second, equal):
    trials = first + second + equal
    if not trials:
        return
    low, high = paired.tango_interval(first, second, trials, 0.95)
    assert -1 <= low <= (first - second) / trials <= high <= 1
    mirrored = paired.tango_interval(second, first, trials, 0.95)
    assert (-mirrored[1], -mirrored[0]) == pytest.approx((low, high), abs=1e-9)


def test_tango_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    truth, covered, rounds = 0.05, 0, 600
    for first, second, _ in rng.multinomial(80, [0.12, 0.07, 0.81], size=rounds):
        low, high = paired.tango_interval(first, second, 80, 0.95)
        covered += low <= truth <= high
    assert 0.925 <= covered / rounds <= 0.975


def test_the_sign_test_is_mcnemars_exact_test_for_single_rows():
    first = np.array([1] * 30 + [1] * 4 + [0] * 15 + [0] * 11, bool)
    second = np.array([1] * 30 + [0] * 4 + [1] * 15 + [0] * 11, bool)
    found = paired.sign_test(first, second, np.arange(60))
    assert (found.better, found.worse) == (4, 15)
    assert found.p_worse == pytest.approx(binomtest(4, 19, alternative="less").pvalue)
    # The same answers in five clusters are five observations, not sixty.
    assert paired.sign_test(first, second, np.arange(60) // 12).p_worse > 0.1
    assert paired.sign_test(first, first, np.arange(60)).p_worse == 1.0


def test_holm_steps_down_and_never_falls_below_the_step_before():
    adjusted = paired.holm({"a": 0.04, "b": 0.01, "c": 0.03, "d": 0.5})
    assert adjusted == pytest.approx({"a": 0.09, "b": 0.04, "c": 0.09, "d": 0.5})
    assert list(adjusted) == ["a", "b", "c", "d"]
    assert paired.holm({}) == {}


def test_clustered_rows_are_worth_fewer_and_never_more():
    assert paired.effective_trials(100, 50, 0.01, 0.02) == 50
    assert paired.effective_trials(100, 50, 0.01, 0.005) == 100
    assert paired.effective_trials(100, 50, 0.0, 0.0) == 50
