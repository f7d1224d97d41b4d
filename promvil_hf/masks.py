# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Masks: pixels, polygons and run lengths into `Rle` and back, their areas and boxes, without a loop over pixels.

Everything is in original image coordinates and goes through pycocotools, so areas agree with COCO's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco

from promvil_hf.boxes import Box
from promvil_hf.frames import ImageSize
from promvil_hf.key_expressions import KeyExpression, Rle


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


def run_lengths(mask: Rle) -> np.ndarray:
    """The uncompressed counts, zeros first, read off the compressed string without a loop over its characters.

    COCO writes numbers of five bits a character, lowest first, bit 6 for "more follows" and the last five-bit group
    signed; from the fourth number on it writes the difference to the number two places back.
    """
    groups = np.frombuffer(mask.counts.encode("ascii"), np.uint8) - 48
    last = np.flatnonzero(groups < 0x20)
    first = np.concatenate([[0], last[:-1] + 1]) if len(last) else last
    length = last - first
    groups = groups.astype(np.int64)
    final = groups[last]
    counts = ((final ^ 0x10) - 0x10) << 5 * length  # the signed group, then the lower ones under it
    for place in range(length.max(initial=0)):
        lower = groups.take(first + place, mode="clip") & 0x1F
        counts += np.where(length > place, lower << 5 * place, 0)
    counts[1::2] = counts[1::2].cumsum()
    counts[2::2] = counts[2::2].cumsum()
    return counts


def from_polygons(polygons: Sequence[Sequence[float]], image_size: ImageSize) -> Rle:
    """COCO polygons (x, y, x, y, ... in pixels), rasterised by pycocotools and joined."""
    width, height = image_size
    if not polygons or any(len(points) < 6 or len(points) % 2 for points in polygons):
        raise ValueError(
            "You passed a polygon of fewer than three points, or an odd count of numbers: give x, y pairs."
        )
    shapes = [np.asarray(points, dtype=float) for points in polygons]
    for points in shapes:
        inside = (np.abs(points[0::2] - width / 2) <= 1.5 * width) & (np.abs(points[1::2] - height / 2) <= 1.5 * height)
        if not inside.all():  # NaN too; drawing an edge takes time in proportion to its length
            place = int(np.flatnonzero(~inside)[0])
            raise ValueError(
                f"You passed a polygon with the point ({points[2 * place]:g}, {points[2 * place + 1]:g}) for an image of "
                f"{width}x{height}: points are in pixels, and none may lie further outside than the image is large."
            )
    return _rle(coco.merge(coco.frPyObjects([points.tolist() for points in shapes], height, width)))


def of_key(key: KeyExpression, image_size: ImageSize) -> Rle | None:
    """The mask of a key expression, else the area of its boxes; None where it has neither."""
    return key.mask or (from_boxes(key.boxes, image_size) if key.boxes else None)


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


def coverage(mask: Rle, boxes: Sequence[Box | None]) -> np.ndarray:
    """The share of each box's area that the mask covers; NaN where there is no box. Exact, from the run lengths."""
    return Cells.of(boxes, mask.image_size).coverage(mask)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Boxes such as a model's image tokens, prepared for the coverage of many masks.

    No pixel is decoded. Each run of a mask is cut into vertical pieces, one a column. What a piece adds above a
    horizontal edge and what its column adds left of a vertical edge are two small tables, and their product is the covered
    area above and left of every corner. A box is the sum of its four corners, signed.
    """

    image_size: ImageSize
    count: int
    places: np.ndarray  # (n,) which entries are boxes
    areas: np.ndarray  # (n,) in square pixels
    left_of: np.ndarray  # (W, x edges): the share of each column that lies left of a vertical edge
    y_edges: np.ndarray  # (y edges, 1)
    corners: np.ndarray  # (4, n) places of x0y0, x1y0, x0y1, x1y1 in the flat (y edges, x edges) table

    @classmethod
    def of(cls, boxes: Sequence[Box | None], image_size: ImageSize) -> "Cells":
        width, height = image_size
        places = np.array([index for index, box in enumerate(boxes) if box is not None], int)
        corners = np.array([boxes[index].xyxy for index in places], float).reshape(-1, 4) * ([width, height] * 2)
        x_edges, x_of = np.unique(corners[:, [0, 2]], return_inverse=True)
        y_edges, y_of = np.unique(corners[:, [1, 3]], return_inverse=True)
        (x0, x1), (y0, y1) = x_of.reshape(-1, 2).T, y_of.reshape(-1, 2).T * len(x_edges)
        return cls(
            image_size=(width, height),
            count=len(boxes),
            places=places,
            areas=(corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1]),
            left_of=np.clip(x_edges - np.arange(width)[:, None], 0.0, 1.0),
            y_edges=y_edges[:, None],
            corners=np.stack([x0 + y0, x1 + y0, x0 + y1, x1 + y1]),
        )

    def coverage(self, mask: Rle) -> np.ndarray:
        if mask.image_size != self.image_size:
            raise ValueError(
                f"You passed a mask of an image of {mask.image_size[0]}x{mask.image_size[1]} for boxes of one of "
                f"{self.image_size[0]}x{self.image_size[1]}: masks and boxes must be of the same original image."
            )
        return self.coverage_of_run_lengths(run_lengths(mask))

    def coverage_of_run_lengths(self, counts: np.ndarray) -> np.ndarray:
        """The same from column-major counts, zeros first."""
        column, top, bottom = _pieces(counts, self.image_size[1])
        above = np.minimum(bottom, self.y_edges) - np.minimum(top, self.y_edges)  # (y edges, pieces)
        area = (above @ self.left_of.take(column, axis=0)).ravel()
        x0y0, x1y0, x0y1, x1y1 = area.take(self.corners)
        out = np.full(self.count, np.nan)
        out[self.places] = np.clip((x1y1 - x0y1 - x1y0 + x0y0) / self.areas, 0.0, 1.0)
        return out


def _pieces(counts: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Column, top and bottom of every vertical piece of a mask."""
    ends = counts.cumsum()
    start, stop = ends[:-1:2], ends[1::2]
    column = start // height
    columns = (stop - 1) // height - column + 1  # a run can go on over several columns, and an empty one over none
    if (columns != 1).any():
        before = columns.cumsum() - columns
        column = np.repeat(column - before, columns) + np.arange(columns.sum())
        start, stop = np.repeat(start, columns), np.repeat(stop, columns)
    origin = column * height
    return column, np.maximum(start - origin, 0), np.minimum(stop - origin, height)


def _record(mask: Rle) -> dict:
    """As pycocotools takes it, which trusts run lengths and would read or write beyond the picture."""
    counts = run_lengths(mask)
    height, width = mask.size
    if counts.sum() != height * width or counts.min(initial=0) < 0:
        raise ValueError(
            f"You passed a mask of {width}x{height} = {width * height} pixels whose run lengths add up to {counts.sum()}: "
            "it is damaged, or of another picture."
        )
    return {"size": [height, width], "counts": mask.counts.encode("ascii")}


def _rle(record: dict) -> Rle:
    return Rle(tuple(record["size"]), record["counts"])
