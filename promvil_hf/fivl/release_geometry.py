# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Masks between original image coordinates and the released form: 24x24 shares of a padded 336-pixel square.

`to_grid` is exact. `from_grid` cannot know which pixels a cell's share meant, so it takes the likeliest ones, those
towards the neighbours that are covered more, and as many as make the share right: turned back into a grid, the result
differs from what came in by less than a pixel's worth of each cell.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.frames import ImageSize, PaddedSquare
from promvil_hf.key_expressions import Rle


SIDE = 24


def to_grid(mask: Rle) -> np.ndarray:
    """(24, 24) shares in 0..1 of the cells of the padded square; padding counts as not covered."""
    grid = _grid(mask.image_size)
    shares = grid.cells.coverage(mask)
    return np.nan_to_num(shares).reshape(SIDE, SIDE) * grid.inside


def from_grid(shares: np.ndarray, image_size: ImageSize) -> Rle:
    """The mask in original coordinates whose grid is `shares`, (24, 24) in 0..1. Shares outside the image are lost."""
    shares = np.asarray(shares, float)
    if shares.shape != (SIDE, SIDE) or not np.isfinite(shares).all() or shares.min() < 0 or shares.max() > 1 + 1e-6:
        raise ValueError(
            f"You passed a grid of shape {shares.shape} with values from {shares.min():.3g} to {shares.max():.3g}: it is "
            f"({SIDE}, {SIDE}) with shares in 0..1 (the released tensors hold them times 255)."
        )
    width, height = image_size
    grid = _grid(image_size)
    full = np.divide(shares, grid.inside, out=np.zeros_like(shares), where=grid.inside > 0).clip(0, 1)
    some, whole = full > 1e-9, full > 1 - 1e-6  # of what the image fills of each cell
    pixels = np.zeros((height, width), bool)
    if not some.any():
        return masks.encode(pixels)

    rows, columns = grid.rows, grid.columns
    tall, wide = rows.around(some.any(1)), columns.around(some.any(0))  # all happens in this window
    window = pixels[tall, wide]
    level = columns.blended(rows.blended(full, tall).T, wide).T

    # A pixel on the edge of cells may be set where all of them are covered, and must be where one of them is wholly.
    may, must = np.zeros_like(pixels), np.zeros_like(pixels)
    may[tall, wide] = columns.both(rows.both(some, tall, np.logical_and).T, wide, np.logical_and).T
    must[tall, wide] = columns.both(rows.both(whole, tall, np.logical_or).T, wide, np.logical_or).T
    window[:] = may[tall, wide] & (must[tall, wide] | (level > 0.5))
    likely = np.zeros(pixels.shape)
    likely[tall, wide] = level
    vague = [tuple(cell) for cell in np.argwhere(some & ~whole).tolist()]
    for cell in vague:
        if _missing(grid, shares, pixels, cell):
            _choose_on_edges(grid, shares, pixels, cell, likely, may, must)
    for cell in vague:
        _missing(grid, shares, pixels, cell, likely)
    return masks.encode(pixels)


def _missing(grid: "_Grid", shares, pixels, cell: tuple[int, int], likely: np.ndarray | None = None) -> float:
    """Fill a cell's own pixels, the likeliest first, up to its share; gives the area that they cannot make up for."""
    rows, columns = grid.rows, grid.columns
    y, x = cell
    inside = pixels[rows.inside[y], columns.inside[x]]
    inside[:] = False
    on_edges = rows.overlap[y] @ pixels[rows.touched[y], columns.touched[x]] @ columns.overlap[x]
    wanted = float(shares[y, x] * rows.cell * columns.cell - on_edges)
    fill = min(max(round(wanted), 0), inside.size)
    if fill and likely is not None:
        order = np.argsort(-likely[rows.inside[y], columns.inside[x]], axis=None, kind="stable")
        inside.flat[order[:fill]] = True
    return wanted - fill if abs(wanted - fill) > 0.75 else 0.0


def _choose_on_edges(grid: "_Grid", shares, pixels, cell: tuple[int, int], likely, may, must) -> None:
    """Where a cell's own pixels cannot make up its share, change those it has in common with others."""
    rows, columns = grid.rows, grid.columns
    y, x = cell
    missing = _missing(grid, shares, pixels, cell)
    place = rows.touched[y], columns.touched[x]
    common = np.ones(pixels[place].shape, bool)
    common[_within(rows.inside[y], rows.touched[y]), _within(columns.inside[x], columns.touched[x])] = False
    near = pixels[place]
    open_ = common & (may[place] & ~near if missing > 0 else near & ~must[place])
    candidates = np.flatnonzero(open_)
    levels = likely[place].flat[candidates]
    candidates = candidates[np.argsort(-levels if missing > 0 else levels, kind="stable")]
    bring = np.outer(rows.overlap[y], columns.overlap[x]).flat[candidates].cumsum()
    near.flat[candidates[: np.searchsorted(bring, abs(missing))]] = missing > 0


def _within(part: slice, window: slice) -> slice:
    return slice(part.start - window.start, part.stop - window.start)


@dataclass(frozen=True, slots=True, eq=False)
class _Axis:
    """The cells along one axis: which pixels each touches and by how much, and which pixels are its alone."""

    cell: float  # pixels a cell is long
    touched: tuple[slice, ...]  # the pixels of each cell
    overlap: tuple[np.ndarray, ...]  # how much of each of those lies in it
    inside: tuple[slice, ...]  # the pixels that lie in no other
    first: np.ndarray  # (pixels,): the first cell that each pixel touches
    last: np.ndarray  # and the last
    low: np.ndarray  # (pixels,): the cell whose centre is the nearest before each pixel's
    share: np.ndarray  # and how far the pixel is on the way to the next cell's, 0..1

    @classmethod
    def of(cls, length: int, square: int) -> "_Axis":
        offset, cell = (square - length) // 2, square / SIDE
        edges = np.arange(SIDE + 1) * cell - offset
        starts = np.arange(length)
        overlap = (np.minimum(starts + 1, edges[1:, None]) - np.maximum(starts, edges[:-1, None])).clip(0, 1)
        overlap[overlap < 1e-9] = 0
        touches = overlap > 0
        first, last = touches.argmax(0), SIDE - 1 - touches[::-1].argmax(0)
        touched = tuple(_span(np.flatnonzero(cells)) for cells in touches)
        inside = tuple(_span(np.flatnonzero((first == last) & (first == index))) for index in range(SIDE))
        at = ((starts + 0.5 + offset) / cell - 0.5).clip(0, SIDE - 1)
        low = np.minimum(at.astype(int), SIDE - 2)
        lengths = tuple(row[span] for row, span in zip(overlap, touched, strict=True))
        return cls(cell, touched, lengths, inside, first, last, low, at - low)

    def around(self, cells: np.ndarray) -> slice:
        """The pixels from the first to the last cell that is true."""
        places = np.flatnonzero(cells)
        return slice(self.touched[places[0]].start, self.touched[places[-1]].stop)

    def blended(self, values: np.ndarray, window: slice) -> np.ndarray:
        """(24, n) values of cells -> (pixels, n), linear between the cells' centres."""
        low, share = self.low[window], self.share[window, None]
        return values[low] * (1 - share) + values[low + 1] * share

    def both(self, cells: np.ndarray, window: slice, join: np.ufunc) -> np.ndarray:
        """(24, n) -> (pixels, n): the first and the last cell each pixel touches, joined."""
        return join(cells[self.first[window]], cells[self.last[window]])


def _span(places: np.ndarray) -> slice:
    return slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    cells: masks.Cells
    inside: np.ndarray  # (24, 24): the share of each cell that the image fills
    rows: _Axis
    columns: _Axis


@lru_cache(maxsize=256)
def _grid(image_size: ImageSize) -> _Grid:
    square = PaddedSquare(side=SIDE)
    boxes: list[Box | None] = []
    inside = np.zeros((SIDE, SIDE))
    for y in range(SIDE):
        for x in range(SIDE):
            corners = square.corners((x, y, x + 1, y + 1), image_size)
            box = Box.clipped(*corners)
            boxes.append(box)
            if box is not None:
                inside[y, x] = box.area / ((corners[2] - corners[0]) * (corners[3] - corners[1]))
    width, height = image_size
    longer = max(image_size)
    cells = masks.Cells.of(boxes, image_size)
    return _Grid(cells, inside, _Axis.of(height, longer), _Axis.of(width, longer))
