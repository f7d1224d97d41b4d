# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Intervals that cross scenes and seeds: by hand, and by how often they hold the truth."""

import numpy as np
import pytest

from studies.crossed import Crossed, crossed


def mean(totals):
    return totals[..., 0] / totals[..., 1]


def rows(values):
    """(seeds, scenes) values as rows."""
    seeds, scenes = np.indices(values.shape)
    return np.stack([values.ravel(), np.ones(values.size)], 1), seeds.ravel().tolist(), scenes.ravel().tolist()


def test_where_only_seeds_differ_it_is_students_interval_of_the_seeds():
    values = np.repeat([[0.2], [0.4], [0.9]], 50, axis=1)
    found = crossed(*rows(values), mean)
    assert found.estimate == pytest.approx(0.5) and found.freedom == pytest.approx(2)
    assert found.error == pytest.approx(np.std([0.2, 0.4, 0.9], ddof=1) / np.sqrt(3))
    assert found.interval() == pytest.approx((0.5 - 4.3027 * found.error, 0.5 + 4.3027 * found.error), abs=1e-4)


def test_where_only_scenes_differ_seeds_add_nothing():
    values = np.tile(np.linspace(0, 1, 40), (5, 1))
    found = crossed(*rows(values), mean)
    assert found.error == pytest.approx(np.std(values[0], ddof=1) / np.sqrt(40)) and found.freedom == pytest.approx(39)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """Both vary: 95 % of intervals hold the truth; drawing scenes alone would give far fewer."""
    rng = np.random.default_rng(0)
    runs, held, scenes_alone = 1000, 0, 0
    for _ in range(runs):
        values = rng.normal(0, 1, (5, 1)) + rng.normal(0, 2, (1, 40)) + rng.normal(0, 1, (5, 40))
        low, high = crossed(*rows(values), mean).interval()
        held += low < 0 < high
        of_scenes = values.mean(0)
        scenes_alone += abs(of_scenes.mean()) < 1.96 * of_scenes.std(ddof=1) / np.sqrt(40)
    assert 930 <= held <= 985 and scenes_alone < 850


def test_nothing_different_is_certain_and_a_shift_is_found():
    same = crossed(*rows(np.zeros((3, 4))), mean)
    assert (same.p_value(), same.within(0.01)) == (1.0, True)
    assert crossed(*rows(np.ones((3, 4))), mean).p_value() == 0.0


def test_equivalence_needs_an_interval_within_the_margin():
    assert Crossed(0.01, 0.01, 100).within(0.05) and not Crossed(0.01, 0.05, 100).within(0.05)
    assert not Crossed(0.05, 0.001, 100).within(0.05)


def test_one_seed_tells_nothing_about_others():
    with pytest.raises(ValueError, match="You passed 1 seeds and 4 scenes: an interval over both needs two of each"):
        crossed(*rows(np.zeros((1, 4))), mean)
