# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Intervals of shares over few images: their coverage is computed over everything that can come out, not drawn."""

from itertools import combinations_with_replacement
from math import factorial, prod

import numpy as np
import pytest
from scipy import stats

from promvil_hf.metrics.intervals import bootstrap_interval, paired_test
from promvil_hf.metrics.share_intervals import ENOUGH_IMAGES, ENOUGH_OF_EACH, effective_rows, share_interval, wilson


ACCURACIES = (0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98)


def coverage(images, rows_each, accuracy, correlation):
    """How often the interval holds the accuracy, over every number of right rows that each image can have."""
    hits = np.arange(rows_each + 1)
    if correlation == 0:
        chances = stats.binom.pmf(hits, rows_each, accuracy)
    elif correlation == 1:
        chances = np.where(hits == rows_each, accuracy, np.where(hits == 0, 1 - accuracy, 0.0))
    else:
        strength = (1 - correlation) / correlation
        chances = stats.betabinom.pmf(hits, rows_each, accuracy * strength, (1 - accuracy) * strength)
    held = 0.0
    for counts in combinations_with_replacement(hits, images):  # images in any order: as many orders as there are
        often = np.bincount(counts, minlength=rows_each + 1)
        chance = factorial(images) / prod(map(factorial, often.tolist())) * prod(chances[list(counts)])
        if chance > 1e-12:
            sums = np.stack([counts, np.full(images, rows_each)], 1).astype(float)
            low, high = share_interval(sums)
            held += chance * (low <= accuracy <= high)
    return held


@pytest.mark.parametrize("correlation", [0, 0.3, 1])
@pytest.mark.parametrize("accuracy", ACCURACIES)
def test_20_rows_in_5_images_are_covered(accuracy, correlation):
    assert 0.92 <= coverage(5, 4, accuracy, correlation)


@pytest.mark.parametrize("accuracy", ACCURACIES)
def test_20_rows_in_20_images_are_covered(accuracy):
    assert 0.92 <= coverage(20, 1, accuracy, 0)


def test_nothing_right_and_everything_right_are_no_certainty():
    """0 of 20 printed 0.000 to 0.000 before."""
    none, every = (bootstrap_interval(np.full(20, value)) for value in (0.0, 1.0))
    assert (none.low, none.high) == pytest.approx((0, 0.161), abs=5e-4)
    assert (every.low, every.high) == pytest.approx((0.839, 1), abs=5e-4)
    assert none.method == "wilson" and none.resamples == 0 and none.estimate == 0


def test_where_no_image_varies_an_image_counts_as_one_row():
    together = bootstrap_interval(np.zeros(20), clusters=np.repeat(np.arange(5), 4))
    assert together.high == pytest.approx(wilson(0, 5)[1]) and together.high > bootstrap_interval(np.zeros(20)).high


def test_many_images_that_are_all_alike_are_no_certainty_either():
    """Always yes on a balanced benchmark: 0.667 to 0.667 before."""
    each = np.tile([[2.0, 2.0], [2, 2], [2, 2], [0, 1], [0, 1], [0, 1]], (100, 1))
    found = bootstrap_interval(each, clusters=np.repeat(np.arange(100), 6))
    assert found.estimate == pytest.approx(2 / 3) and found.method == "wilson" and found.low < 0.6 < 0.7 < found.high


def test_wilsons_interval_is_scipys():
    for right, rows in ((0, 20), (3, 17), (50, 50), (71, 400)):
        theirs = stats.binomtest(right, rows).proportion_ci(method="wilson")
        assert wilson(right / rows, rows) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_rows_that_are_their_own_images_are_nearly_all_effective_and_copies_add_nothing():
    rng = np.random.default_rng(0)
    right = (rng.random(40) < 0.6).astype(float)
    once = effective_rows(np.stack([right, np.ones(40)], 1))
    assert once == pytest.approx(39, abs=0.5)
    copied = effective_rows(np.stack([7 * right, np.full(40, 7.0)], 1))
    assert copied <= once


def test_a_large_set_keeps_its_bootstrap():
    rng = np.random.default_rng(1)
    right = (rng.random(300) < 0.6).astype(float)
    assert bootstrap_interval(right).method == "bca"
    few = np.zeros(300)
    few[: ENOUGH_OF_EACH - 1] = 1
    assert bootstrap_interval(few).method == "wilson" == bootstrap_interval(1 - few).method
    few[ENOUGH_OF_EACH - 1] = 1
    assert bootstrap_interval(few).method == "bca" != bootstrap_interval(right[: ENOUGH_IMAGES - 1]).method


def test_the_interval_mirrors_where_right_and_wrong_change_places():
    right = np.array([1.0, 0, 0, 1, 0, 0, 0, 0, 0, 1])
    images = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    one, other = bootstrap_interval(right, clusters=images), bootstrap_interval(1 - right, clusters=images)
    assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low))


def test_soft_scores_and_f1_are_shares_too():
    soft = bootstrap_interval(np.full(6, 0.3))
    assert soft.low < 0.3 < soft.high and soft.method == "wilson"
    f1 = bootstrap_interval(np.array([[2.0, 2.0], [0, 1], [2, 2], [0, 0]]))
    assert f1.method == "wilson" and 0 < f1.low < f1.estimate == 0.8 < f1.high < 1


def test_no_change_at_all_and_a_change_of_every_row_are_no_certainty():
    same = paired_test(np.ones(20), np.ones(20))
    assert same.p_value == 1 and -0.25 < same.difference.low < 0 < same.difference.high < 0.25
    better = paired_test(np.ones(20), np.zeros(20))
    assert better.difference.estimate == better.difference.high == 1 and 0.7 < better.difference.low < 1
    worse = paired_test(np.zeros(20), np.ones(20))
    assert (worse.difference.low, worse.difference.high) == pytest.approx((-better.difference.high, -better.difference.low))


def test_differences_of_few_images_cover_no_change_and_a_change():
    rng = np.random.default_rng(2)
    for gained, lost in ((0.1, 0.1), (0.4, 0.1)):
        held = 0
        for trial in range(300):
            drawn = rng.random(19)  # too few for the bootstrap
            a, b = (drawn < gained).astype(float), (drawn > 1 - lost).astype(float)
            found = paired_test(a, b, resamples=9, seed=trial).difference
            held += found.low <= gained - lost <= found.high
        assert 0.92 <= held / 300


def test_scores_outside_0_and_1_keep_their_bootstrap():
    found = paired_test(np.array([3.0, 1.0, 2.0, 5.0]), np.array([1.0, 1.0, 0.0, 2.0]))
    assert found.difference.method == "bca"
