# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The box of an image token is where the processor says, shown with pictures that carry their own coordinates."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from promvil_hf import masks
from promvil_hf.backends import token_boxes
from promvil_hf.boxes import Box
from tests.unit.backends.pushed_through import Case, by_token, padding_colour, pixels, pixels_per_token, push, ramp


PAN_AND_SCAN = {"do_pan_and_scan": True, "pan_and_scan_min_crop_size": 64, "pan_and_scan_max_num_crops": 4}
PAN_AND_SCAN |= {"pan_and_scan_min_ratio_to_activate": 1.2}
GRID = {"image_size": 56, "patch_size": 14}
CASES = [
    Case("llava", {"fit": "stretch", **GRID}, name="stretch"),
    Case("llava", {"fit": "crop", **GRID}, name="centre crop"),
    Case("llava", {"fit": "pad", **GRID}, name="pad"),
    Case("llava_next", GRID, name="tiles"),
    Case("llava_onevision", GRID, name="tiles"),
    Case("paligemma", GRID),
    Case("idefics3", {"image_size": 56, "patch_size": 14}, name="tiles"),
    Case("idefics3", {"image_size": 56, "patch_size": 14, "split": False}, name="one tile"),
    Case("smolvlm", {"image_size": 56, "patch_size": 14, "longest_edge": 224}, name="tiles"),
    Case("aya_vision", {"image_size": 56, "patch_size": 14}, name="tiles"),
    Case("cohere2_vision", {"image_size": 112, "patch_size": 14, "max_tiles": 12}, name="tiles"),
    Case("internvl", {"image_size": 56, "patch_size": 14}, name="tiles"),
    Case("internvl", {"image_size": 56, "patch_size": 14, "max_tiles": 1}, name="one tile"),
    Case("lfm2_vl", {"image_size": 56, "patch_size": 14}, name="tiles"),
    Case("lfm2_vl", {"image_size": 56, "patch_size": 14, "max_tiles": 1}, name="one tile"),
    Case("molmo2", {"image_size": 98, "patch_size": 14}, name="crops"),
    *(Case(family, {"patch_size": 14}) for family in ("qwen2_vl", "qwen2_5_vl")),
    *(Case(family, {"patch_size": 8}) for family in ("qwen3_vl", "qwen3_vl_moe", "qwen3_5")),
    *(Case(family, {"patch_size": 14}) for family in ("glm4v", "glm46v")),
    Case("mistral3", {"patch_size": 14, "longest_edge": 168}),
    Case("gemma4", {"patch_size": 8}),
    Case("gemma3", {"image_size": 56, "patch_size": 7, "tokens_per_side": 4}),
    Case("gemma3", {"image_size": 56, "patch_size": 7, "tokens_per_side": 4}, PAN_AND_SCAN, "pan and scan"),
]
PICTURES = [(640, 427), (427, 640), (1000, 200), (320, 320)]
# The sizes of published checkpoints, on a large picture: colours of 8 bits need many pixels to show half a pixel.
PUBLISHED = [
    Case("llava", {"image_size": 336, "patch_size": 14}, name="centre crop"),
    Case("llava", {"image_size": 336, "patch_size": 14, "fit": "pad"}, name="pad"),
    Case("llava_next", {"image_size": 336, "patch_size": 14}, name="tiles"),
    Case("paligemma", {"image_size": 448, "patch_size": 14}),
    Case("idefics3", {"image_size": 364, "patch_size": 14, "longest_edge": 1456}, name="tiles"),
    Case("smolvlm", {"image_size": 512, "patch_size": 16, "scale_factor": 4, "longest_edge": 2048}, name="tiles"),
    Case("internvl", {"image_size": 448, "patch_size": 14, "max_tiles": 12}, name="tiles"),
    Case("lfm2_vl", {"image_size": 512, "patch_size": 16, "max_tiles": 10, "max_image_tokens": 256}, name="tiles"),
    Case("molmo2", {"image_size": 378, "patch_size": 14, "max_crops": 8, "margins": (4, 4)}, name="crops"),
    Case("qwen2_5_vl", {"patch_size": 14, "min_pixels": 4 * 28 * 28, "max_pixels": 1280 * 28 * 28}),
    Case("qwen3_vl", {"patch_size": 16, "min_pixels": 4 * 32 * 32, "max_pixels": 1280 * 32 * 32}),
    Case("glm46v", {"patch_size": 14, "min_pixels": 112 * 112, "max_pixels": 28 * 28 * 2560}),
    Case("mistral3", {"patch_size": 14, "longest_edge": 1540}),
    Case("gemma4", {"patch_size": 16}),
    Case("gemma3", {"image_size": 896, "patch_size": 14, "tokens_per_side": 16}, PAN_AND_SCAN, "pan and scan"),
]
# These take longest, and the small cases above show their ways with pictures too: for `make test-slow`.
LARGE = ("idefics3", "smolvlm", "internvl", "lfm2_vl", "qwen3_vl", "glm46v", "mistral3", "gemma3")
MEASURED = [(case, size) for case in CASES for size in PICTURES]
MEASURED += [pytest.param(case, (1920, 1281), marks=[pytest.mark.slow] if case.family in LARGE else []) for case in PUBLISHED]
# Published tiles have 6 pixels more than patches fill; the picture is as large as its mosaic, as resizing rounds its colours.
MEASURED += [(Case("llava_onevision", {"image_size": 378, "patch_size": 14, "margin": 6}, name="gaps"), (768, 384))]
MEASURED += [(CASES[-1], (257, 65))]  # its last crop is shorter than the others

every_case = pytest.mark.parametrize("case", CASES, ids=str)


def measure(backend, inputs) -> np.ndarray:
    """For each image token what it sees of a ramp: its share inside the picture, x, y, and a measure of its extent."""
    seen, padding = pixels(backend, inputs), padding_colour(backend)[:, None, None]
    weight = (seen[:, 2] - padding[2]) / (1 - padding[2])  # 1 inside the picture, 0 in the padding
    x, y = (seen[:, axis] - padding[axis] * (1 - weight) for axis in (0, 1))
    clean = weight > 0.999  # a pixel that blends picture and padding spoils a spread
    squares = [axis**power * clean for axis in (x, y) for power in (1, 2)]
    return by_token(backend, inputs, np.stack([weight, x, y, clean, *squares], axis=1).mean((2, 3)))


def compare(boxes, measured, side: int, size) -> None:
    """Centres, extents and visible shares of boxes, each within half a pixel of the processor's grid."""
    assert len(boxes) == len(measured)
    for box, (share, x, y, clean, *squares) in zip(boxes, measured, strict=True):
        if box is None:
            assert np.isnan(share) or share < 0.5 / side  # a newline, or padding but for half a pixel's row
            continue
        if whole := share > 0.999:
            steps = box.width / side, box.height / side
        else:  # letterboxed, so of square pixels and cut on the shorter side only
            longer = max(box.width * size[0], box.height * size[1]) / side
            steps = longer / size[0], longer / size[1]
        assert box.area / (steps[0] * steps[1]) == pytest.approx(share * side**2, abs=0.5 * side)
        if share < 0.5 / side:
            continue
        for low, high, centre, (first, second), step in (
            (box.x0, box.x1, x / share, squares[:2], steps[0]),
            (box.y0, box.y1, y / share, squares[2:], steps[1]),
        ):
            assert (low + high) / 2 == pytest.approx(centre, abs=0.5 * step)
            resolved = 255 * step > 1  # finer than that, 8-bit colours hide what a spread shows
            if resolved and clean > 0 and (whole or high - low > 0.999 * step * side):
                variance = second / clean - (first / clean) ** 2
                half = np.sqrt(3 * variance * side**2 / (side**2 - 1))
                assert (low, high) == pytest.approx((centre - half, centre + half), abs=0.5 * step)


@pytest.mark.parametrize(("case", "size"), MEASURED, ids=str)
def test_each_token_lies_where_a_ramp_says_within_half_a_pixel_of_the_processors_grid(case, size):
    backend = case.backend
    inputs = push(backend, ramp(*size))
    [boxes] = backend.token_boxes(inputs, [size])
    compare(boxes, measure(backend, inputs), pixels_per_token(backend), size)


@every_case
@pytest.mark.parametrize("axis", [0, 1])
def test_boxes_that_are_off_by_a_pixel_are_noticed(case, axis):
    backend, size = case.backend, (640, 427)
    inputs = push(backend, ramp(*size))
    [boxes], side = backend.token_boxes(inputs, [size]), pixels_per_token(backend)
    measured = measure(backend, inputs)
    compare(boxes, measured, side, size)
    pixel = [max(getattr(box, name) for box in boxes if box) / side for name in ("width", "height")][axis]
    shift = (pixel, 0, pixel, 0) if axis == 0 else (0, pixel, 0, pixel)
    moved = [box and Box.clipped(*(a + b for a, b in zip(box.xyxy, shift, strict=True))) for box in boxes]
    with pytest.raises(AssertionError):
        compare(moved, measured, side, size)
    with pytest.raises(AssertionError):
        compare(boxes[::-1], measured, side, size)


@every_case
def test_any_size_of_picture_gives_as_many_boxes_as_image_tokens(case):
    """Odd sizes, a single pixel, long strips; `token_boxes` refuses a count that differs."""
    backend = case.backend
    generator = np.random.default_rng(5)
    sizes = [(1, 1), (1, 60), (300, 2), (57, 56), (56, 113), *map(tuple, generator.integers(3, 400, (8, 2)).tolist())]
    for size in sizes:
        inputs = push(backend, Image.new("RGB", size))
        [boxes] = backend.token_boxes(inputs, [size])
        assert len(boxes) == int(backend.image_positions(inputs).sum())
        assert any(boxes)


@pytest.mark.parametrize("size", PICTURES, ids=str)
def test_patches_that_are_made_fewer_are_mixed_around_the_middle_of_their_boxes(size):
    backend, full = Case("llava_onevision", {**GRID, "most_tiles": 1}).backend, Case("llava_onevision", GRID).backend
    inputs = push(backend, ramp(*size))
    [boxes] = backend.token_boxes(inputs, [size])
    assert len(boxes) < len(full.token_boxes(push(full, ramp(*size)), [size])[0])
    for box, (share, x, y, *_) in zip(boxes, measure(backend, inputs), strict=True):
        if box is not None and share > 0.999:
            middle = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
            assert middle == pytest.approx((x, y), abs=0.5 * max(box.width, box.height) / 14)


def test_a_token_that_only_touches_the_picture_is_no_sliver():
    """Letterboxes that end exactly where a token does: rounding must not leave 1e-17 of a token."""
    settings = {"do_pad": True, "size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}
    for token in range(1, 60, 3):
        for rows in range(2, 24, 2):
            boxes = token_boxes.single_view(settings, (24 * token, rows * token), 14)
            assert sum(box is not None for box in boxes) == 24 * rows
            assert all(box.area == pytest.approx(1 / (24 * rows)) for box in boxes if box)


def test_image_processors_of_unknown_ways_are_refused():
    with pytest.raises(
        ValueError, match="has size={'longest_edge': 84}: token boxes are known for a height and width"
    ):
        token_boxes.single_view({"size": {"longest_edge": 84}}, (60, 40), 14)
    tiles = {"size": {"shortest_edge": 24}, "crop_size": {"height": 28}, "image_grid_pinpoints": [[28, 56]]}
    with pytest.raises(
        ValueError, match="cuts tiles of 28 pixels and then resizes them by size={'shortest_edge': 24}"
    ):
        token_boxes.best_grid_with_newlines(tiles, (60, 40), 7)


def shapes(generator, width: int, height: int) -> np.ndarray:
    """A few rectangles and ellipses, of a twentieth to a half of the picture."""
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    for _ in range(generator.integers(1, 5)):
        half_width, half_height = generator.uniform(0.025, 0.25, 2) * (width, height)
        x, y = generator.uniform(0, 1, 2) * (width, height)
        corners = (x - half_width, y - half_height, x + half_width, y + half_height)
        (draw.rectangle if generator.random() < 0.5 else draw.ellipse)(corners, fill=255)
    return np.asarray(image)


@every_case
def test_coverage_from_run_lengths_is_what_the_model_sees_of_a_mask(case):
    """240 masks over all cases: three to a picture, one in each colour."""
    backend = case.backend
    generator = np.random.default_rng(sum(map(ord, str(case))))
    padding = padding_colour(backend)[:, None, None]
    most = 0.05 if case.family == "molmo2" else 0.02  # Molmo 2 makes a picture small without averaging
    for _ in range(3):
        width, height = (int(side) for side in generator.integers(200, 500, 2))
        white = push(backend, Image.new("RGB", (width, height), "white"))
        outside = (1 - pixels(backend, white)) / (1 - padding)
        layers = [shapes(generator, width, height) for _ in range(3)]
        inputs = push(backend, Image.fromarray(np.stack(layers, -1)))
        inside = pixels(backend, inputs) - padding * outside
        share = by_token(backend, inputs, (1 - outside).mean((2, 3)))
        seen = by_token(backend, inputs, inside.mean((2, 3)))
        [boxes] = backend.token_boxes(inputs, [(width, height)])
        for layer in range(3):
            covered = masks.coverage(masks.encode(layers[layer]), boxes)
            known = ~np.isnan(covered)
            assert np.abs(covered[known] * share[known, layer] - seen[known, layer]).max() <= most
