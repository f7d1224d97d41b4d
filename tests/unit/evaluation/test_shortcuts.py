# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Models made by hand, each with one way to lose answers when something is hidden: the verdict names that way."""

import numpy as np
import pytest

from promvil_hf.evaluation.reliance import row_scores
from promvil_hf.evaluation.shortcuts import DISTRACTORS, ELSEWHERE, distractor, judge_reliance
from promvil_hf.fivl.fivl_rows import FivlRow, Key
from promvil_hf.key_expressions import Turn
from promvil_hf.toy.small_world import ASKED_ABOUT, asked, held_out


@pytest.fixture(scope="module")
def world():
    """Rows, the picture of each, boxes of other things, and boxes of all things of its scene."""
    rows, pictures, others, things = [], {}, {}, {}
    for drawn in held_out(ASKED_ABOUT, 30):
        picture, name = drawn.image(), f"{drawn.image_id}.png"
        boxes = [drawn.box(place) for place in range(len(drawn.objects))]
        for place, (_, question) in enumerate(asked(drawn)):
            if not question.keys:
                continue
            keys = tuple(Key(key.located(drawn), key.text) for key in question.keys)
            row = FivlRow(f"{drawn.image_id}-{place}", "gqa", "0", name, drawn.size,
                          (Turn(0, f"{name} {place} {question.question}", question.answer),), keys)  # fmt: skip
            other = distractor(row, boxes)
            rows.append(row)
            pictures[row.row_id], others[row.row_id], things[row.row_id] = picture, other, boxes
    return rows, pictures, others, things


def changed(row, picture, pictures, boxes, share=0.5):
    """Whether one of these boxes looks another way than in the picture as it is, in more than this share of its pixels."""
    now, before = np.asarray(picture), np.asarray(pictures[row.row_id])
    width, height = row.image_size
    differs = (now != before).any(-1)
    for box in boxes:
        part = differs[int(box.y0 * height) : int(np.ceil(box.y1 * height)), int(box.x0 * width) : int(np.ceil(box.x1 * width))]
        if part.mean() > share:
            return True
    return False


def keys_of(row):
    return [box for key in row.keys for box in key.expression.boxes]


def black(picture, least=0.02):
    return (np.asarray(picture) == 0).all(-1).mean() > least


MODELS = {  # when each of them says something wrong
    "honest": lambda row, picture, pictures, things: changed(row, picture, pictures, keys_of(row), 0.3),
    "never looks": lambda *_: False,
    "black rectangles": lambda row, picture, *_: black(picture),
    "anything hidden": lambda row, picture, pictures, things: picture.tobytes() != pictures[row.row_id].tobytes(),
    "any thing hidden": lambda row, picture, pictures, things: changed(row, picture, pictures, things[row.row_id], 0.3),
}


def judged(world, name, **options):
    rows, pictures, others, things = world
    by_question = {row.turns[0].question: row for row in rows}

    def answer(asked_about):
        said = []
        for question, picture in asked_about:
            row = by_question[question]
            wrong = picture is None or MODELS[name](row, picture, pictures, things)
            said.append("nothing of the kind" if wrong else row.turns[0].answer)
        return said

    return judge_reliance(rows, lambda row: pictures[row.row_id], answer, lambda part, said: row_scores(part, said, "gqa"),
                          distractors=others, resamples=199, **options)  # fmt: skip


def test_a_model_that_needs_to_see_the_thing_is_said_to_rely_on_it_with_every_fill(world):
    found = judged(world, "honest")
    assert found.verdict == "relies on what the question is about, whatever the fill"
    assert found.accuracy == 1.0 and found.blind == 0.0
    for of_fill in found.fills.values():
        assert of_fill.accuracy["key boxes"] < 0.5 < 0.9 < of_fill.accuracy[ELSEWHERE] and of_fill.accuracy[DISTRACTORS] > 0.8


def test_a_model_that_fails_at_black_rectangles_is_found_out_by_boxes_elsewhere_and_by_other_fills(world):
    found = judged(world, "black rectangles")
    assert not any(of_fill.relies for of_fill in found.fills.values())
    assert "loses answers with black, not with mean and blur and noise: it knows the fill" in found.verdict
    assert "loses as many when boxes elsewhere are hidden with black" in found.verdict


def test_a_model_that_fails_wherever_something_is_hidden_loses_as_much_elsewhere(world):
    found = judged(world, "anything hidden", fills=("black", "noise"))
    assert "elsewhere are hidden with black and noise: it fails when something is hidden" in found.verdict


def test_a_model_that_fails_when_any_thing_is_hidden_is_found_out_by_distractors_alone(world):
    found = judged(world, "any thing hidden", fills=("black", "mean"))
    assert all(of_fill.beyond_elsewhere.low > 0 for of_fill in found.fills.values())  # boxes elsewhere do not show it
    assert found.verdict == (
        "loses as many when another thing is hidden with black and mean: it fails when any thing is hidden"
    )


def test_a_model_that_never_looks_loses_nothing(world):
    assert judged(world, "never looks", fills=("black",)).verdict.startswith("loses nothing")
