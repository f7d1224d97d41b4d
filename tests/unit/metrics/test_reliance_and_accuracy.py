# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Whether the score follows accuracy, on simulated models whose truth is known."""

import itertools

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from promvil_hf.metrics.reliance_and_accuracy import Asked, of_table, reliance_and_accuracy


IMAGES, PER_IMAGE = 200, 2


def simulated(accuracy, masked, seed=0):
    """Answers of models with these true accuracies: right or wrong by chance, two rows an image."""
    rng = np.random.default_rng(seed)
    rows = IMAGES * PER_IMAGE
    drawn = [rng.random((len(accuracy), rows)) < np.asarray(chance)[:, None] for chance in (accuracy, masked)]
    return Asked.of(*drawn, np.repeat(np.arange(IMAGES), PER_IMAGE))


def test_correlations_are_scipys_and_the_null_tries_every_order_of_few_models():
    rng = np.random.default_rng(1)
    accuracy, score = rng.uniform(0.4, 0.9, 6), rng.uniform(0.1, 0.6, 6)
    masked = accuracy * (1 - score)
    for found, measure in zip(of_table(accuracy, score), (pearsonr, spearmanr), strict=True):
        assert found.estimate == pytest.approx(measure(accuracy, score).statistic)
        null = [
            measure(accuracy, 1 - masked[list(order)] / accuracy).statistic for order in itertools.permutations(range(6))
        ]
        extreme = np.abs(null - np.mean(null)) >= abs(found.over_units - np.mean(null)) - 1e-9
        assert (found.null_mean, found.p_value) == (pytest.approx(np.mean(null)), pytest.approx(extreme.mean()))


def test_masked_accuracy_that_has_nothing_to_do_with_accuracy_correlates_by_construction_and_is_not_called_a_finding():
    rng = np.random.default_rng(2)
    seen, by_definition, significant = [], [], 0
    for _ in range(200):
        accuracy, masked = rng.uniform(0.5, 0.9, 8), rng.uniform(0.25, 0.35, 8)
        found = of_table(accuracy, 1 - masked / accuracy, resamples=199)[0]
        seen.append(found.estimate - found.null_mean)
        significant += found.p_value <= 0.05
        by_definition.append(found.null_mean)
    assert np.mean(by_definition) > 0.6 and abs(np.mean(seen)) < 0.05
    assert 2 <= significant <= 21  # of 200 at 5 %: 10, give or take three standard deviations and a half


def test_a_score_that_falls_where_the_definition_would_make_it_rise_is_a_finding():
    accuracy = np.linspace(0.5, 0.9, 12)
    found = of_table(accuracy, np.linspace(0.6, 0.3, 12), resamples=999)[0]
    assert found.estimate < -0.99 and found.p_value < 0.01 and found.null_low > found.estimate


def test_luck_on_the_same_rows_does_not_correlate_on_other_rows():
    same, other = [], []
    for seed in range(25):
        equal = simulated([0.6] * 10, [0.3] * 10, seed)
        found = reliance_and_accuracy([equal], resamples=9, splits=4)
        same.append(found.pearson.estimate)
        other.append(found.pearson_other_rows.estimate)
    assert np.mean(same) > 0.2  # who was lucky on the pictures as they are has the higher score
    assert abs(np.mean(other)) < 0.12


def test_true_differences_show_on_other_rows():
    accuracy = np.linspace(0.4, 0.9, 10)
    found = reliance_and_accuracy([simulated(accuracy, np.full(10, 0.3))], resamples=199, splits=4)
    assert found.pearson_other_rows.estimate > 0.85 and found.spearman_other_rows.estimate > 0.85
    assert found.pearson_other_rows.low > 0.6


def test_copies_of_models_do_not_make_the_interval_narrower_or_the_null_sharper():
    rng = np.random.default_rng(3)
    accuracy, score = rng.uniform(0.5, 0.9, 6), rng.uniform(0.2, 0.6, 6)
    once = of_table(accuracy, score, resamples=1_999)[0]
    bases = np.repeat(np.arange(6), 3)
    thrice = of_table(accuracy[bases], score[bases], bases, resamples=1_999)[0]
    assert (thrice.models, thrice.units) == (18, 6)
    for name in ("estimate", "low", "high", "over_units", "null_mean", "null_low", "null_high", "p_value"):
        assert getattr(thrice, name) == pytest.approx(getattr(once, name), abs=1e-9), name
    as_if_independent = of_table(accuracy[bases], score[bases], resamples=1_999)[0]
    assert as_if_independent.high - as_if_independent.low < 0.8 * (once.high - once.low)


def test_several_benchmarks_count_by_their_means_and_their_order_does_not_matter():
    one, two = simulated([0.5, 0.6, 0.7, 0.8], [0.3] * 4, 1), simulated([0.6, 0.6, 0.8, 0.9], [0.4] * 4, 2)
    found = reliance_and_accuracy([one, two], resamples=49, splits=3)
    accuracy = np.mean([asked.original.sum(1) / asked.rows.sum() for asked in (one, two)], 0)
    score = np.mean([1 - asked.masked.sum(1) / asked.original.sum(1) for asked in (one, two)], 0)
    assert found.pearson.estimate == pytest.approx(pearsonr(accuracy, score).statistic)
    again = reliance_and_accuracy([two, one], resamples=49, splits=3)
    assert again.pearson.estimate == pytest.approx(found.pearson.estimate)


def test_what_cannot_be_computed_is_no_number_and_says_why():
    few = of_table([0.5, 0.6], [0.1, 0.2])[0]
    assert np.isnan(few.estimate) and few.note == "a correlation needs 3 models of different bases; these are 2"
    same_base = of_table([0.5, 0.6, 0.7, 0.8], [0.1, 0.2, 0.3, 0.1], ["a", "a", "b", "b"])[0]
    assert np.isnan(same_base.p_value) and "these are 2" in same_base.note
    one_image = Asked.of(np.ones((5, 3)), np.zeros((5, 3)), ["x"] * 3)
    assert "two images" in reliance_and_accuracy([one_image], resamples=9).pearson_other_rows.note
    nothing_right = Asked.of(np.zeros((5, 4)), np.zeros((5, 4)), list("abcd"))
    assert "nothing right" in reliance_and_accuracy([nothing_right], resamples=9).pearson.note
    with pytest.raises(ValueError, match="the image of each row"):
        Asked.of(np.ones((2, 3)), np.ones((2, 4)), list("abc"))
    with pytest.raises(ValueError, match="each model has a unit"):
        reliance_and_accuracy([one_image], ["a"])
    with pytest.raises(ValueError, match="one of each for every model"):
        of_table([0.5], [0.1, 0.2])
