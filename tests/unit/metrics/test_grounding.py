# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco

from promvil_hf.boxes import Box, iou
from promvil_hf.metrics.answers import kosmos2_boxes, read_boxes
from promvil_hf.metrics.grounding import (
    POLICIES,
    answer_iou,
    grounding_score,
    grounding_table,
    iou_matrix,
    kosmos2_round_trip,
    paired_iou,
    quantisation_ceiling,
    size_labels,
)


def random_boxes(rng, count, smallest=1e-3):
    low = rng.uniform(0, 1 - smallest, (count, 2))
    return np.concatenate([low, low + np.maximum(rng.uniform(0, 1, (count, 2)) * (1 - low), smallest / 2)], 1)


def scalar_iou(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inside = max(width, 0) * max(height, 0)
    return inside / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inside) if inside else 0.0


corner = st.floats(0, 1, width=32)
box = st.tuples(corner, corner, corner, corner).map(
    lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3]))
)
good_box = box.filter(lambda c: c[0] < c[2] and c[1] < c[3])


# --- IoU ---


def test_100_000_random_boxes_agree_with_a_scalar_loop_and_with_pycocotools():
    rng = np.random.default_rng(0)
    a, b = random_boxes(rng, 100_000), random_boxes(rng, 100_000)
    ours = paired_iou(a, b)
    assert ours.tolist() == [scalar_iou(x, y) for x, y in zip(a.tolist(), b.tolist())]
    xywh_a, xywh_b = (np.concatenate([c[:, :2], c[:, 2:] - c[:, :2]], 1) for c in (a, b))
    for begin in range(0, 100_000, 250):
        part = slice(begin, begin + 250)
        peer = coco.iou(xywh_a[part], xywh_b[part], [0] * 250)
        matrix = iou_matrix(a[part], b[part])
        assert np.abs(matrix - peer).max() < 1e-12
        assert np.array_equal(matrix.diagonal(), ours[part])


def test_the_scalar_iou_of_two_boxes_is_the_same():
    rng = np.random.default_rng(1)
    a, b = random_boxes(rng, 500), random_boxes(rng, 500)
    assert np.abs(paired_iou(a, b) - [iou(Box(*x), Box(*y)) for x, y in zip(a, b)]).max() < 1e-15


def test_iou_vectors_of_another_project(shared_data):
    cases = json.loads((shared_data / "peer_vectors" / "supervision_test_box_iou.json").read_text())
    cases = [case for case in cases if case["overlap_metric"].lower() == "iou"]
    assert len(cases) == 12
    ours = paired_iou([case["box_true"] for case in cases], [case["box_detection"] for case in cases])
    assert np.allclose(ours, [case["expected_overlap"] for case in cases], atol=1e-12)


@given(box, box)
def test_iou_is_symmetric_and_between_0_and_1(a, b):
    there, back = iou_matrix([a], [b])[0, 0], iou_matrix([b], [a])[0, 0]
    assert there == back and 0 <= there <= 1


@given(good_box)
def test_a_box_overlaps_itself_completely(a):
    area = (a[2] - a[0]) * (a[3] - a[1])
    assert paired_iou([a], [a])[0] == (1 if area > 0 else 0)


@given(good_box, st.floats(0.001, 3), st.booleans())
def test_disjoint_boxes_have_iou_0_although_the_reference_says_1(a, gap, sideways):
    move = (a[2] - a[0] + gap, 0) if sideways else (0, a[3] - a[1] + gap)
    assert paired_iou([a], [np.add(a, move * 2)])[0] == 0


def test_the_references_own_wrong_case_is_0():
    assert iou_matrix([(0, 0, 10, 10)], [(20, 0, 30, 10)]).tolist() == [[0.0]]


@pytest.mark.parametrize(
    "bad", [(np.nan, 0, 1, 1), (1, 1, 0, 0), (0, 0, 0, 1), (0, 0, np.inf, 1), (-np.inf, 0, np.inf, 1)]
)
def test_boxes_that_are_none_overlap_nothing(bad):
    assert paired_iou([bad, bad], [(0, 0, 1, 1), bad]).tolist() == [0, 0]


def test_shapes_that_cannot_be_boxes_are_named():
    assert iou_matrix([], [(0, 0, 1, 1)]).shape == (0, 1)
    with pytest.raises(ValueError, match=r"boxes of shape \(1, 3\): pass an \(n, 4\) array"):
        iou_matrix([(0, 0, 1)], [(0, 0, 1, 1)])
    with pytest.raises(ValueError, match="1 and 2 boxes to pair: use `iou_matrix`"):
        paired_iou([(0, 0, 1, 1)], [(0, 0, 1, 1)] * 2)


# --- policies ---

answer = st.lists(good_box, max_size=4)


def slow_iou(boxes, gold, policy):
    if not boxes:
        return 0.0
    if policy == "mean":
        boxes = [np.mean(boxes, axis=0)]
    best = [max(scalar_iou(box, target) for target in gold) for box in boxes]
    return {"first": best[0], "mean": best[0], "any": max(best), "all": min(best)}[policy]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("most_gold", [1, 4])
def test_every_policy_equals_a_loop_over_answers(policy, most_gold):
    rng = np.random.default_rng(2)
    answers = [random_boxes(rng, rng.integers(0, 5)).tolist() for _ in range(1_000)]
    gold = [random_boxes(rng, rng.integers(1, most_gold + 1)).tolist() for _ in range(1_000)]
    ours = answer_iou(read_boxes(answers), gold, policy=policy)
    assert np.allclose(ours, [slow_iou(a, g, policy) for a, g in zip(answers, gold)], atol=1e-12)


@given(st.lists(st.tuples(answer, good_box), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rows, random):
    def score(rows):
        return grounding_score([a for a, _ in rows], [g for _, g in rows], policy="all").accuracy

    before = score(rows)
    random.shuffle(rows)
    assert score(rows) == pytest.approx(before)


@given(good_box, answer, good_box)
def test_boxes_behind_the_first_never_change_first(first, more, gold):
    alone, dumped = (grounding_score([boxes], [gold]) for boxes in ([first], [first, *more]))
    assert (alone.accuracy, alone.mean_iou) == (dumped.accuracy, dumped.mean_iou)
    assert dumped.boxes_per_answer == 1 + len(more)


@given(st.lists(good_box, min_size=1, max_size=5), good_box)
def test_all_is_at_most_first_and_first_at_most_any(boxes, gold):
    worst, first, best = (
        answer_iou(read_boxes([boxes]), [gold], policy=policy)[0] for policy in ("all", "first", "any")
    )
    assert worst <= first <= best


def test_a_blind_constant_dump_scores_no_more_than_its_best_single_box_in_any_order():
    rng = np.random.default_rng(3)
    dump = random_boxes(rng, 959)
    gold = random_boxes(rng, 300, smallest=0.2)
    best_single = (iou_matrix(dump, gold) >= 0.5).mean(1).max()
    for _ in range(5):
        dump = rng.permutation(dump)
        score = grounding_score([dump] * 300, gold)
        assert score.accuracy <= best_single < 0.2
        assert score.accuracy == (iou_matrix(dump[:1], gold) >= 0.5).mean()
        assert (score.policy, score.boxes_per_answer, score.most_boxes) == ("first", 959, 959)
        assert score.box_precision < 0.1
    assert grounding_score([dump] * 300, gold, policy="all").accuracy <= best_single
    gamed = grounding_score([dump] * 300, gold, policy="any")
    assert gamed.accuracy > 3 * best_single and gamed.policy == "any"


def test_raw_text_scores_as_its_boxes_and_counts_what_is_malformed():
    good = "<phrase>x</phrase><object><patch_index_0033><patch_index_0495></object>."
    inverted = "<phrase>x</phrase><object><patch_index_0495><patch_index_0033></object>."
    gold = kosmos2_boxes([good]).xyxy
    score = grounding_score(kosmos2_boxes([good, inverted, "", good[:45]]), np.repeat(gold, 4, axis=0))
    assert (score.accuracy, score.parse_rate, score.boxes_per_answer, score.rows) == (0.25, 0.25, 0.25, 4)
    assert score.problems == {"empty box": 1, "no box": 1, "truncated": 1}


def test_several_gold_boxes_count_one_by_one_or_merged():
    gold, left, around = [[(0, 0, 0.2, 0.2), (0.8, 0, 1, 0.2)]], [[(0, 0, 0.2, 0.2)]], [[(0, 0, 1, 0.2)]]
    assert grounding_score(left, gold).accuracy == 1
    assert grounding_score(around, gold).accuracy == 0
    assert grounding_score(left, gold, gold_policy="merged").accuracy == 0
    assert grounding_score(around, gold, gold_policy="merged").accuracy == 1


def test_a_hit_at_the_threshold_counts_and_every_threshold_is_reported():
    score = grounding_score([[(0, 0, 1, 0.5)]], [(0, 0, 1, 1)], thresholds=(0.5, 0.75))
    assert score.accuracy == 1 and score.accuracy_at == {0.5: 1.0, 0.75: 0.0}


def test_a_real_referring_expression_in_pixels_and_in_fractions(shared_data):
    row = json.loads((shared_data / "refcoco" / "refcocog_umd_test_first.json").read_text())
    row = row[0] if isinstance(row, list) else row
    x, y, width, height = row["bbox_xywh"]
    gold = np.array([[x, y, x + width, y + height]])
    moved = gold + [0.1 * width, 0, 0.1 * width, 0]
    expected = 0.9 / 1.1
    for scale in (1, np.array([640, 480, 640, 480])):
        assert grounding_score(moved / scale, gold / scale).mean_iou == pytest.approx(expected)


# --- tables, sizes, the grid's ceiling ---


def test_a_table_splits_the_score_and_its_rows_add_up():
    rng = np.random.default_rng(4)
    gold = random_boxes(rng, 400, smallest=0.05)
    answers = [np.clip(g + rng.normal(0, 0.05, (rng.integers(0, 3), 4)), 0, 1) for g in gold]
    levels = rng.integers(1, 4, 400).tolist()
    table, whole = grounding_table(answers, gold, levels), grounding_score(answers, gold)
    assert set(table) == {1, 2, 3} and sum(part.rows for part in table.values()) == 400
    for name in ("accuracy", "mean_iou", "parse_rate", "boxes_per_answer"):
        assert np.average([getattr(part, name) for part in table.values()],
                          weights=[part.rows for part in table.values()]) == pytest.approx(getattr(whole, name))  # fmt: skip
    for level, part in table.items():
        chosen = [index for index in range(400) if levels[index] == level]
        assert part == grounding_score([answers[index] for index in chosen], gold[chosen])


def test_size_bands_follow_the_side_of_the_gold_box():
    gold = [(0, 0, 0.02, 0.02), (0, 0, 0.05, 0.05), (0, 0, 0.25, 0.25), [(0, 0, 0.1, 0.1), (0.5, 0.5, 0.6, 0.6)]]
    assert size_labels(gold) == [
        "side 0.000 to 0.031",
        "side 0.031 to 0.062",
        "side from 0.250",
        "side 0.094 to 0.250",
    ]
    assert set(grounding_table(gold, gold, size_labels(gold))) == set(size_labels(gold))


@pytest.mark.parametrize(
    ("low", "high", "share", "mean_iou"),
    [(0.01, 0.02, 0.0, 0.172), (0.02, 1 / 32, 0.179, 0.387), (1 / 32, 2 / 32, 0.573, 0.523),
     (2 / 32, 3 / 32, 0.994, 0.679), (3 / 32, 4 / 32, 1.0, 0.757)],
)  # fmt: skip
def test_the_ceiling_of_the_kosmos2_grid_is_the_measured_one(low, high, share, mean_iou):
    rng = np.random.default_rng(5)
    sides = rng.uniform(low, high, (20_000, 2))
    corner = rng.uniform(0, 1, (20_000, 2)) * (1 - sides)
    gold = np.concatenate([corner, corner + sides], 1)
    assert quantisation_ceiling(gold, kosmos2_round_trip)[0.5] == pytest.approx(share, abs=0.02)
    assert paired_iou(kosmos2_round_trip(gold), gold).mean() == pytest.approx(mean_iou, abs=0.01)


def test_the_ceiling_on_real_boxes_is_one_for_an_exact_writer(shared_data):
    rows = [json.loads(line) for line in (shared_data / "refcoco" / "caps_boxes_coco2014_val_a.jsonl").open()]
    boxes = [instance["bbox"] for row in rows for instance in row["instances"]]
    boxes = np.array([box for box in boxes if box[0] < box[2] and box[1] < box[3]])
    assert len(boxes) > 200
    assert quantisation_ceiling(boxes, lambda xyxy: xyxy, (0.5, 1.0)) == {0.5: 1.0, 1.0: 1.0}
    assert 0.6 < quantisation_ceiling(boxes, kosmos2_round_trip)[0.5] < 1


def test_no_rows_give_nan_not_an_exception():
    score = grounding_score([], [])
    assert score.rows == 0 and np.isnan(score.accuracy) and np.isnan(score.parse_rate)


def test_what_cannot_be_scored_is_said():
    one = [(0, 0, 1, 1)]
    with pytest.raises(ValueError, match="policy is one of first, mean, all, any"):
        grounding_score([one], [one], policy="best")
    with pytest.raises(ValueError, match="2 answers and gold boxes of 1 rows: match them by id first"):
        grounding_score([one, one], [one])
    with pytest.raises(ValueError, match=r"Row 1 has no good gold box \(no box\)"):
        grounding_score([one, one], [one, []])
    with pytest.raises(ValueError, match="1 answers and 2 labels"):
        grounding_table([one], [one], ["a", "b"])
    with pytest.raises(ValueError, match="at least one IoU above 0"):
        grounding_score([one], [one], thresholds=())
