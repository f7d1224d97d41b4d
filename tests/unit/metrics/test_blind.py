# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The blind share covers its truth, and guessing has the interval that the binomial law gives it."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks.blind_share import KINDS, covered, inside
from promvil_hf.metrics.blind import blind_share, guessing_interval


def test_the_share_is_the_ratio_of_two_means_over_the_same_rows():
    found = blind_share([1, 1, 1, 1, 0, 0], [1, 0, 0, 0, 1, 0], clusters=list("aabbcc"))
    assert found.estimate == pytest.approx(0.5) and found.clusters == 3 and found.low < 0.5 < found.high
    assert blind_share([1, 0, 1], [1, 1, 1]).estimate == pytest.approx(1.5)  # the picture does harm
    nothing = blind_share([0, 0], [1, 0])
    assert math.isnan(nothing.estimate) and "undefined" in nothing.note
    with pytest.raises(ValueError, match="scores of shapes"):
        blind_share([1, 0], [1, 0, 0])


@pytest.mark.parametrize("kind", KINDS[:4])
def test_the_interval_of_the_blind_share_covers_its_truth(kind):
    """95 % on average; fewer than 176 or 200 of 200 are seen in less than one case of 10,000 at 95 % to 97 %."""
    assert 176 <= covered(kind, 200, resamples=399, seed=1) <= 200


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_of_1000_simulated_sets_the_interval_covers_900_to_990(kind):
    assert 900 <= covered(kind, 1000) <= 990


def test_guessing_lies_in_the_middle_of_its_binomial():
    for chance, rows in ((0.5, 20), (0.25, 7), (1 / 3, 100)):
        low, high = guessing_interval([chance] * rows)
        assert (low * rows, high * rows) == pytest.approx(binom.interval(0.95, rows, chance))
    assert guessing_interval([0.0, 0.0]) == (0, 0) and guessing_interval([1.0] * 3) == (1, 1)


def test_guessing_among_unlike_rows_has_the_interval_of_many_guesses():
    chances = [0.5] * 6 + [0.25] * 10 + [0.2] * 4
    drawn = (np.random.default_rng(0).random((200_000, len(chances))) < chances).mean(1)
    low, high = guessing_interval(chances)
    assert np.mean(drawn < low) <= 0.025 < np.mean(drawn <= low)
    assert np.mean(drawn > high) <= 0.025 < np.mean(drawn >= high)


@pytest.mark.parametrize("chances", [[], [0.5, 1.5], [math.nan]])
def test_what_is_no_chance_is_refused(chances):
    with pytest.raises(ValueError, match="a number from 0 to 1 for each row"):
        guessing_interval(chances)


def test_a_blind_run_that_guesses_stays_inside_where_others_share_a_prior():
    """At least 95 %, since an interval of whole numbers covers more; 177 of 200 or fewer is one case in 10,000."""
    assert inside(2, 100) + inside(4, 100) >= 178
