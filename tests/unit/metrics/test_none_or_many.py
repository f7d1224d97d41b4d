# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""gRefCOCO's numbers by hand and against other people's generalised IoU; what came of answers where nothing is."""

from itertools import permutations

import numpy as np
import pytest

from promvil_hf.conventions import DIALECTS
from promvil_hf.metrics.answers import read_boxes, read_texts
from promvil_hf.metrics.grounding import iou_matrix
from promvil_hf.metrics.none_or_many import OVERLAPS, generalised_iou, matches, none_or_many, rejection, row_f1


LEFT, RIGHT, WHOLE = [0.0, 0.0, 0.4, 1.0], [0.6, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]


def pixels(box):
    shown = np.zeros((20, 20), bool)
    shown[box[1] : box[3], box[0] : box[2]] = True
    return shown


def test_the_generalised_iou_counts_pixels():
    rng = np.random.default_rng(0)
    corners = np.sort([[rng.choice(20, 2, replace=False) for _ in "xy"] for _ in range(60)], axis=2)
    boxes = corners.swapaxes(1, 2).reshape(60, 4)
    a, b = boxes[:30], boxes[30:]
    found = generalised_iou(a, b)
    for row, column in np.ndindex(30, 30):
        one, other = pixels(a[row]), pixels(b[column])
        around = pixels([*np.minimum(a[row], b[column])[:2], *np.maximum(a[row], b[column])[2:]])
        shared, union = (one & other).sum(), (one | other).sum()
        assert found[row, column] == pytest.approx(shared / union - (around.sum() - union) / around.sum())


def test_each_kind_of_row_by_hand():
    gold = read_boxes([[], [], [LEFT], [LEFT, RIGHT], [LEFT, RIGHT], [LEFT, RIGHT]])
    said = read_boxes([[], [LEFT], [], [RIGHT, LEFT], [LEFT], [LEFT, LEFT]])
    assert row_f1(said, gold).round(3).tolist() == [1, 0, 0, 1, 0.667, 0.5]
    found = none_or_many(said, gold)
    assert (found.perfect, found.n_acc, found.t_acc) == pytest.approx((2 / 6, 1 / 2, 3 / 4))
    assert found.mean_f1 == pytest.approx((1 + 1 + 2 / 3 + 1 / 2) / 6) and found.overlap == "giou"


def test_the_overlap_decides_and_is_named():
    """A square moved along its diagonal: corners of the box around both are covered by neither."""
    gold, said = read_boxes([[[0.0, 0.0, 1.0, 1.0]]]), read_boxes([[[0.17, 0.17, 1.17, 1.17]]])
    assert iou_matrix(said.xyxy, gold.xyxy).item() == pytest.approx(0.6889 / 1.3111)
    assert generalised_iou(said.xyxy, gold.xyxy).item() == pytest.approx(0.6889 / 1.3111 - (1.3689 - 1.3111) / 1.3689)
    assert {name: row_f1(said, gold, overlap=name).item() for name in OVERLAPS} == {"giou": 0, "iou": 1}
    half = read_boxes([[[0.0, 0.0, 0.5, 1.0]]])
    assert [row_f1(half, gold, overlap=name).item() for name in OVERLAPS] == [1, 1]  # 0.5 itself is enough
    with pytest.raises(ValueError, match="one of giou, iou"):
        row_f1(said, gold, overlap="diou")


def test_greedy_matching_takes_the_largest_first_and_each_box_once():
    rng = np.random.default_rng(1)
    for _ in range(50):
        overlap = rng.random((3, 4))
        best = max(sum(overlap[row, column] >= 0.5 for row, column in enumerate(order)) for order in permutations(range(4), 3))
        assert best - 1 <= matches(overlap) <= best
    assert matches(np.array([[0.9, 0.8], [0.7, 0.1]])) == 1
    assert matches(np.array([[0.5]])) == 1 and matches(np.empty((0, 3))) == 0


def test_an_answer_that_cannot_be_read_is_no_correct_rejection():
    said = ["none", '[{"bbox_2d": [1, 2', "I cannot say.", '[{"bbox_2d": [1, 2, 300, 400]}]', None]
    answers = read_texts(said, DIALECTS["qwen_json"])
    nothing = read_boxes([[]] * 5)
    assert row_f1(answers, nothing).tolist() == [1, 0, 0, 0, 0]
    assert none_or_many(answers, nothing).n_acc == 0.2
    found = rejection(answers, np.ones(5, bool))
    assert (found.refused, found.unreadable, found.no_box, found.wrong_box, found.missing) == (0.2,) * 5
    assert np.isnan(found.falsely_refused) and found.rows == 5


def test_a_refusal_of_what_is_there_is_counted_apart_from_a_right_one():
    found = rejection(read_boxes([[], [], [LEFT], [LEFT]]), np.array([True, False, False, False]))
    assert found.refused == 1 and found.falsely_refused == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="4 answers and marks of shape"):
        rejection(read_boxes([[]] * 4), [True])


def test_constant_answerers_have_their_expected_scores():
    gold = read_boxes([[], [], [], [LEFT], [WHOLE], [LEFT, RIGHT]])
    refuses, whole = read_boxes([[]] * 6), read_boxes([[WHOLE]] * 6)
    assert none_or_many(refuses, gold).perfect == 0.5 and none_or_many(refuses, gold).t_acc == 0
    assert none_or_many(whole, gold).perfect == pytest.approx(1 / 6) and none_or_many(whole, gold).n_acc == 0
