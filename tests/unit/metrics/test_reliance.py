# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import math

import numpy as np
import pytest

from promvil_hf.metrics.reliance import average_reliance, reliance_table, visual_reliance


# FiVL, v1, table 3: VQA-v2, GQA, POPE, printed average
PRINTED = {
    "Qwen2-VL-7B": (0.64, 0.39, 0.47, 0.50),
    "LLaVA-13B": (0.72, 0.33, 0.49, 0.51),
    "LLaVA-7B": (0.56, 0.31, 0.47, 0.45),
    "GPT-4o": (0.74, 0.63, 0.49, 0.62),
    "BLIP-2": (0.52, 0.23, 0.03, 0.26),
    "Pixtral-12B": (0.75, 0.58, 0.42, 0.58),
    "Phi3-V": (0.60, 0.33, 0.54, 0.49),
}


@pytest.mark.parametrize("model", PRINTED)
def test_each_row_of_the_papers_table_averages_as_printed(model):
    *cells, printed = PRINTED[model]
    assert round(average_reliance(cells), 2) == printed


@pytest.mark.parametrize(("column", "printed"), [(0, 0.65), (1, 0.40), (2, 0.42)])
def test_each_column_of_the_papers_table_averages_as_printed(column, printed):
    assert round(average_reliance([row[column] for row in PRINTED.values()]), 2) == printed


def blind_answerer(rng, rows):
    """Guesses from the question alone, so each look at the picture is a new draw of the same luck."""
    return [(rng.random(rows) < 0.6).astype(float) for _ in range(3)]


def test_an_answerer_that_never_looks_has_an_interval_that_contains_0():
    rng = np.random.default_rng(0)
    original, masked, random = blind_answerer(rng, 600)
    score = visual_reliance(original, masked, {"random boxes": random}, clusters=rng.integers(0, 200, 600))
    for interval in (score.masked.relative, score.masked.absolute, score.beyond["random boxes"]):
        assert interval.low < 0 < interval.high


def test_intervals_of_answerers_that_never_look_miss_0_about_as_rarely_as_they_say():
    contained = np.zeros(3)
    for seed in range(100):
        original, masked, random = blind_answerer(np.random.default_rng(seed), 300)
        score = visual_reliance(original, masked, {"random boxes": random}, resamples=499, seed=seed)
        intervals = (score.masked.relative, score.masked.absolute, score.beyond["random boxes"])
        contained += [interval.low <= 0 <= interval.high for interval in intervals]
    assert (contained >= 90).all() and (contained < 100).any()


def test_an_answerer_that_says_the_same_every_time_has_exactly_0():
    same = (np.random.default_rng(0).random(200) < 0.7).astype(float)
    score = visual_reliance(same, same)
    assert score.score == score.absolute_drop == 0
    assert score.masked.relative.low <= 0 <= score.masked.relative.high


def test_an_answerer_that_needs_the_region_scores_1_and_random_boxes_do_not_hurt_it():
    original = (np.random.default_rng(1).random(300) < 0.8).astype(float)
    gone = np.zeros(300)
    score = visual_reliance(original, gone, {"random boxes": original, "whole image": gone, "blind": gone})
    assert score.score == 1 and score.absolute_drop == pytest.approx(original.mean())
    assert score.controls["random boxes"].relative.estimate == 0 and score.beyond["random boxes"].estimate == 1
    assert score.controls["blind"].relative.estimate == 1 and score.beyond["whole image"].estimate == 0
    assert (score.reason, score.rows) == ("", 300)


def test_an_answerer_hurt_by_any_mask_scores_high_but_nothing_beyond_random_boxes():
    rng = np.random.default_rng(2)
    original = (rng.random(800) < 0.9).astype(float)
    masked, random = ((original * (rng.random(800) < 0.4)) for _ in range(2))
    score = visual_reliance(original, masked, {"random boxes": random})
    assert score.masked.relative.low > 0.5
    assert score.beyond["random boxes"].low < 0 < score.beyond["random boxes"].high


def test_the_score_is_the_relative_drop_and_may_be_negative():
    score = visual_reliance([1, 0, 0.5, 0.5], [1, 1, 1, 0])
    assert score.original_accuracy == 0.5 and score.masked.accuracy == 0.75
    assert (score.score, score.absolute_drop) == (-0.5, -0.25)


def test_what_is_undefined_is_nan_with_a_reason():
    nothing_right = visual_reliance([0, 0, 0], [1, 0, 0], {"blind": [0, 0, 0]})
    assert math.isnan(nothing_right.score) and nothing_right.reason == "nothing right on the original images"
    assert nothing_right.absolute_drop == pytest.approx(-1 / 3)
    assert math.isnan(nothing_right.beyond["blind"].estimate)
    no_rows = visual_reliance([], [])
    assert math.isnan(no_rows.score) and no_rows.reason == "no rows"
    assert math.isnan(average_reliance([])) and math.isnan(average_reliance([0.5, math.nan]))


def test_a_table_scores_each_group_by_itself():
    original, masked, labels = [1, 1, 1, 0, 0], [0, 1, 0, 0, 0], ["GQA", "POPE", "GQA", "POPE", "none"]
    table = reliance_table(original, masked, labels, {"blind": masked}, clusters=[1, 2, 3, 4, 5], resamples=99)
    assert [table[name].score for name in ("GQA", "POPE")] == [1, 0]
    assert table["none"].reason == "nothing right on the original images"
    assert table["GQA"] == visual_reliance([1, 1], [0, 0], {"blind": [0, 0]}, clusters=[1, 3], resamples=99)


def test_what_cannot_be_paired_is_said():
    with pytest.raises(ValueError, match=r"2 original scores and masked scores of shape \(1,\): reliance is paired"):
        visual_reliance([1, 0], [1])
    with pytest.raises(ValueError, match="The masked score of row 1 is 7.0: accuracies lie between 0 and 1"):
        visual_reliance([1, 0], [1, 7])
    with pytest.raises(ValueError, match="give controls names of their own"):
        visual_reliance([1, 0], [1, 0], {"masked": [0, 0]})
    with pytest.raises(ValueError, match="2 rows and 1 labels"):
        reliance_table([1, 0], [1, 0], ["a"])
