# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of the choices among things of one kind: ranks are chances, a mirror exchanges sides, a doubtful box hardly counts."""

import numpy as np
import pytest
from PIL import Image

from promvil_hf.boxes import Box
from promvil_hf.grounding import choices
from promvil_hf.grounding.geometry import Pairs, Things


SIZE = (600, 400)
ROW = [Box(x, 0.4, x + 0.08, 0.6) for x in (0.05, 0.3, 0.55, 0.8)]


def things(boxes):
    return Things.of(boxes, SIZE)


def sure(count):
    return np.full(count, 0.99)


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_the_second_from_the_left_is_the_second(rank):
    assert choices.order(things(ROW), "left", rank, sure(4), SIZE).argmax() == rank - 1
    assert choices.order(things(ROW), "right", rank, sure(4), SIZE).argmax() == 4 - rank


def test_the_last_is_the_first_from_the_other_side():
    last, first = choices.order(things(ROW), "left", -1, sure(4), SIZE), choices.order(things(ROW), "right", 1, sure(4), SIZE)
    np.testing.assert_allclose(last, first)


def test_a_rank_beyond_the_last_fits_nobody():
    assert (choices.order(things(ROW), "left", 5, sure(4), SIZE) == choices.LEAST).all()


def test_chances_of_all_ranks_add_up_to_one():
    before = choices.beaten(np.random.default_rng(0).normal(size=5), np.linspace(0.2, 0.9, 5), 3.0)
    np.testing.assert_allclose(sum(choices.ranked(before, rank) for rank in range(1, 6)), 1.0)


def test_a_box_that_is_hardly_there_moves_no_rank():
    ghost = np.array([0.001, 0.99, 0.99, 0.99])
    assert choices.order(things(ROW), "left", 1, ghost, SIZE)[1] > 0.9
    without = choices.order(things(ROW[1:]), "left", 2, sure(3), SIZE)
    np.testing.assert_allclose(choices.order(things(ROW), "left", 2, ghost, SIZE)[1:], without, atol=0.01)


@pytest.mark.parametrize("side, other", [("left", "right"), ("top", "bottom"), ("front", "back"), ("middle", "middle")])
def test_turned_round_a_side_is_the_other_one(side, other):
    rng = np.random.default_rng(1)
    boxes = [Box(x, y, x + 0.1, y + 0.1) for x, y in rng.uniform(0, 0.9, (5, 2))]
    seen = [Box(1 - box.x1, 1 - box.y1, 1 - box.x0, 1 - box.y0) for box in boxes]
    plain, turned = (choices.position(things(places), name, sure(5), SIZE) for places, name in ((boxes, side), (seen, other)))
    if side in ("front", "back"):  # they count by the lower edge, and boxes of one height keep its order
        assert plain.argsort().tolist() == turned.argsort().tolist()
    else:
        np.testing.assert_allclose(plain, turned, rtol=1e-9)


def test_largest_and_smallest_and_tallest():
    boxes = [Box(0.1, 0.1, 0.2, 0.2), Box(0.3, 0.1, 0.6, 0.3), Box(0.7, 0.1, 0.75, 0.7)]
    measures = ("area", 1, 2), ("area", -1, 2), ("height", 1, 2)
    best = [choices.sized(things(boxes), *measure, sure(3)).argmax() for measure in measures]
    assert best == [1, 0, 2]


def test_nearest_goes_by_the_evidence_that_is_believed():
    evidence = things([Box(0.0, 0.4, 0.05, 0.6), Box(0.95, 0.4, 1.0, 0.6)])
    away = choices.distances(Pairs(things(ROW), evidence))
    assert choices.nearest(away, np.array([0.9, 0.1]), sure(4)).argmax() == 0
    assert choices.nearest(away, np.array([0.1, 0.9]), sure(4)).argmax() == 3
    assert choices.nearest(away, np.array([0.9, 0.1]), sure(4), farthest=True).argmax() == 3


def test_a_large_candidate_is_not_nearer_for_being_large():
    evidence = things([Box(0.45, 0.4, 0.5, 0.5)])
    away = choices.distances(Pairs(things([Box(0.55, 0.4, 0.6, 0.5), Box(0.62, 0.2, 0.95, 0.9)]), evidence))
    assert away[0] < away[1]


@pytest.mark.parametrize(
    "colour, rgb",
    [
        ("red", (200, 20, 30)), ("orange", (240, 130, 20)), ("yellow", (240, 220, 40)), ("green", (30, 160, 50)),
        ("blue", (30, 70, 200)), ("purple", (130, 40, 180)), ("pink", (240, 120, 180)), ("brown", (110, 70, 40)),
        ("black", (15, 15, 20)), ("white", (245, 245, 240)), ("gray", (128, 128, 130)),
    ],
)  # fmt: skip
def test_a_colour_is_seen_on_the_pixels_of_the_one_that_has_it(colour, rgb):
    other = (30, 160, 50) if colour != "green" else (200, 20, 30)
    picture = Image.new("RGB", SIZE, other)
    picture.paste(rgb, (330, 160, 378, 240))
    fit = choices.coloured(picture, things(ROW), colour)
    assert fit.argmax() == 2 and fit[2] > 0.9 and np.delete(fit, 2).max() < 0.1
