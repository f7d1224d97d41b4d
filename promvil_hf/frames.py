# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Frames: the ways files and models write a box, each with an exact map to and from `Box`.

A frame is a small value with three methods:

    encode(box, image_size)      the frame's own numbers
    corners(numbers, image_size) x0, y0, x1, y1 in fractions of the original image, not checked
    resolution(image_size)       the largest shift (in x, in y) that encode and back can cause, in the same fractions

`decode(frame, numbers, image_size)` gives a `Box` and refuses numbers that lie outside the image by more than the
frame's resolution. Image sizes are `(width, height)` in pixels, as Pillow has them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from promvil_hf.boxes import Box, Point


ImageSize = tuple[int, int]  # width, height
Corners = tuple[float, float, float, float]

FLOAT_DUST = 1e-9  # what a few multiplications of doubles can lose, with room to spare


class Frame(Protocol):
    def encode(self, box: Box, image_size: ImageSize) -> tuple | None: ...
    def corners(self, numbers: Sequence[float], image_size: ImageSize) -> Corners: ...
    def resolution(self, image_size: ImageSize) -> tuple[float, float]: ...
    def limits(self, image_size: ImageSize) -> tuple[float, ...]:
        """The largest value of each number; the smallest is 0."""
        ...


def decode(frame: Frame, numbers: Sequence[float], image_size: ImageSize) -> Box:
    """The box that these numbers mean. Shifts within the frame's resolution are cut at the image's edge."""
    numbers = _numbers(frame, numbers, image_size)
    x0, y0, x1, y1 = frame.corners(numbers, image_size)
    shift_x, shift_y = frame.resolution(image_size)
    outside_x, outside_y = max(-x0, x1 - 1.0), max(-y0, y1 - 1.0)
    box = Box.clipped(x0, y0, x1, y1)
    if box is None or outside_x > shift_x + FLOAT_DUST or outside_y > shift_y + FLOAT_DUST:
        of_image = f" of an image of {image_size[0]}x{image_size[1]}" if image_size else ""  # some frames need no size
        raise ValueError(
            f"You passed {tuple(numbers)} as {frame}{of_image}: in fractions of "
            f"the image that is ({x0:.4f}, {y0:.4f}, {x1:.4f}, {y1:.4f}), which is no box inside it. Check which frame "
            "the numbers are in, or cut them with `Box.clipped(*frame.corners(numbers, image_size))`."
        )
    return box


def convert(numbers: Sequence[float], source: Frame, target: Frame, image_size: ImageSize) -> tuple | None:
    """Numbers of one frame in another."""
    return target.encode(decode(source, numbers, image_size), image_size)


@dataclass(frozen=True, slots=True)
class Fractions:
    """x0, y0, x1, y1 in fractions of the original image: `Box` itself, spelled as a frame. `decimals` rounds."""

    decimals: int | None = None

    def encode(self, box, image_size=None):
        return _rounded(box.xyxy, self.decimals, 1.0)

    def corners(self, numbers, image_size=None):
        return tuple(numbers)

    def resolution(self, image_size=None):
        step = FLOAT_DUST if self.decimals is None else 10.0**-self.decimals
        return step, step

    def limits(self, image_size=None):
        return 1.0, 1.0, 1.0, 1.0


@dataclass(frozen=True, slots=True)
class Pixels:
    """Pixels of the original image, as COCO, RefCOCO and Visual Genome have them.

    `wh=True` writes x, y, width, height; `whole=True` rounds to whole pixels.
    """

    wh: bool = False
    whole: bool = False

    def encode(self, box, image_size):
        x0, y0, x1, y1 = _stretch(box, image_size, self.whole)
        return (x0, y0, x1 - x0, y1 - y0) if self.wh else (x0, y0, x1, y1)

    def corners(self, numbers, image_size):
        width, height = _checked(image_size)
        x0, y0, x1, y1 = numbers
        if self.wh:
            x1, y1 = x0 + x1, y0 + y1
        return x0 / width, y0 / height, x1 / width, y1 / height

    def resolution(self, image_size):
        width, height = _checked(image_size)
        return (1 / width, 1 / height) if self.whole else (FLOAT_DUST, FLOAT_DUST)

    def limits(self, image_size):
        width, height = _checked(image_size)
        return float(width), float(height), float(width), float(height)


@dataclass(frozen=True, slots=True)
class ResizedPixels:
    """Pixels of the image after it was stretched to `size` (width, height): Qwen2.5-VL's way, with whole numbers."""

    size: ImageSize
    whole: bool = True

    def encode(self, box, image_size=None):
        return _stretch(box, self.size, self.whole)

    def corners(self, numbers, image_size=None):
        return Pixels().corners(numbers, self.size)

    def resolution(self, image_size=None):
        return Pixels(whole=self.whole).resolution(self.size)

    def limits(self, image_size=None):
        return Pixels().limits(self.size)


@dataclass(frozen=True, slots=True)
class StretchedPixels:
    """The frame of Qwen2.5-VL: whole pixels of the image as its processor stretched it, to a size of its own per image.

    Sides are multiples of `multiple` pixels, their product lies between `least` and `most`. The defaults are those of the
    published checkpoints; a server may run with other limits (`min_pixels`, `max_pixels`).
    """

    multiple: int = 28
    least: int = 56 * 56
    most: int = 12_845_056

    def of(self, image_size: ImageSize) -> ResizedPixels:
        """The frame of one image."""
        width, height = _checked(image_size)
        shape = [self._whole(round, side) for side in (width, height)]
        if shape[0] * shape[1] > self.most:
            scale = math.sqrt(width * height / self.most)
            shape = [max(self.multiple, self._whole(math.floor, side / scale)) for side in (width, height)]
        elif shape[0] * shape[1] < self.least:
            scale = math.sqrt(self.least / (width * height))
            shape = [self._whole(math.ceil, side * scale) for side in (width, height)]
        return ResizedPixels((shape[0], shape[1]))

    def _whole(self, rounded, side: float) -> int:
        return rounded(side / self.multiple) * self.multiple

    def encode(self, box, image_size):
        return self.of(image_size).encode(box)

    def corners(self, numbers, image_size):
        return self.of(image_size).corners(numbers)

    def resolution(self, image_size):
        return self.of(image_size).resolution()

    def limits(self, image_size):
        return self.of(image_size).limits()


@dataclass(frozen=True, slots=True)
class Thousandths(ResizedPixels):
    """Whole numbers 0 .. 1000 of each side: Qwen2-VL and Qwen3-VL, InternVL, ms-swift's `norm1000`."""

    size: ImageSize = field(default=(1000, 1000), init=False, repr=False)
    whole: bool = field(default=True, init=False, repr=False)


@dataclass(frozen=True, slots=True)
class PaddedSquare:
    """The image padded to a square around its centre, as LLaVA's `expand2square` does, coordinates in 0 .. `side`.

    `side=1` gives LLaVA's fractions, `side=336` its pixels. `decimals` rounds (LLaVA writes two); None keeps all.
    """

    side: float = 1.0
    decimals: int | None = None

    def encode(self, box, image_size):
        width, height = _checked(image_size)
        square = max(width, height)
        left, top = (square - width) // 2, (square - height) // 2
        scale = self.side / square
        x0, x1 = (min((x * width + left) * scale, self.side) for x in (box.x0, box.x1))
        y0, y1 = (min((y * height + top) * scale, self.side) for y in (box.y0, box.y1))
        return _rounded((x0, y0, x1, y1), self.decimals, self.side)

    def corners(self, numbers, image_size):
        width, height = _checked(image_size)
        square = max(width, height)
        left, top = (square - width) // 2, (square - height) // 2
        x0, y0, x1, y1 = (number / self.side * square for number in numbers)
        return (x0 - left) / width, (y0 - top) / height, (x1 - left) / width, (y1 - top) / height

    def resolution(self, image_size):
        width, height = _checked(image_size)
        if self.decimals is None:
            return FLOAT_DUST, FLOAT_DUST
        step = 10.0**-self.decimals / self.side * max(width, height)
        return step / width, step / height

    def limits(self, image_size):
        return (float(self.side),) * 4


@dataclass(frozen=True, slots=True)
class CenterCrop:
    """Pixels of the central `crop` x `crop` square after the shorter edge was scaled to `shortest_edge`: CLIP's way.

    Exact for the part of a box inside the crop. `encode` cuts the rest away, and gives None where nothing is left.
    """

    shortest_edge: int = 336
    crop: int = 336

    def window(self, image_size: ImageSize) -> tuple[int, int, int, int]:
        """Resized width and height, then the crop's left and top (negative where CLIP pads with black)."""
        width, height = _checked(image_size)
        short, long = min(width, height), max(width, height)
        scaled_long = int(self.shortest_edge * long / short)
        resized = (scaled_long, self.shortest_edge) if width >= height else (self.shortest_edge, scaled_long)
        left, top = (
            -math.ceil((self.crop - side) / 2) if side < self.crop else (side - self.crop) // 2 for side in resized
        )
        return *resized, left, top

    def seen(self, image_size: ImageSize) -> Box:
        """The part of the original image that the model sees."""
        return Box.clipped(*self.corners((0, 0, self.crop, self.crop), image_size))

    def encode(self, box, image_size):
        width, height, left, top = self.window(image_size)
        x0, x1 = (min(max(x * width - left, 0.0), self.crop) for x in (box.x0, box.x1))
        y0, y1 = (min(max(y * height - top, 0.0), self.crop) for y in (box.y0, box.y1))
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def corners(self, numbers, image_size):
        width, height, left, top = self.window(image_size)
        x0, y0, x1, y1 = numbers
        return (x0 + left) / width, (y0 + top) / height, (x1 + left) / width, (y1 + top) / height

    def resolution(self, image_size):
        return FLOAT_DUST, FLOAT_DUST

    def limits(self, image_size):
        return (float(self.crop),) * 4


@dataclass(frozen=True, slots=True)
class LocationBins:
    """PaliGemma's numbers 0 .. 1023, in its own order y0, x0, y1, x1, read as n / 1024."""

    def encode(self, box, image_size=None):
        (x0, x1), (y0, y1) = (
            _whole_interval(lo * 1024, hi * 1024, 1023) for lo, hi in ((box.x0, box.x1), (box.y0, box.y1))
        )
        return y0, x0, y1, x1

    def corners(self, numbers, image_size=None):
        y0, x0, y1, x1 = numbers
        return x0 / 1024, y0 / 1024, x1 / 1024, y1 / 1024

    def resolution(self, image_size=None):
        return 2 / 1024, 2 / 1024  # there is no bin 1024: an edge at 1.0 moves one bin, a sliver beside it two

    def limits(self, image_size=None):
        return (1023.0,) * 4


@dataclass(frozen=True, slots=True)
class CentredBins:
    """Florence-2's whole numbers 0 .. `bins` - 1, x first; a number means the middle of its bin."""

    bins: int = 1000

    def encode(self, box, image_size=None):
        numbers = []
        for low, high in ((box.x0, box.x1), (box.y0, box.y1)):
            first, last = (min(math.floor(edge * self.bins), self.bins - 1) for edge in (low, high))
            if first == last:
                first, last = (first, last + 1) if first == 0 else (first - 1, last)
            numbers.append((first, last))
        (x0, x1), (y0, y1) = numbers
        return x0, y0, x1, y1

    def corners(self, numbers, image_size=None):
        return tuple((number + 0.5) / self.bins for number in numbers)

    def resolution(self, image_size=None):
        return 1.5 / self.bins, 1.5 / self.bins  # half a bin, and one more where a box lies inside one bin

    def limits(self, image_size=None):
        return (float(self.bins - 1),) * 4


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """Kosmos-2's pair (upper-left cell, lower-right cell) of a `side` x `side` grid, cells counted row by row.

    Two cells in one row or column mean whole cells; otherwise the corners are the cells' centres. Cells -> box -> cells
    is the identity, so feeding a predicted box forward loses nothing.
    """

    side: int = 32

    def encode(self, box, image_size=None):
        side = self.side
        x0, y0 = (min(math.floor(low * side), side - 1) for low in (box.x0, box.y0))
        x1 = max(math.ceil(box.x1 * side - 1), x0)
        y1 = max(math.ceil(box.y1 * side - 1), y0)
        return y0 * side + x0, y1 * side + x1

    def corners(self, numbers, image_size=None):
        (y0, x0), (y1, x1) = (divmod(int(cell), self.side) for cell in numbers)
        inset = 0.0 if x0 == x1 or y0 == y1 else 0.5
        return tuple(edge / self.side for edge in (x0 + inset, y0 + inset, x1 + 1 - inset, y1 + 1 - inset))

    def resolution(self, image_size=None):
        return 1 / self.side, 1 / self.side

    def limits(self, image_size=None):
        return (float(self.side**2 - 1),) * 2


def encode_point(frame: Frame, point: Point, image_size: ImageSize) -> tuple[float, float]:
    """A point in the numbers of a frame that counts x first and in even steps: all but Kosmos-2's grid and the y-first ones."""
    ends = frame.limits(image_size)
    x0, y0, *_ = frame.corners((0.0,) * 4, image_size)
    x1, y1, *_ = frame.corners((ends[0], ends[1], *ends[:2]), image_size)
    return (point.x - x0) / (x1 - x0) * ends[0], (point.y - y0) / (y1 - y0) * ends[1]


LARGEST_SIDE = 2**31  # pixels; no file format has more


def _checked(image_size: ImageSize) -> ImageSize:
    try:
        width, height = image_size
        good = 0 < width < LARGEST_SIDE and 0 < height < LARGEST_SIDE
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(
            f"You passed image_size={str(image_size)[:80]}: this frame needs the original image's (width, height) in pixels, "
            "as `PIL.Image.size` gives them."
        )
    return width, height


def _numbers(frame: Frame, numbers: Sequence[float], image_size: ImageSize) -> list[float]:
    wanted = len(frame.limits(image_size))
    try:
        values = [float(number) for number in numbers]
    except (TypeError, ValueError, OverflowError):
        values = []
    if len(values) != wanted or not all(map(math.isfinite, values)):
        raise ValueError(f"You passed {numbers!r} as {frame}: it takes {wanted} finite numbers.")
    return values


def _stretch(box: Box, size: ImageSize, whole: bool) -> Corners:
    width, height = _checked(size)
    if not whole:
        return box.x0 * width, box.y0 * height, box.x1 * width, box.y1 * height
    x0, x1 = _whole_interval(box.x0 * width, box.x1 * width, width)
    y0, y1 = _whole_interval(box.y0 * height, box.y1 * height, height)
    return x0, y0, x1, y1


def _rounded(corners: Corners, decimals: int | None, limit: float) -> Corners:
    if decimals is None:
        return corners
    x0, y0, x1, y1 = corners
    unit = 10**decimals
    x0, x1 = _whole_interval(x0 * unit, x1 * unit, math.floor(limit * unit))
    y0, y1 = _whole_interval(y0 * unit, y1 * unit, math.floor(limit * unit))
    return x0 / unit, y0 / unit, x1 / unit, y1 / unit


def _whole_interval(low: float, high: float, limit: int) -> tuple[int, int]:
    """The nearest whole numbers with low < high; an interval that would vanish keeps one step on its own side."""
    first, last = min(round(low), limit), min(round(high), limit)
    if first < last:
        return first, last
    if first < limit and (low + high) / 2 >= first:
        return first, first + 1
    return first - 1, first
