# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Rows that a user writes: every sort of truth, and a sentence for each field that is wrong."""

import pytest

from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks import read
from tests.unit.evaluation.benchmarks import hard_files as made
from tests.unit.evaluation.benchmarks.files import lines, write


def test_places_may_be_boxes_points_masks_polygons_or_nowhere(tmp_path):
    found = read("rows", write(tmp_path / "mine.jsonl", lines(*made.PLAIN_PLACES)))
    cup, absent, both, tip, corner, field = found.rows
    assert (found.kind, found.split) == ("grounding", "mine")
    assert cup.boxes == (Box(0.1, 0.2, 0.4, 0.5),) and cup.strata == {"colour": "red", "hops": "2"}
    assert absent.absent and absent.boxes == () and absent.units == {"pair": "a"}
    assert both.boxes == (Box(0.1, 0.1, 0.3, 0.3), Box(0.5, 0.1, 0.75, 0.6)) and both.wanted == "all"
    assert (both.level, both.group, both.image_size) == (2, "g", (200, 100))
    assert tip.boxes == (Box(0.4, 0.4, 0.6, 0.6),)
    assert corner.masks[0].image_size == (3, 2) and corner.boxes == (Box(0, 0.5, 1 / 3, 1),)
    assert field.masks[0].image_size == (10, 10) and field.boxes[0].xyxy[0] == pytest.approx(0.1)
    assert read("rows", write(tmp_path / "mine.json", made.PLAIN_PLACES)).content_hash == found.content_hash


@pytest.mark.parametrize(
    "rows, kind, answers",
    [
        (made.PLAIN_YES_NO, "one_word", [("yes",), ("no",), ("B",)]),
        (made.PLAIN_CHOICES, "choice", [("1",)]),
        (made.PLAIN_STATEMENTS, "true_false", [("true",)]),
        (made.PLAIN_PEOPLE, "vqa", [("red", "red", "pink")]),
    ],
)
def test_what_is_right_decides_the_kind(tmp_path, rows, kind, answers):
    found = read("rows", write(tmp_path / "mine.jsonl", lines(*rows)))
    assert (found.kind, [row.answers for row in found.rows]) == (kind, answers)
    assert found.rows[0].units == ({"pair": "1"} if kind == "one_word" else {})


@pytest.mark.parametrize(
    "change, message",
    [
        ({"box": [0, 0, 1, 1]}, "the form has no field 'box': it has absent, answer"),
        ({"boxes": None}, "says what is right in 0 ways"),
        ({"answer": "yes"}, "says what is right in 2 ways"),
        ({"boxes": []}, "has no boxes: give one of boxes, points, masks, polygons"),
        ({"absent": True}, "is absent and has boxes"),
        ({"absent": "yes"}, "`absent` is 'yes', and it must be true or false"),
        ({"boxes": [[0.2, 0.2, 0.2, 0.5]]}, "entry 1 of `boxes` has no area inside the image"),
        ({"boxes": [[0, 0, 1]]}, "a list of entries of 4 finite numbers"),
        ({"frame": "inches"}, "`frame` is 'inches', and it must be one of fractions, pixels"),
        ({"frame": "pixels"}, "boxes in pixels need the size of the picture: give width and height"),
        ({"width": 10}, "has one of width and height"),
        ({"wanted": "two"}, "`wanted` is 'two', and it must be one or all"),
        ({"points": [[0.1, 0.1]]}, "has boxes and points"),
        ({"boxes": None, "points": [[0.1, 0.1]]}, "has no `within`"),
        ({"boxes": None, "masks": [{"size": [2, 2], "counts": [1]}]}, "entry 1 of `masks` is no mask: You passed run lengths"),
        ({"boxes": None, "polygons": [[1, 1, 2, 2, 1, 2]]}, "polygons need the size of the picture"),
        ({"strata": {"size": [1]}}, r"`strata`: `size` is \[1\], and it must be an id"),
        ({"boxes": None, "answer": "perhaps"}, "`answer` is 'perhaps', and it must be one of yes, no; or give"),
        ({"boxes": None, "answers": []}, "`answers` is .*a list of at least one text"),
        ({"boxes": None, "answer": "c", "choices": ["b"]}, "`answer` is 'c', and it must be one of the choices"),
    ],
)
def test_a_field_that_cannot_be_used_is_named_with_what_it_must_be(tmp_path, change, message):
    row = {"id": "1", "image": "7.jpg", "text": "the cup", "boxes": [[0.1, 0.2, 0.4, 0.5]]} | change
    with pytest.raises(ValueError, match=message):
        read("rows", write(tmp_path / "mine.jsonl", lines(row)))


def test_rows_of_several_kinds_are_refused(tmp_path):
    rows = (made.PLAIN_PLACES[0], made.PLAIN_YES_NO[1])
    with pytest.raises(ValueError, match=r"of several kinds: grounding \(.* line 1\), one_word \(.* line 2\)"):
        read("rows", write(tmp_path / "mine.jsonl", lines(*rows)))
