# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Units that are right only as a whole, and which rows are resampled together; Holm's correction; strata of sizes."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from promvil_hf.metrics.intervals import bootstrap_interval
from promvil_hf.metrics.significance import holm
from promvil_hf.metrics.size_strata import aspect_labels, coco_sizes, ordered, ref_l4_sizes
from promvil_hf.metrics.units import linked, unit_scores


def test_a_unit_is_right_when_all_its_rows_are():
    for right in product([0, 1], repeat=4):
        names, scores = unit_scores(right, ["q0", "q1", "q0", "q1"])
        assert names == ["q0", "q1"] and scores.tolist() == [right[0] * right[2], right[1] * right[3]]
    names, scores = unit_scores([1, 0, 1], [None, "a", None])
    assert names == ["a"] and scores.tolist() == [0]
    assert unit_scores([], [])[1].tolist() == []
    with pytest.raises(ValueError, match="one for each row"):
        unit_scores([1], ["a", "b"])


def test_rows_hang_together_through_images_and_units_and_what_these_share():
    found = linked(["1", "1", "2", "3", "4"], ["a", "b", "b", "c", None])
    assert found[0] == found[1] == found[2] and len({*found.tolist()}) == 3
    assert linked(["1", "1", "2"]).tolist() == [0, 0, 1]
    assert linked([], []).tolist() == []


def test_intervals_that_draw_pairs_are_wider_than_those_that_draw_pictures_of_pairs():
    rng = np.random.default_rng(0)
    right = np.repeat((rng.random(100) < 0.5).astype(float), 2)  # both rows of a pair, whose pictures differ
    pictures = np.arange(200)
    pairs = linked(pictures.tolist(), np.repeat(np.arange(100), 2).tolist())
    by_picture, by_pair = (bootstrap_interval(right, clusters=clusters) for clusters in (pictures, pairs))
    assert by_pair.high - by_pair.low > 1.3 * (by_picture.high - by_picture.low)


def test_holm_by_definition_and_below_bonferroni():
    rng = np.random.default_rng(1)
    for _ in range(20):
        p = rng.random(6)
        found = holm(p)
        ranks = np.argsort(np.argsort(p))
        for index in range(6):
            assert found[index] == pytest.approx(min(1, max((6 - ranks[k]) * p[k] for k in range(6) if p[k] <= p[index])))
        assert (found <= np.minimum(6 * p, 1) + 1e-12).all() and (found >= stats.false_discovery_control(p) - 1e-12).all()
    assert holm([0.02]).tolist() == [0.02]
    some = holm([np.nan, 0.01, 0.5])
    assert np.isnan(some[0]) and some[1:].tolist() == [0.02, 0.5]


def test_holm_keeps_the_error_of_the_family():
    rng = np.random.default_rng(2)
    assert np.mean([(holm(rng.random(5)) <= 0.05).any() for _ in range(2_000)]) <= 0.065


def test_sizes_and_shapes_at_their_bounds():
    assert ref_l4_sizes([127.99**2, 128.0**2, 256.0**2, 256.01**2]) == ["small", "medium", "medium", "large"]
    assert coco_sizes([1_023.9, 1_024, 9_215.9, 9_216]) == ["small", "medium", "medium", "large"]
    assert aspect_labels([(3, 4), (4, 3), (2, 1), (201, 100), (74, 100)]) == [
        "within 4:3", "within 4:3", "wider than 4:3", "wider than 2:1", "taller than 4:3",
    ]  # fmt: skip
    assert ordered(["large", "small"]) == ["small", "large"]
    assert ordered(aspect_labels([(2100, 900), (1, 2)])) == ["taller than 4:3", "wider than 2:1"]
