# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Average precision and F1 of several boxes, against a plain implementation."""

import numpy as np
import pytest

from promvil_hf.metrics.answers import read_boxes
from promvil_hf.metrics.detection import THRESHOLDS, detection_score
from promvil_hf.metrics.grounding import iou_matrix


def plain(said, gold, scores, threshold):
    """COCO's average precision, by the book: matching by score, 101 points of recall. Also the true positives."""
    boxes = [(score, row, place) for row, row_scores in enumerate(scores) for place, score in enumerate(row_scores)]
    order = sorted(boxes, key=lambda one: -one[0])
    taken, right = set(), []
    for _, row, place in order:
        overlap = iou_matrix(np.array(said[row][place])[None], np.array(gold[row]))[0] if gold[row] else np.empty(0)
        free = [k for k in range(len(overlap)) if (row, k) not in taken and overlap[k] >= threshold]
        best = max(free, key=lambda k: overlap[k], default=None)
        right.append(best is not None)
        if best is not None:
            taken.add((row, best))
    truths = sum(map(len, gold))
    hits = np.cumsum(right)
    recall, precision = hits / truths, hits / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    points = [envelope[recall >= point].max(initial=0.0) for point in np.linspace(0, 1, 101)]
    return float(np.mean(points)), int(hits[-1])


def random_rows(rng, rows):
    gold = [[_box(rng) for _ in range(rng.integers(0, 4))] for _ in range(rows)]
    near = [[list(np.clip(np.array(box) + rng.normal(0, 0.03, 4), 0, 1.2)) for box in row_boxes] for row_boxes in gold]
    said = [row_boxes + [_box(rng) for _ in range(rng.integers(0, 3))] for row_boxes in near]
    said = [[box for box in row_boxes if box[0] < box[2] and box[1] < box[3]] for row_boxes in said]
    return said, gold


def _box(rng):
    x, y = rng.random(2) * 0.6
    return [x, y, x + 0.1 + 0.3 * rng.random(), y + 0.1 + 0.3 * rng.random()]


@pytest.mark.parametrize("seed", range(5))
def test_random_boxes_with_scores_have_the_plain_average_precision_and_f1(seed):
    rng = np.random.default_rng(seed)
    said, gold = random_rows(rng, 30)
    scores = [rng.permutation(len(row_boxes)) + row / 100 for row, row_boxes in enumerate(said)]
    found = detection_score(read_boxes(said), read_boxes(gold), np.concatenate(scores))
    expected = {threshold: plain(said, gold, scores, threshold) for threshold in THRESHOLDS}
    assert found.ap50 == pytest.approx(expected[0.5][0]) and found.ap75 == pytest.approx(expected[0.75][0])
    assert found.ap == pytest.approx(np.mean([ap for ap, _ in expected.values()]))
    right, boxes, truths = expected[0.5][1], sum(map(len, said)), sum(map(len, gold))
    assert (found.precision, found.recall) == pytest.approx((right / boxes, right / truths))
    assert found.f1 == pytest.approx(2 * right / (boxes + truths)) and (found.boxes, found.true_boxes) == (boxes, truths)


def test_without_scores_the_order_of_writing_counts():
    gold = [[[0.0, 0.0, 0.5, 0.5]], [[0.5, 0.5, 1.0, 1.0]]]
    right_first = [[gold[0][0], [0.6, 0.0, 1.0, 0.3]], [gold[1][0], [0.6, 0.0, 1.0, 0.3]]]
    last = [row_boxes[::-1] for row_boxes in right_first]
    assert detection_score(read_boxes(right_first), read_boxes(gold)).ap50 == 1
    assert detection_score(read_boxes(last), read_boxes(gold)).ap50 == pytest.approx(0.5, abs=0.01)
    assert detection_score(read_boxes(last), read_boxes(gold)).f1 == pytest.approx(2 / 3)


def test_everything_nothing_and_no_truth():
    gold = read_boxes([[[0.0, 0.0, 0.5, 0.5]], []])
    perfect = detection_score(gold, gold)
    assert (perfect.ap, perfect.f1) == pytest.approx((1, 1))
    nothing = detection_score(read_boxes([[], []]), gold)
    assert (nothing.ap, nothing.f1, nothing.recall) == (0, 0, 0)
    assert np.isnan(detection_score(gold, read_boxes([[], []])).f1)
    with pytest.raises(ValueError, match="a number for each box"):
        detection_score(gold, gold, np.array([np.nan]))
