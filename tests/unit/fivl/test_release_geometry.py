# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Between original coordinates and the released 24x24 grid of a padded square, there and back."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from promvil_hf import masks
from promvil_hf.fivl.release_geometry import SIDE, from_grid, to_grid


SIZES = [(640, 427), (427, 640), (1000, 200)]


def shapes(size, count, seed=0):
    """Ellipses, polygons, thin lines and noise, cut by the image's edge as they come."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        canvas = Image.new("1", size)
        draw = ImageDraw.Draw(canvas)
        for _ in range(rng.integers(1, 4)):
            x, y, r = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(2, 200)
            points = [(rng.uniform(0, size[0]), rng.uniform(0, size[1])) for _ in range(5)]
            if number % 3 == 0:
                draw.ellipse((x - r, y - r / 2, x + r, y + r / 2), fill=1)
            elif number % 3 == 1:
                draw.polygon(points, fill=1)
            else:
                draw.line(points[:3], fill=1, width=int(rng.integers(1, 9)))
        pixels = np.array(canvas)
        yield rng.random(pixels.shape) < 0.3 if number % 10 == 9 else pixels


def padded_means(pixels):
    """The slow way: pad the image to a square, cut every pixel into 24 x 24 parts, and average blocks."""
    height, width = pixels.shape
    square = max(pixels.shape)
    canvas = np.zeros((square, square))
    top, left = (square - height) // 2, (square - width) // 2
    canvas[top : top + height, left : left + width] = pixels
    fine = canvas.repeat(SIDE, 0).repeat(SIDE, 1)
    return fine.reshape(SIDE, square, SIDE, square).mean((1, 3))


@pytest.mark.parametrize("size", [(64, 43), (43, 64), (100, 20), (24, 24), (25, 31), (3, 2)])
def test_the_grid_is_the_mean_of_the_padded_square(size):
    for pixels in shapes(size, 4):
        assert to_grid(masks.encode(pixels)) == pytest.approx(padded_means(pixels), abs=1e-9)


@pytest.mark.parametrize("size", SIZES)
def test_there_and_back_agrees_on_the_grid(size):
    worst = 0.0
    for pixels in shapes(size, 40):
        grid = to_grid(masks.encode(pixels))
        again = from_grid(grid, size)
        assert again.image_size == size
        worst = max(worst, float(abs(to_grid(again) - grid).max()))
    assert worst < 0.005  # 0.02 is asked for


@pytest.mark.parametrize("size", SIZES)
def test_published_values_of_one_byte_come_back_too(size):
    for pixels in shapes(size, 10, seed=1):
        grid = np.round(to_grid(masks.encode(pixels)) * 255) / 255
        inside = to_grid(masks.encode(np.ones(size[::-1])))
        difference = abs(to_grid(from_grid(grid, size)) - np.minimum(grid, inside))
        assert difference.max() < 0.02


def test_a_large_object_comes_back_in_its_place():
    y, x = np.mgrid[:427, :640]
    pixels = ((x - 300) / 140) ** 2 + ((y - 200) / 90) ** 2 < 1
    again = masks.decode(from_grid(to_grid(masks.encode(pixels)), (640, 427)))
    assert (pixels & again).sum() / (pixels | again).sum() > 0.95


def test_an_empty_grid_is_an_empty_mask_and_a_full_one_the_whole_image():
    assert masks.area(from_grid(np.zeros((24, 24)), (640, 427))) == 0
    assert masks.area(from_grid(np.ones((24, 24)), (640, 427))) == 640 * 427
    padding_only = np.zeros((24, 24))
    padding_only[0] = 1  # above the image
    assert masks.area(from_grid(padding_only, (1000, 200))) == 0


@pytest.mark.parametrize("grid", [np.zeros((12, 12)), np.full((24, 24), 255.0), np.full((24, 24), np.nan)])
def test_what_is_no_grid_is_refused(grid):
    with pytest.raises(
        ValueError, match=r"it is \(24, 24\) with shares in 0..1 \(the released tensors hold them times 255"
    ):
        from_grid(grid, (10, 10))
