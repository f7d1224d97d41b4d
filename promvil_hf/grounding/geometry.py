# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How things lie to each other: measures between every candidate and every piece of evidence, as arrays.

All measures count in the sizes of the two things, so a larger picture changes nothing, and each looks at two things only,
so a third one changes nothing. Masks, where both things have one, show where a thing's middle is, how far two things are
apart and how much they share. numpy and scipy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.frames import ImageSize
from promvil_hf.key_expressions import Rle


_GRID = 96  # cells on the longer side of a picture in which masks are compared


@dataclass(frozen=True, eq=False)
class Things:
    """Boxes in pixels, (n, 4), and for each a coarse mask or None, whose cells are `step` pixels large."""

    boxes: np.ndarray
    masks: tuple[np.ndarray | None, ...] = ()
    step: float = 1.0

    @classmethod
    def of(cls, boxes: Sequence[Box], size: ImageSize, box_masks: Sequence[Rle | None] = ()) -> "Things":
        corners = np.array([box.xyxy for box in boxes], float).reshape(-1, 4) * ([*size] * 2)
        step = max(max(size) / _GRID, 1.0)
        return cls(corners, tuple(mask and _coarse(masks.decode(mask), step) for mask in box_masks), step)

    def __len__(self) -> int:
        return len(self.boxes)

    @cached_property
    def sizes(self) -> np.ndarray:
        """(n, 2): width and height."""
        return np.maximum(self.boxes[:, 2:] - self.boxes[:, :2], 1e-6)

    @cached_property
    def areas(self) -> np.ndarray:
        return self.sizes.prod(-1)

    @cached_property
    def middles(self) -> np.ndarray:
        """(n, 2), of the mask where there is one, else of the box."""
        found = (self.boxes[:, :2] + self.boxes[:, 2:]) / 2
        for place, mask in enumerate(self.masks):
            if mask is not None and mask.any():
                rows, columns = mask.nonzero()
                found[place] = (columns.mean() + 0.5) * self.step, (rows.mean() + 0.5) * self.step
        return found


def _coarse(pixels: np.ndarray, step: float) -> np.ndarray:
    """A mask in cells: a cell belongs to it when the pixel in its middle does."""
    height, width = pixels.shape
    rows = (np.arange(max(round(height / step), 1)) + 0.5) * step
    columns = (np.arange(max(round(width / step), 1)) + 0.5) * step
    return pixels[np.ix_(np.minimum(rows, height - 1).astype(int), np.minimum(columns, width - 1).astype(int))]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Every thing of `a` beside every thing of `b`; each measure is an (a, b) array."""

    a: Things
    b: Things

    @property
    def swapped(self) -> "Pairs":
        return Pairs(self.b, self.a)

    @cached_property
    def half_sizes(self) -> np.ndarray:
        """(a, b, 2): the middle of the two widths, and of the two heights."""
        return (self.a.sizes[:, None] + self.b.sizes[None]) / 2

    @cached_property
    def _ways(self) -> np.ndarray:
        """(a, b, 2) in pixels, from the middle of b to that of a."""
        return self.a.middles[:, None] - self.b.middles[None]

    @cached_property
    def _offsets(self) -> np.ndarray:
        """The same; 1 is as far as two boxes that just touch."""
        return self._ways / self.half_sizes

    @property
    def right(self) -> np.ndarray:
        """How far a is to the right of b, from middle to middle."""
        return self._offsets[..., 0]

    @property
    def below(self) -> np.ndarray:
        return self._offsets[..., 1]

    @cached_property
    def reach(self) -> np.ndarray:
        """The size of the two things together, in pixels: the geometric mean, which a large candidate moves little."""
        return np.sqrt(np.sqrt(self.a.areas)[:, None] * np.sqrt(self.b.areas)[None])

    @cached_property
    def edge_gaps(self) -> np.ndarray:
        """(a, b, 2) in pixels, along x and y: how far the edges are apart; below 0 how far they overlap."""
        a, b = self.a.boxes[:, None], self.b.boxes[None]
        return np.maximum(a[..., :2] - b[..., 2:], b[..., :2] - a[..., 2:])

    @cached_property
    def gap(self) -> np.ndarray:
        """How far apart the two are, edge to edge (mask to mask), in their size; 0 where they overlap."""
        apart = np.maximum(self.edge_gaps, 0)
        found = np.hypot(apart[..., 0], apart[..., 1]) / self.reach
        for j, away in self._mask_distances.items():
            for i, mask in enumerate(self.a.masks):
                if mask is not None and mask.any():
                    found[i, j] = max(away[mask].min() - 1, 0) * self.a.step / self.reach[i, j]
        return found

    @cached_property
    def _mask_distances(self) -> dict[int, np.ndarray]:
        """For each b with a mask, how many cells every place of the picture is away from it."""
        if not any(mask is not None for mask in self.a.masks):
            return {}
        return {
            j: ndimage.distance_transform_edt(~mask) for j, mask in enumerate(self.b.masks) if mask is not None and mask.any()
        }

    @cached_property
    def middle_distance(self) -> np.ndarray:
        """From middle to middle, in the size of the two."""
        return np.sqrt((self._ways**2).sum(-1)) / self.reach

    @cached_property
    def nearness(self) -> np.ndarray:
        """From edge to edge and from middle to middle. A power: twice as far is the same step at any distance."""
        return (1 + 1.5 * self.gap + self.middle_distance) ** -1.5

    @cached_property
    def shared(self) -> np.ndarray:
        """The area in both boxes, in square pixels."""
        return np.maximum(-self.edge_gaps, 0).prod(-1)

    @property
    def inside(self) -> np.ndarray:
        """The share of a that lies in b."""
        return np.minimum(self.shared / self.a.areas[:, None], 1.0)

    @property
    def holds(self) -> np.ndarray:
        """The share of b that lies in a."""
        return np.minimum(self.shared / self.b.areas[None], 1.0)

    @property
    def iou(self) -> np.ndarray:
        return self.shared / (self.a.areas[:, None] + self.b.areas[None] - self.shared)

    def overlap(self, axis: int) -> np.ndarray:
        """How much of the shorter extent along x (0) or y (1) both have in common."""
        return np.clip(-self.edge_gaps[..., axis] / self.least_sizes[..., axis], 0.0, 1.0)

    @cached_property
    def least_sizes(self) -> np.ndarray:
        return np.minimum(self.a.sizes[:, None], self.b.sizes[None])

    @property
    def bottom(self) -> np.ndarray:
        """How much lower the lower edge of a is than that of b, in the middle of their heights."""
        return (self.a.boxes[:, None, 3] - self.b.boxes[None, :, 3]) / self.half_sizes[..., 1]

    @property
    def stands(self) -> np.ndarray:
        """Where the lower edge of a is in b: 0 at the top of b, 1 at its bottom."""
        return (self.a.boxes[:, None, 3] - self.b.boxes[None, :, 1]) / self.b.sizes[None, :, 1]

    def place_in(self, axis: int) -> np.ndarray:
        """Where the middle of b is in a along x (0) or y (1): 0 at the left or upper edge of a, 1 at the other one."""
        return (self.b.middles[None, :, axis] - self.a.boxes[:, None, axis]) / self.a.sizes[:, None, axis]
