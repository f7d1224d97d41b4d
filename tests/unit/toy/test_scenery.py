# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Scenes: exact masks, room between things, difficulty as asked for, and dependence on seed and number alone."""

from collections import Counter
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from promvil_hf.toy import shapes
from promvil_hf.toy.config import COLORS, SHAPES, STYLES
from promvil_hf.toy.world import WorldConfig, held_out_pairs, scene, scenes


DEFAULT = WorldConfig()


def test_scene_i_depends_on_seed_and_i_alone():
    whole = list(scenes(DEFAULT, 12, seed=3))
    assert list(scenes(DEFAULT, 4, seed=3)) == whole[:4]
    assert list(scenes(DEFAULT, 4, seed=3, start=8)) == whole[8:]
    assert scene(DEFAULT, 3, 7) == whole[7]
    assert scene(DEFAULT, 4, 7) != whole[7]
    again = scene(DEFAULT, 3, 7)
    assert again.image().tobytes() == whole[7].image().tobytes()
    assert again.expressions() == whole[7].expressions()


def test_asking_for_one_thing_first_changes_nothing_else():
    eager, lazy = scene(DEFAULT, 3, 5), scene(DEFAULT, 3, 5)
    eager.caption(), eager.image(), eager.expressions(2)
    assert eager.expressions() == lazy.expressions()
    assert eager.caption() == lazy.caption()


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("size", [(64, 64), (200, 120), (336, 336)])
def test_every_box_is_the_bounding_box_of_its_mask_and_masks_are_exactly_the_painted_pixels(style, size):
    for drawn in scenes(WorldConfig(image_size=size, style=style), 8, seed=1):
        picture = np.asarray(drawn.image())
        assert picture.shape == (size[1], size[0], 3)
        for thing, mask in zip(drawn.objects, drawn.masks, strict=True):
            rows, columns = np.nonzero(mask)
            assert thing.xyxy_px == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert (thing.w, thing.h) == (columns.max() + 1 - columns.min(), rows.max() + 1 - rows.min())
            assert (thing.mask(size) == mask).all()
        assert drawn.masks.sum(0).max() == 1  # nothing covers anything
        ground = np.rint(shapes.background(size, style, drawn.tone))
        assert ((picture != ground).any(-1) == drawn.masks.any(0)).all()


def test_everything_stays_in_the_image_and_is_large_enough_to_see():
    for drawn in scenes(WorldConfig(image_size=(64, 64)), 60, seed=2):
        for thing, mask in zip(drawn.objects, drawn.masks, strict=True):
            left, top, right, bottom = thing.xyxy_px
            assert left >= 1 and top >= 1 and right <= 63 and bottom <= 63
            assert mask.sum() >= 20


def test_things_touch_or_nest_or_stay_clearly_apart():
    for drawn in scenes(DEFAULT, 60, seed=2):
        touching = {frozenset((s, o)) for s, p, o in drawn.geometry.triples() if p in ("touching", "inside")}
        for a, b in combinations(range(len(drawn.objects)), 2):
            ax0, ay0, ax1, ay1 = drawn.objects[a].xyxy_px
            bx0, by0, bx1, by1 = drawn.objects[b].xyxy_px
            gap = max(ax0 - bx1, bx0 - ax1, ay0 - by1, by0 - ay1)
            assert (gap < 3) == (frozenset((a, b)) in touching)


def test_large_things_are_larger_than_small_things():
    sides = {"small": [], "large": []}
    for drawn in scenes(DEFAULT, 60, seed=2):
        for thing in drawn.objects:
            if thing.size:
                sides[thing.size].append(max(thing.w, thing.h) / drawn.config.unit)
    assert max(sides["small"]) * 1.2 < min(sides["large"])


@pytest.mark.parametrize(("objects", "distractors"), [((5, 7), 2), ((6, 6), 4), ((3, 4), 1)])
def test_nouns_repeat_as_often_as_asked_and_counts_are_in_range(objects, distractors):
    config = WorldConfig(objects=objects, distractors=distractors, levels=2)
    for drawn in scenes(config, 40, seed=4):
        names = [thing.name for thing in drawn.objects]
        assert objects[0] <= len(names) <= objects[1]
        assert len(names) - len(set(names)) >= distractors


def test_numbers_of_objects_are_spread_evenly_and_several_share_a_noun():
    drawn = list(scenes(DEFAULT, 300, seed=0))
    counts = Counter(len(one.objects) for one in drawn)
    assert set(counts) == {5, 6, 7} and min(counts.values()) > 70
    repeated = [max(Counter(thing.name for thing in one.objects).values()) for one in drawn]
    assert np.mean([count > 1 for count in repeated]) == 1.0


def test_colors_and_shapes_are_spread():
    drawn = list(scenes(DEFAULT, 300, seed=0))
    colors = Counter(thing.color for one in drawn for thing in one.objects if thing.color)
    names = Counter(thing.name for one in drawn for thing in one.objects)
    assert set(colors) == set(COLORS) and max(colors.values()) < 1.4 * min(colors.values())
    assert set(names) == {*SHAPES, "robot"} and max(names.values()) < 3 * min(names.values())


@pytest.mark.parametrize("style", STYLES)
def test_pairs_held_out_never_occur_in_training_and_always_in_testing(style):
    held_out = held_out_pairs(0.25, seed=1)
    for split in ("train", "test"):
        for drawn in scenes(WorldConfig(held_out=held_out, split=split, style=style), 60, seed=6):
            pairs = {(thing.color, thing.name) for thing in drawn.objects}
            assert bool(pairs & set(held_out)) == (split == "test")


def test_held_out_pairs_leave_every_color_and_shape_in_training():
    for seed, share in product(range(5), (0.0, 0.1, 0.25, 0.45)):
        pairs = held_out_pairs(share, seed)
        assert len(pairs) == round(share * len(COLORS) * len(SHAPES)) == len(set(pairs))
        seen = set(product(COLORS, SHAPES)) - set(pairs)
        assert {color for color, _ in seen} == set(COLORS) and {shape for _, shape in seen} == set(SHAPES)
    assert held_out_pairs(0.2, 0) != held_out_pairs(0.2, 1)
    with pytest.raises(ValueError, match="Training must see more pairs than it misses: pass 0 <= share < 0.5"):
        held_out_pairs(0.5)


def test_a_world_without_textures_does_not_speak_of_them():
    for drawn in scenes(WorldConfig(textures=("plain",)), 10, seed=0):
        assert all("plain" not in expression.text for expression in drawn.expressions())
        assert "plain" not in drawn.caption().text


def test_one_object_in_a_scene_is_a_world_too():
    config = WorldConfig(image_size=(64, 64), objects=(1, 1), levels=1, distractors=0, object_scale=2.0)
    for drawn in scenes(config, 20, seed=0):
        assert len(drawn.objects) == 1 and drawn.expressions()


def test_a_world_without_a_predicate_shows_no_such_group():
    config = WorldConfig(predicates=("left of", "right of", "above", "below"))
    seen = {p for drawn in scenes(config, 60, seed=0) for _, p, _ in drawn.geometry.triples()}
    assert not seen & {"inside", "on", "touching", "holding"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_size": (32, 64)}, "Shapes cannot be told apart below 48 pixels: pass .width, height."),
        ({"objects": (4, 3)}, "Pass .fewest, most. with 1 <= fewest <= most <= 20"),
        ({"levels": 5}, "Toy expressions have 1 to 4 levels"),
        ({"distractors": 5}, "pass fewer distractors than objects"),
        ({"distractors": 0}, "A composed expression needs a noun that occurs twice"),
        ({"style": "oil"}, "You passed style='oil'. Pass one of flat, sketch, night"),
        ({"shapes": ("circle", "blob")}, "Pass a tuple of some of them, without .'blob'."),
        ({"colors": ()}, r"You passed colors=\(\)"),
        ({"split": "test"}, "A test scene shows a held-out pair: name some"),
        ({"held_out": (("red", "robot"),)}, r"Each pair must be a \(color, shape\) of this world"),
        ({"object_scale": 9.0}, "Pass a factor from 0.5 to 3"),
    ],
)
def test_a_config_that_cannot_work_says_so(change, message):
    with pytest.raises(ValueError, match=message):
        replace(DEFAULT, **change)


def test_a_world_too_tight_says_what_to_loosen(monkeypatch):
    monkeypatch.setattr("promvil_hf.toy.scenery.MAX_DRAWS", 100)
    config = WorldConfig(objects=(20, 20), object_scale=3.0)
    with pytest.raises(ValueError, match="The world is too tight: pass fewer objects"):
        scene(config, 0, 0)
