# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import numpy as np
import pytest

from promvil_hf.boxes import Box
from promvil_hf.conventions import DIALECTS, FRAMES, boxes_in_fractions, dialect, frame
from promvil_hf.frames import PaddedSquare


BOXES = np.array([[0.1, 0.2, 0.5, 0.6], [0.0, 0.0, 1.0, 1.0], [0.3, 0.3, 0.35, 0.9]])
SIZES = [(640, 480), (333, 500), (100, 1000)]


@pytest.mark.parametrize("name", FRAMES)
def test_boxes_written_in_a_named_frame_come_back_as_fractions_within_its_resolution(name):
    written = [FRAMES[name].encode(Box(*box), size) for box, size in zip(BOXES, SIZES, strict=True)]
    found = boxes_in_fractions([list(box) for box in written], name, SIZES)
    shift = [FRAMES[name].resolution(size) for size in SIZES]
    assert found.rows == 3 and not found.problems
    assert (np.abs(found.xyxy - BOXES) <= np.tile(shift, 2) + 1e-9).all()


@pytest.mark.parametrize("name", FRAMES)
def test_what_is_no_box_is_a_problem_of_its_answer_in_every_frame(name):
    answers = [None, [], "left", [[1, 2, 3]], [[float("nan"), 0.1, 0.2, 0.3]], [[0.5, 0.5, 0.5, 0.5]]]
    found = boxes_in_fractions(answers, name, [(100, 100)] * 6)
    where = {reason: rows.tolist() for reason, rows in found.problems.items()}
    assert where["malformed"] == [2, 3] and where["out of range"] == [4] and (where["no answer"], where["refused"]) == ([0], [1])
    assert 5 in where.get("empty box", []) or name == "pixels_xywh"


def test_a_frame_that_cannot_be_right_is_refused_instead_of_scored_as_0():
    pixels = [[10.0, 20.0, 300.0, 400.0]] * 4
    with pytest.raises(
        ValueError, match=r"most of them reach beyond 1.5 \(the largest number is 400\): name their frame"
    ):
        boxes_in_fractions(pixels, "fractions")
    with pytest.raises(ValueError, match="4 of 4 lie far outside their image"):
        boxes_in_fractions(pixels, "pixels", [(100, 100)] * 4)
    with pytest.raises(ValueError, match="a padded square depends on the image"):
        boxes_in_fractions(pixels, PaddedSquare())
    with pytest.raises(ValueError, match="one size per row"):
        boxes_in_fractions(pixels, "pixels", [(100, 100)])
    assert boxes_in_fractions([[0.1, 0.1, 1.2, 0.5]], "fractions").xyxy.tolist() == [[0.1, 0.1, 1.2, 0.5]]


def test_names_lead_to_values_and_values_to_themselves():
    assert all(dialect(name) is value for name, value in DIALECTS.items())
    assert frame(FRAMES["pixels"]) is FRAMES["pixels"]
    with pytest.raises(ValueError, match="it is one of kosmos2, qwen_json"):
        dialect("kosmos")
    with pytest.raises(ValueError, match="it is one of fractions, pixels"):
        frame("percent")


def test_plain_lists_are_read_as_any_other_boxes_are():
    from promvil_hf.metrics.answers import read_boxes

    rng = np.random.default_rng(0)
    answers = [rng.random((int(count), 4)).tolist() for count in rng.integers(0, 4, 200)]
    fast, slow = read_boxes(answers), read_boxes([np.array(boxes) for boxes in answers])
    assert (fast.xyxy == slow.xyxy).all() and (fast.row == slow.row).all()
    assert {reason: rows.tolist() for reason, rows in fast.problems.items()} == {
        reason: rows.tolist() for reason, rows in slow.problems.items()
    }
