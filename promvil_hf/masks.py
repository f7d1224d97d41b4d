# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Masks: pixels, polygons and run lengths into `Rle` and back, their areas and boxes, without a loop over pixels.

Everything is in original image coordinates and goes through pycocotools, so areas agree with COCO's own. Floor 1.
"""

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco

from promvil_hf.boxes import Box
from promvil_hf.frames import ImageSize
from promvil_hf.key_expressions import Rle


def encode(pixels: np.ndarray) -> Rle:
    """(H, W) of booleans or numbers, where everything above 0 belongs to the mask."""
    pixels = np.asarray(pixels)
    if pixels.ndim != 2 or 0 in pixels.shape:
        raise ValueError(f"You passed pixels of shape {pixels.shape}: a mask is (height, width), not empty.")
    return _rle(coco.encode(np.asfortranarray(pixels > 0, dtype=np.uint8)))


def decode(mask: Rle) -> np.ndarray:
    """(H, W) of booleans."""
    return coco.decode(_record(mask)).astype(bool)


def from_run_lengths(counts: Sequence[int], size: tuple[int, int]) -> Rle:
    """COCO's uncompressed form: column by column, zeros first; `size` is (height, width)."""
    height, width = size
    if sum(counts) != height * width or any(count < 0 for count in counts):
        raise ValueError(
            f"You passed run lengths that add up to {sum(counts)} for a mask of {height}x{width} = {height * width} "
            "pixels: they must be non-negative and cover it exactly."
        )
    return _rle(coco.frPyObjects({"size": [height, width], "counts": list(counts)}, height, width))


def run_lengths(mask: Rle) -> list[int]:
    """The uncompressed counts, zeros first."""
    flat = decode(mask).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *counts] if flat[0] else counts


def from_polygons(polygons: Sequence[Sequence[float]], image_size: ImageSize) -> Rle:
    """COCO polygons (x, y, x, y, ... in pixels), rasterised by pycocotools and joined."""
    width, height = image_size
    if not polygons or any(len(points) < 6 or len(points) % 2 for points in polygons):
        raise ValueError(
            "You passed a polygon of fewer than three points, or an odd count of numbers: give x, y pairs."
        )
    return _rle(coco.merge(coco.frPyObjects([list(map(float, points)) for points in polygons], height, width)))


def from_boxes(boxes: Sequence[Box], image_size: ImageSize) -> Rle:
    """The pixels whose centres lie in any of the boxes."""
    width, height = image_size
    pixels = np.zeros((height, width), dtype=np.uint8)
    for box in boxes:
        left, right = (int(np.ceil(x * width - 0.5)) for x in (box.x0, box.x1))
        top, bottom = (int(np.ceil(y * height - 0.5)) for y in (box.y0, box.y1))
        pixels[top:bottom, left:right] = 1
    return encode(pixels)


def union(masks: Sequence[Rle]) -> Rle:
    sizes = {mask.size for mask in masks}
    if len(sizes) != 1:
        raise ValueError(f"You passed masks of sizes {sorted(sizes)}: a union needs at least one, all of one size.")
    return _rle(coco.merge([_record(mask) for mask in masks]))


def area(mask: Rle) -> int:
    return int(coco.area(_record(mask)))


def bounding_box(mask: Rle) -> Box | None:
    """The box around the mask's pixels, or None for an empty mask."""
    if not area(mask):
        return None
    x, y, width, height = coco.toBbox(_record(mask))
    full_height, full_width = mask.size
    return Box.clipped(x / full_width, y / full_height, (x + width) / full_width, (y + height) / full_height)


def _record(mask: Rle) -> dict:
    return {"size": list(mask.size), "counts": mask.counts.encode("ascii")}


def _rle(record: dict) -> Rle:
    return Rle(tuple(record["size"]), record["counts"])
