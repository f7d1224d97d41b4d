# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Silhouettes and paint."""

from itertools import combinations

import numpy as np
import pytest
from scipy import ndimage

from promvil_hf.toy import shapes
from promvil_hf.toy.config import COLORS, ROBOT, SHAPES, STYLES, TEXTURES


NAMES = (*SHAPES, ROBOT)
EVERY_STAMP = [
    (name, size, style, variant)
    for name in NAMES
    for size in (9, 16, 29, 60)
    for style, variants in (("flat", 1), ("sketch", shapes.VARIANTS))
    for variant in range(variants)
]


def test_a_silhouette_fills_its_box_to_the_edge_and_has_about_the_size_asked_for():
    for name, size, style, variant in EVERY_STAMP:
        mask = shapes.stamp(name, size, style, variant).mask
        assert mask[0].any() and mask[-1].any() and mask[:, 0].any() and mask[:, -1].any()
        assert abs(max(mask.shape) - size) <= max(2, 0.1 * size)


def test_a_silhouette_is_one_piece_and_only_the_ring_has_a_hole():
    for name, size, style, variant in EVERY_STAMP:
        mask = shapes.stamp(name, size, style, variant).mask
        assert ndimage.label(mask, np.ones((3, 3)))[1] == 1
        assert (ndimage.binary_fill_holes(mask, np.ones((3, 3))) != mask).any() == (name == "ring")


@pytest.mark.parametrize("size", [9, 30])
def test_no_two_shapes_share_a_silhouette(size):
    canvases = {}
    for name in NAMES:
        mask = shapes.stamp(name, size).mask
        canvas = np.zeros((size + 4, size + 4), dtype=bool)
        canvas[: mask.shape[0], : mask.shape[1]] = mask
        canvases[name] = canvas
    for a, b in combinations(NAMES, 2):
        overlap = (canvases[a] & canvases[b]).sum() / (canvases[a] | canvases[b]).sum()
        assert overlap < 0.89, (a, b)


@pytest.mark.parametrize("style", STYLES)
def test_paint_changes_every_pixel_of_the_mask_and_no_other(style):
    ground = np.rint(shapes.background((64, 64), style, 1))
    for name in NAMES:
        stamp = shapes.stamp(name, 20, style)
        for color in COLORS if name != ROBOT else (None,):
            for texture in TEXTURES:
                canvas = ground.copy()
                window = canvas[10 : 10 + stamp.size[1], 10 : 10 + stamp.size[0]]
                paint = shapes.paint(name, stamp, color, texture, style, 64)
                window += stamp.coverage[..., None] * (paint - window)
                changed = (np.rint(canvas) != ground).any(-1)
                expected = np.zeros_like(changed)
                expected[10 : 10 + stamp.size[1], 10 : 10 + stamp.size[0]] = stamp.mask
                assert (changed == expected).all(), (name, color, texture)


def test_colors_are_far_apart():
    for a, b in combinations(COLORS, 2):
        distance = np.linalg.norm(np.subtract(shapes.PALETTE[a], shapes.PALETTE[b]))
        assert distance > 70, (a, b)


@pytest.mark.parametrize("style", STYLES)
def test_textures_of_one_shape_look_different(style):
    stamp = shapes.stamp("square", 16, style)
    for a, b in combinations(TEXTURES, 2):
        first, second = (shapes.paint("square", stamp, "blue", texture, style, 64) for texture in (a, b))
        assert (np.abs(first - second).max(-1) > 20).mean() > 0.1, (a, b)
