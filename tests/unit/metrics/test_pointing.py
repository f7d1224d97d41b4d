# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Points are scored in boxes and in masks under a declared policy, and answers without one are counted by their kind."""

import numpy as np
import pytest

from promvil_hf.boxes import Box
from promvil_hf.conventions import DIALECTS
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.results import Settings, evaluate
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.metrics.answers import OUTCOMES, read_texts
from promvil_hf.metrics.pointing import POINT_POLICIES, pointing_score, points_inside


TEXTS = [
    "[(0.2, 0.2), (0.9, 0.9)]",  # the first is inside
    "[(0.9, 0.9), (0.2, 0.2), (0.3, 0.3)]",
    "[(0.2, 0.2)]",
    "none",
    "I cannot say.",
    "[(0.2, 0.",
    None,
]
GOLD = [[[0.1, 0.1, 0.5, 0.5], [0.6, 0.1, 0.7, 0.2]]] * len(TEXTS)


def answers():
    return read_texts(TEXTS, DIALECTS["refspatial_points"])


def masks():
    mask = np.zeros((10, 20), bool)
    mask[1:5, 2:10] = True  # the first box of each row
    return [mask] * len(TEXTS)


@pytest.mark.parametrize("policy, rows", [("first", [1, 0, 1]), ("mean", [1 / 2, 2 / 3, 1]), ("all", [0, 0, 1])])
@pytest.mark.parametrize("truth", ["boxes", "masks"])
def test_each_policy_by_hand(policy, rows, truth):
    kind = {"gold": GOLD} if truth == "boxes" else {"masks": masks()}
    score = pointing_score(answers(), **kind, policy=policy)
    assert score.accuracy == pytest.approx(sum(rows) / len(TEXTS))
    assert (score.points_per_answer, score.point_precision) == pytest.approx((6 / 7, 4 / 6))


def test_the_outcomes_of_all_answers_sum_to_one():
    rates = pointing_score(answers(), GOLD).rates
    assert list(rates) == list(OUTCOMES) and sum(rates.values()) == pytest.approx(1)
    assert rates == pytest.approx({"box": 3 / 7, "refused": 1 / 7, "no box": 1 / 7, "no answer": 1 / 7, "unreadable": 1 / 7})


def test_a_point_in_a_mask_and_in_its_box_agree_on_random_points():
    rng = np.random.default_rng(0)
    points = rng.random((500, 2))
    texts = [f"({x:.4f}, {y:.4f})" for x, y in points]
    read = read_texts(texts, DIALECTS["refspatial_points"])
    mask = np.zeros((1000, 1000), bool)
    mask[200:700, 100:600] = True
    in_boxes = points_inside(read, [[[0.1, 0.2, 0.6, 0.7]]] * 500)
    in_masks = points_inside(read, masks=[mask] * 500)
    assert (in_boxes == in_masks).mean() > 0.99 and 50 < in_boxes.sum() < 200


def test_what_cannot_be_scored_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="a point is scored in one of them"):
        points_inside(answers())
    with pytest.raises(ValueError, match="7 answers and the truth of 1 rows"):
        points_inside(answers(), GOLD[:1])
    with pytest.raises(ValueError, match="read them by a dialect that points"):
        pointing_score(read_texts(["[1, 2, 3, 4]"], DIALECTS["qwen_json"]), GOLD[:1])
    with pytest.raises(ValueError, match=f"it is one of {', '.join(POINT_POLICIES)}"):
        pointing_score(answers(), GOLD, policy="best")


def test_a_grounding_benchmark_is_scored_by_points_where_the_dialect_points():
    rows = [BenchmarkRow(str(place), "1.jpg", "it", (Box(*GOLD[0][0]),), level=1 + place % 2) for place in range(6)]
    said = Predictions({str(place): Answer(text=text) for place, text in enumerate(TEXTS[:6])})
    settings = Settings(dialect="refspatial_points", resampling=Resampling(resamples=50))
    report = evaluate(Benchmark("mine", "test", "grounding", rows), said, settings)
    assert (report.scores["metric"], report.scores["value"]) == ("pointing_accuracy", pytest.approx(2 / 6))
    assert (report.scores["refused_rate"], report.scores["unreadable_rate"]) == pytest.approx((1 / 6, 1 / 6))
    assert report.rows[0]["said"] == [[0.2, 0.2], [0.9, 0.9]] and report.rows[3]["note"] == "refused"
