# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of the relations: what a mirror, another size, another thing and a mask do to a fit; which words name which."""

import numpy as np
import pytest

from promvil_hf.boxes import Box
from promvil_hf.grounding.geometry import Pairs, Things
from promvil_hf.grounding.relations import LEAST, RELATIONS, UNKNOWN, between
from promvil_hf.grounding.wordings import WORDINGS, relation_of
from promvil_hf.masks import encode


SIZE = (640, 480)
SIDED = {"left of": "right of", "right of": "left of"}
UPRIGHT = {"above": "below", "below": "above"}


def random_boxes(seed: int, count: int) -> list[Box]:
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(0.03, 0.4, (count, 2))
    corners = rng.uniform(0, 1 - sizes)
    return [Box(*low, *high) for low, high in zip(corners, corners + sizes)]


def pairs(candidates, evidence, size=SIZE) -> Pairs:
    return Pairs(Things.of(candidates, size), Things.of(evidence, size))


def mirrored(boxes):
    return [Box(1 - box.x1, box.y0, 1 - box.x0, box.y1) for box in boxes]


def turned_over(boxes):
    return [Box(box.x0, 1 - box.y1, box.x1, 1 - box.y0) for box in boxes]


@pytest.fixture(params=range(2))
def things(request):
    return random_boxes(request.param, 6), random_boxes(request.param + 100, 4)


@pytest.mark.parametrize("name", RELATIONS)
def test_every_fit_lies_above_0_and_not_above_1(name, things):
    fit = RELATIONS[name].fit(pairs(*things))
    assert fit.shape == (6, 4) and (fit >= LEAST).all() and (fit <= 1).all()


@pytest.mark.parametrize("name", RELATIONS)
def test_a_mirror_exchanges_left_and_right_and_changes_nothing_else(name, things):
    plain = RELATIONS[name].fit(pairs(*things))
    seen = RELATIONS[SIDED.get(name, name)].fit(pairs(*map(mirrored, things)))
    np.testing.assert_allclose(plain, seen, rtol=1e-9)


@pytest.mark.parametrize("name", UPRIGHT)
def test_turned_over_above_is_below(name, things):
    plain = RELATIONS[name].fit(pairs(*things))
    np.testing.assert_allclose(plain, RELATIONS[UPRIGHT[name]].fit(pairs(*map(turned_over, things))), rtol=1e-9)


@pytest.mark.parametrize("name", RELATIONS)
def test_the_size_of_the_picture_changes_no_fit(name, things):
    small, large = (RELATIONS[name].fit(pairs(*things, size=size)) for size in ((64, 48), (6400, 4800)))
    np.testing.assert_allclose(small, large, rtol=1e-9)


@pytest.mark.parametrize("name", RELATIONS)
def test_one_thing_more_changes_no_fit_of_the_others(name, things):
    candidates, evidence = things
    alone = RELATIONS[name].fit(pairs(candidates, evidence))
    more = RELATIONS[name].fit(pairs([*candidates, Box(0, 0, 0.01, 0.01)], [*evidence, Box(0.9, 0.9, 1, 1)]))
    np.testing.assert_allclose(alone, more[:-1, :-1], rtol=1e-12)


@pytest.mark.parametrize("name", RELATIONS)
def test_said_of_the_other_thing_a_relation_has_the_same_fits(name, things):
    candidates, evidence = things
    fit, inverse = RELATIONS[name].fit(pairs(candidates, evidence)), RELATIONS[name].inverse.fit(pairs(evidence, candidates))
    np.testing.assert_allclose(fit, inverse.T, rtol=1e-9)


MIDDLE = Box(0.4, 0.4, 0.6, 0.6)
LEFT, RIGHT, TOP, LOW = Box(0.1, 0.4, 0.3, 0.6), Box(0.7, 0.4, 0.9, 0.6), Box(0.4, 0.1, 0.6, 0.3), Box(0.4, 0.7, 0.6, 0.9)
INSIDE, FAR = Box(0.45, 0.45, 0.55, 0.55), Box(0.0, 0.0, 0.05, 0.05)


@pytest.mark.parametrize(
    "name, best, others",
    [
        ("left of", LEFT, [RIGHT, TOP, LOW, INSIDE]),
        ("right of", RIGHT, [LEFT, TOP, LOW, INSIDE]),
        ("above", TOP, [LEFT, RIGHT, LOW, INSIDE]),
        ("below", LOW, [LEFT, RIGHT, TOP, INSIDE]),
        ("in", INSIDE, [LEFT, RIGHT, TOP, LOW]),
        ("part of", INSIDE, [LEFT, RIGHT, TOP, LOW]),
        ("near", INSIDE, [LEFT, FAR]),
        ("next to", LEFT, [FAR]),
        ("touching", INSIDE, [LEFT, FAR]),
        ("on", Box(0.45, 0.2, 0.55, 0.42), [LEFT, RIGHT, LOW, FAR]),
        ("riding", Box(0.45, 0.2, 0.55, 0.5), [LEFT, RIGHT, LOW, FAR]),
        ("has", Box(0.35, 0.3, 0.7, 0.8), [LEFT, FAR]),
        ("in front of", Box(0.45, 0.5, 0.6, 0.8), [Box(0.45, 0.3, 0.6, 0.5), FAR]),
        ("behind", Box(0.45, 0.3, 0.6, 0.5), [Box(0.45, 0.5, 0.6, 0.8), FAR]),
    ],
)
def test_the_plain_case_of_a_relation_fits_best(name, best, others):
    fit = RELATIONS[name].fit(pairs([best, *others], [MIDDLE]))[:, 0]
    assert fit[0] > 1.2 * fit[1:].max()


def test_between_is_the_middle_of_two_things_and_never_of_one():
    fit = between(pairs([MIDDLE, TOP, Box(0.9, 0.4, 1, 0.6)], [LEFT, RIGHT]))
    assert fit[0, 0, 1] == fit[0, 1, 0] > 2 * fit[1:, 0, 1].max()
    assert (fit[:, [0, 1], [0, 1]] == LEAST).all()


def test_masks_tell_apart_what_boxes_do_not():
    pixels = np.zeros((100, 100), bool)
    corner, line, far = pixels.copy(), pixels.copy(), pixels.copy()
    corner[:, :10], line[90:, 12:], far[:20, 80:] = True, True, True  # the boxes of the first and the others overlap or touch
    boxes = [Box(0.12, 0.0, 1, 1), Box(0.12, 0.0, 1, 1)]
    things = Things.of(boxes, (100, 100), [encode(line), encode(far)])
    gap = Pairs(things, Things.of([Box(0, 0, 0.1, 1)], (100, 100), [encode(corner)])).gap[:, 0]
    assert gap[0] < 0.1 < 0.5 < gap[1]


@pytest.mark.parametrize(
    "words, subject, evidence, name",
    [
        ("to the left of", "man", "car", "left of"),
        ("that is sitting on the right side of", "man", "car", "right of"),
        ("right next to", "man", "car", "next to"),
        ("standing in front of", "man", "car", "in front of"),
        ("visible to the right of", "man", "car", "right of"),
        ("in ftont of", "man", "car", "in front of"),
        ("who is holding", "man", "bag", "holding"),
        ("holds", "man", "bag", "holding"),
        (", and carrying", "man", "bag", "holding"),
        ("with", "man", "hat", "wearing"),
        ("with", "man", "racket", "holding"),
        ("with", "man", "woman", "near"),
        ("with", "house", "roof", "has"),
        ("in", "woman", "dress", "wearing"),
        ("in", "woman", "boat", "in"),
        ("on", "man", "horse", "on"),
        ("on", "man", "motorcycle", "riding"),
        ("of", "wheel", "truck", "part of"),
        ("of", "bowl", "soup", "has"),
        ("'s", "hat", "man", "wearing, inverted"),
        ("held by", "umbrella", "man", "holding, inverted"),
        ("surrounded by", "man", "people", "around, inverted"),
        ("worn by", "hat", "man", "wearing, inverted"),
        ("", "woman", "shirt", "wearing"),
    ],
)
def test_words_name_a_relation_by_the_kinds_of_things(words, subject, evidence, name):
    found = relation_of(words, subject, evidence)
    assert (found.name, found.known) == (name, True)


@pytest.mark.parametrize("words", ["staring at", "talking to", "waiting for", "similar to", "blorping", "that", ""])
def test_words_in_no_row_are_nearness_and_say_so(words, things):
    found = relation_of(words, "man", "dog")
    assert not found.known
    np.testing.assert_array_equal(found.fit(pairs(*things)), RELATIONS["near"].fit(pairs(*things)))


def test_every_wording_of_the_table_is_found_again():
    lost = {wording for wording in WORDINGS if not relation_of(wording, "box", "table").known}
    assert lost == set()
    assert not UNKNOWN.known
