# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""There and back: for every frame, random boxes and image sizes return within the frame's own stated resolution."""

import math
import random
from functools import cache

import pytest

from promvil_hf.boxes import Box, Point
from promvil_hf.frames import (
    CenterCrop,
    CentredBins,
    Fractions,
    LocationBins,
    PaddedSquare,
    PatchGrid,
    Pixels,
    ResizedPixels,
    StretchedPixels,
    Thousandths,
    convert,
    decode,
    encode_point,
)


FRAMES = [
    Fractions(),
    Fractions(decimals=3),
    Pixels(),
    Pixels(wh=True),
    Pixels(whole=True),
    Pixels(wh=True, whole=True),
    ResizedPixels((644, 420)),
    ResizedPixels((336, 336), whole=False),
    PaddedSquare(),
    PaddedSquare(decimals=2),
    PaddedSquare(side=336),
    CenterCrop(336, 336),
    CenterCrop(256, 224),
    Thousandths(),
    LocationBins(),
    StretchedPixels(),
    StretchedPixels(32, 65_536, 262_144),
    CentredBins(),
    PatchGrid(32),
    PatchGrid(16),
]


@cache
def random_cases(count, seed=7):
    """Boxes of every size, slivers and whole images among them, in images of every shape."""
    rng, cases = random.Random(seed), []
    for _ in range(count):
        size = rng.choice([(640, 427), (427, 640), (1000, 200), (200, 1000), (512, 512), (1, 1), (3, 7)])
        if rng.random() < 0.5:
            size = (rng.randint(1, 4000), rng.randint(1, 4000))
        cases.append((Box(*_corners(rng)), size))
    return cases


def _corners(rng):
    def interval():
        kind = rng.random()
        if kind < 0.1:
            return 0.0, 1.0
        width = 10 ** rng.uniform(-6, 0)
        low = rng.choice([0.0, rng.uniform(0, 1 - width), 1 - width])
        return low, min(1.0, low + width)

    (x0, x1), (y0, y1) = interval(), interval()
    return x0, y0, max(x1, x0 + 1e-7), max(y1, y0 + 1e-7)


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_there_and_back_stays_within_the_stated_resolution(frame):
    seen = 0
    for box, size in random_cases(3_000):
        numbers = frame.encode(box, size)
        if isinstance(frame, CenterCrop):
            window = frame.seen(size)
            expected = Box.clipped(*(f(a, b) for f, a, b in zip((max, max, min, min), box.xyxy, window.xyxy)))
            if numbers is None or expected is None:
                continue
        else:
            expected = box
        back = decode(frame, numbers, size)
        shift_x, shift_y = frame.resolution(size)
        assert abs(back.x0 - expected.x0) <= shift_x and abs(back.x1 - expected.x1) <= shift_x, (box, size, numbers)
        assert abs(back.y0 - expected.y0) <= shift_y and abs(back.y1 - expected.y1) <= shift_y, (box, size, numbers)
        assert all(0 <= number <= limit for number, limit in zip(numbers, frame.limits(size)))
        seen += 1
    assert seen == 3_000 or isinstance(frame, CenterCrop) and seen > 400


@pytest.mark.parametrize(
    "frame", [Pixels(whole=True), ResizedPixels((644, 420)), Thousandths(), LocationBins(), PatchGrid(32)], ids=str
)
def test_numbers_to_box_and_back_is_the_identity(frame):
    """Feeding a predicted box forward loses nothing."""
    for box, size in random_cases(2_000):
        numbers = frame.encode(box, size)
        assert frame.encode(decode(frame, numbers, size), size) == numbers


def test_stretched_pixels_are_of_the_size_that_qwen_s_processor_chooses():
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    rng = random.Random(0)
    for _ in range(2_000):
        width, height = rng.randint(1, 5_000), rng.randint(1, 5_000)
        limits = rng.choice([(28, 3_136, 12_845_056), (28, 3_136, 1_003_520), (32, 65_536, 16_777_216)])
        if max(width, height) < 200 * min(width, height):
            shown = StretchedPixels(*limits).of((width, height)).size
            assert shown == smart_resize(height, width, *limits)[::-1]


@pytest.mark.parametrize(
    "frame", [Fractions(), Pixels(), Thousandths(), StretchedPixels(), PaddedSquare(), ResizedPixels((100, 100))], ids=str
)
def test_a_point_there_and_back_is_the_same(frame):
    rng = random.Random(0)
    for _ in range(200):
        point, size = Point(rng.random(), rng.random()), (rng.randint(1, 4000), rng.randint(1, 4000))
        x, y = encode_point(frame, point, size)
        assert frame.corners((x, y, x, y), size)[:2] == pytest.approx(point.xy)


@pytest.mark.parametrize("x, y", [(1.1, 0.5), (-0.1, 0.5), (float("nan"), 0.5), ("1", 0.5)])
def test_a_point_outside_the_image_is_refused(x, y):
    with pytest.raises(ValueError, match="to Point: both are fractions of the original image"):
        Point(x, y)


def test_every_pair_of_kosmos2_cells_survives():
    grid, rng = PatchGrid(32), random.Random(0)
    for _ in range(3_000):
        first, last = rng.randrange(1024), rng.randrange(1024)
        if first % 32 <= last % 32 and first // 32 <= last // 32:
            assert grid.encode(decode(grid, (first, last), None)) == (first, last)


def test_kosmos2_cells_equal_transformers():
    from transformers.models.kosmos2.processing_kosmos2 import coordinate_to_patch_index, patch_index_to_coordinate

    grid = PatchGrid(32)
    for box, _ in random_cases(3_000):
        numbers = grid.encode(box)
        assert grid.corners(numbers) == pytest.approx(patch_index_to_coordinate(*numbers, 32), abs=1e-12)
        if box.width > 1e-3 and box.height > 1e-3:
            assert numbers == coordinate_to_patch_index(box.xyxy, 32)


def test_the_padded_square_moves_boxes_of_wide_images_only_vertically():
    assert PaddedSquare().encode(Box(0, 0, 1, 1), (640, 320)) == (0, 0.25, 1, 0.75)
    assert PaddedSquare().encode(Box(0, 0, 1, 1), (320, 640)) == (0.25, 0, 0.75, 1)
    assert PaddedSquare(side=336).encode(Box(0, 0, 1, 1), (500, 500)) == (0, 0, 336, 336)


def test_the_centre_crop_loses_the_flanks_of_a_wide_image():
    crop = CenterCrop(336, 336)
    assert crop.encode(Box(0, 0, 0.1, 1), (640, 427)) is None
    seen = crop.seen((640, 427))
    assert (seen.x0, seen.x1) == pytest.approx((0.166, 0.834), abs=0.002)
    assert (seen.y0, seen.y1) == (0, 1)


def test_paligemma_writes_y_first():
    assert LocationBins().encode(Box(0.25, 0.5, 0.75, 1.0)) == (512, 256, 1023, 768)


def test_one_frame_to_another():
    assert convert((64, 48, 320, 240), Pixels(wh=True), Thousandths(), (640, 480)) == (100, 100, 600, 600)


def test_numbers_of_another_frame_are_refused_with_both_readings():
    with pytest.raises(ValueError, match=r"\(100.0, 100.0, 900.0, 900.0\) as Fractions.*640x480.*which frame"):
        decode(Fractions(), (100, 100, 900, 900), (640, 480))
    with pytest.raises(ValueError, match="takes 4 finite numbers"):
        decode(Pixels(), (1, 2, float("nan"), 4), (640, 480))
    with pytest.raises(ValueError, match="takes 2 finite numbers"):
        decode(PatchGrid(), (1, 2, 3, 4), (640, 480))


def test_a_size_that_no_picture_has_is_refused():
    with pytest.raises(ValueError, match="this frame needs the original image's"):
        Pixels().corners((0, 0, 1, 1), (10**400, 3))


def test_a_frame_that_needs_the_image_size_says_so():
    with pytest.raises(ValueError, match=r"image_size=None.*original image's \(width, height\)"):
        PaddedSquare().encode(Box(0, 0, 1, 1), None)


@pytest.mark.parametrize("frame", [Thousandths(), Fractions(), LocationBins()])
@pytest.mark.parametrize("numbers", [(0, 0, 2000, 500), (5, 5, 1, 1), (math.nan,) * 4, (1, 2, 3), (10**400,) * 4, ("a",) * 4])
def test_numbers_that_are_no_box_give_a_sentence_also_without_an_image_size(frame, numbers):
    with pytest.raises(ValueError, match=r"no box inside it|it takes 4 finite numbers"):
        decode(frame, numbers, None)
