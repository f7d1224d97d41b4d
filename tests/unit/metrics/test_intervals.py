# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import math

import numpy as np
import pytest
from scipy import stats

from promvil_hf.metrics.intervals import bootstrap_interval, cluster_sums, paired_test, ratio, resample


def correlated_hits(rng, images=80, per_image=6):
    """Rows of one image succeed or fail together."""
    chance = rng.beta(0.6, 0.4, images)
    image = rng.integers(0, images, images * per_image)
    return (rng.random(len(image)) < chance[image]).astype(float), image


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("real_valued", [False, True])
def test_scipys_bootstrap_agrees_up_to_monte_carlo_error(method, real_valued):
    rng = np.random.default_rng(0)
    values, image = correlated_hits(rng)
    if real_valued:
        values = values * rng.random(len(values)) ** 3
    ours = bootstrap_interval(values, clusters=image, method=method, seed=1)
    sums = cluster_sums(np.stack([values, np.ones_like(values)], 1), image)
    peer = stats.bootstrap(
        tuple(sums.T), lambda s, n, axis=-1: s.sum(axis) / n.sum(axis), paired=True, vectorized=True, n_resamples=9_999,
        method=method, rng=np.random.default_rng(2),
    ).confidence_interval  # fmt: skip
    width = ours.high - ours.low
    assert ours.estimate == pytest.approx(values.mean())
    assert abs(ours.low - peer.low) < 0.06 * width and abs(ours.high - peer.high) < 0.06 * width


def test_drawing_kinds_has_the_distribution_of_drawing_images():
    rng = np.random.default_rng(3)
    sums = rng.integers(0, 3, (400, 2)).astype(float)  # at most 9 kinds
    by_kind = resample(sums, 4_000, seed=0)
    one_by_one = sums[rng.integers(400, size=(4_000, 400))].sum(1)
    for column in (0, 1):
        assert stats.ks_2samp(by_kind[:, column], one_by_one[:, column]).pvalue > 0.01
    assert np.corrcoef(by_kind.T)[0, 1] == pytest.approx(np.corrcoef(one_by_one.T)[0, 1], abs=0.06)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(4)
    covered = 0
    for trial in range(200):
        values = (rng.random(60) < 0.85).astype(float)
        interval = bootstrap_interval(values, resamples=999, seed=trial)
        covered += interval.low <= 0.85 <= interval.high
    assert 0.89 <= covered / 200 <= 0.99


def test_rows_that_repeat_within_an_image_do_not_shrink_the_interval():
    rng = np.random.default_rng(5)
    values = (rng.random(100) < 0.6).astype(float)
    once = bootstrap_interval(values, clusters=range(100))
    five_times = bootstrap_interval(np.repeat(values, 5), clusters=np.repeat(np.arange(100), 5))
    naive = bootstrap_interval(np.repeat(values, 5))
    assert (five_times.low, five_times.high) == pytest.approx((once.low, once.high), abs=0.02)
    assert naive.high - naive.low < 0.6 * (five_times.high - five_times.low)
    assert (five_times.rows, five_times.clusters) == (500, 100)


@pytest.mark.parametrize("real_valued", [False, True])
def test_the_seed_decides_but_neither_cluster_names_nor_the_order_of_rows(real_valued):
    rng = np.random.default_rng(6)
    values, image = correlated_hits(rng)
    if real_valued:
        values = values * rng.integers(0, 1000, len(values)) / 1024
    once = bootstrap_interval(values, clusters=image, seed=7)
    assert once == bootstrap_interval(values, clusters=image, seed=7)
    assert once != bootstrap_interval(values, clusters=image, seed=8)
    assert once == bootstrap_interval(values, clusters=[f"image {number}" for number in image], seed=7)
    shuffled = rng.permutation(len(values))
    assert once == bootstrap_interval(values[shuffled], clusters=image[shuffled], seed=7)


def test_any_function_of_sums_has_an_interval():
    rng = np.random.default_rng(9)
    truth, said = rng.random(500) < 0.5, rng.random(500) < 0.6
    columns = np.stack([truth & said, ~truth & said, truth & ~said], 1)
    f1 = bootstrap_interval(columns, statistic=lambda t: 2 * t[..., 0] / (2 * t[..., 0] + t[..., 1] + t[..., 2]))
    tp, fp, fn = columns.sum(0)
    assert f1.estimate == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert f1.low < f1.estimate < f1.high


def test_what_the_bootstrap_cannot_say_is_a_note():
    assert bootstrap_interval(np.zeros(0)).note == "no rows"
    one = bootstrap_interval([1, 0, 1], clusters=["a"] * 3)
    assert (
        one.note == "one cluster only: nothing to resample"
        and np.isnan(one.low)
        and one.estimate == pytest.approx(2 / 3)
    )
    sure = bootstrap_interval(np.ones((50, 2)), statistic=lambda totals: totals[..., 0] / totals[..., 1])
    assert (sure.low, sure.high) == (1, 1) and "no proof of certainty" in sure.note
    undefined = bootstrap_interval(np.zeros((5, 2)))
    assert undefined.note == "the estimate itself is undefined" and np.isnan(undefined.estimate)
    sometimes = bootstrap_interval(np.array([[1.0, 1.0], [0.0, 0.0], [2.0, 1.0]]), seed=0)
    assert "resamples left out: undefined there" in sometimes.note and np.isfinite(sometimes.high)


def test_small_paired_tests_are_exact_and_equal_scipys():
    rng = np.random.default_rng(10)
    for trial in range(10):
        a, b = rng.random((2, 9)).round(1)
        clusters = rng.integers(0, 9, 9)
        ours = paired_test(a, b, clusters=clusters, resamples=999)
        sums = cluster_sums((a - b)[:, None], clusters)[:, 0]
        peer = stats.permutation_test(
            (sums, np.zeros_like(sums)), lambda x, y, axis=-1: np.abs((x - y).sum(axis)), permutation_type="samples",
            alternative="greater", n_resamples=np.inf, vectorized=True,
        )  # fmt: skip
        assert ours.exact and ours.p_value == pytest.approx(peer.pvalue), trial


def test_sampled_paired_tests_approach_the_exact_value():
    rng = np.random.default_rng(11)
    a, b = (rng.random(14) < 0.8).astype(float), rng.random(14)
    exact, sampled = paired_test(a, b, resamples=2**14), paired_test(a, b, resamples=2**14 - 1, seed=3)
    assert exact.exact and not sampled.exact
    assert sampled.p_value == pytest.approx(exact.p_value, abs=0.015)


def test_a_system_does_not_differ_from_itself_and_differs_from_a_better_one():
    rng = np.random.default_rng(12)
    a, image = correlated_hits(rng, images=300)
    same = paired_test(a, a, clusters=image)
    assert same.p_value == 1 and same.changed_rows == 0 and same.difference.estimate == 0
    better = np.maximum(a, rng.random(len(a)) < 0.15)
    gain = paired_test(better, a, clusters=image)
    assert gain.p_value < 0.001 and gain.difference.low > 0 and gain.p_value > 0
    loss = paired_test(a, better, clusters=image)
    assert loss.difference.estimate == -gain.difference.estimate and loss.p_value == gain.p_value


def test_p_values_are_uniform_when_nothing_differs():
    rng = np.random.default_rng(13)
    p_values = [paired_test(*rng.normal(size=(2, 40)), resamples=199, seed=trial).p_value for trial in range(300)]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_what_cannot_be_resampled_is_said():
    with pytest.raises(ValueError, match="one of bca, percentile"):
        bootstrap_interval([1, 0], method="basic")
    with pytest.raises(ValueError, match="confidence lies between 0 and 1"):
        bootstrap_interval([1, 0], confidence=95)
    with pytest.raises(ValueError, match="2 rows and 1 cluster ids"):
        bootstrap_interval([1, 0], clusters=["a"])
    with pytest.raises(ValueError, match="one score per row of each system"):
        paired_test([1, 0], [1])
    assert ratio(np.array([3.0, 4.0])) == 0.75


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("rows", [3, 40])
def test_a_score_that_is_no_number_gives_nan_with_its_reason(broken, rows):
    test = paired_test(np.array([broken] + [1.0] * (rows - 1)), np.zeros(rows))
    assert math.isnan(test.p_value) and math.isnan(test.difference.low)
    assert test.difference.note == f"1 of {rows} rows are NaN or infinite"
