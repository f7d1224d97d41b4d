# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promvil_hf import Box, iou
from promvil_hf.boxes import union


@st.composite
def boxes(draw, smallest=1e-6):
    def interval():
        low = draw(st.floats(0, 1 - smallest))
        return low, draw(st.floats(low + smallest, 1, exclude_min=False))

    (x0, x1), (y0, y1) = interval(), interval()
    return Box(x0, y0, min(x1, 1.0), min(y1, 1.0))


def test_a_box_keeps_its_corners_as_floats():
    box = Box(0, 0.25, 1, 0.75)
    assert box.xyxy == (0.0, 0.25, 1.0, 0.75)
    assert all(type(number) is float for number in box.xyxy)
    assert (box.width, box.height, box.area) == (1.0, 0.5, 0.5)


@pytest.mark.parametrize(
    "corners", [(0.5, 0, 0.5, 1), (0.6, 0, 0.5, 1), (0, 0, 1.01, 1), (-0.01, 0, 1, 1), (0, 0.9, 1, 0.1)]
)
def test_a_rectangle_that_is_no_box_is_refused_with_the_way_out(corners):
    with pytest.raises(ValueError, match=r"0 <= x0 < x1 <= 1.*Box\.clipped"):
        Box(*corners)


@pytest.mark.parametrize("bad", [math.nan, math.inf, "0.5x", None, True, [0.5], 10**400])
def test_what_is_no_number_is_refused_by_name(bad):
    with pytest.raises(ValueError, match="x1=.*finite number"):
        Box(0, 0, bad, 1)


def test_clipping_keeps_the_part_inside_or_nothing():
    assert Box.clipped(-0.5, 0.2, 0.5, 1.7) == Box(0, 0.2, 0.5, 1)
    assert Box.clipped(1.1, 0.2, 1.5, 0.7) is None
    assert Box.clipped(0.5, 0.2, 0.4, 0.7) is None
    assert Box.clipped(math.nan, 0, 1, 1) is None


@given(boxes(), boxes())
def test_iou_is_symmetric_and_at_most_one(a, b):
    assert 0 <= iou(a, b) == iou(b, a) <= 1 + 1e-12
    assert iou(a, a) == pytest.approx(1)


def test_disjoint_and_touching_boxes_have_iou_zero():
    assert iou(Box(0, 0, 0.1, 0.1), Box(0.2, 0, 0.3, 0.1)) == 0
    assert iou(Box(0, 0, 0.1, 0.1), Box(0.1, 0, 0.3, 0.1)) == 0


@given(boxes(), boxes())
def test_the_union_holds_both(a, b):
    whole = union([a, b])
    assert whole.x0 == min(a.x0, b.x0) and whole.y1 == max(a.y1, b.y1)


def test_the_union_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        union([])
