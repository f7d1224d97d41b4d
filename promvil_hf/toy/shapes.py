# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Draws one toy object: its silhouette from a signed distance, then its paint.

A silhouette is a small window of coverage values, cut to the pixels it touches. Those pixels are the object's mask, exactly: a
pixel outside the mask receives no paint at all, so an image differs from its bare background nowhere else. Edges are smooth
because coverage is a fraction, sizes are free because the distance is a formula. numpy and scipy only.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, sin

import numpy as np
from scipy import ndimage

from promvil_hf.toy.config import ROBOT


FAINTEST = 0.12  # coverage below this is dropped: it would hardly show, and would count as part of the object
VARIANTS = 4  # wobbles per sketched silhouette

PALETTE = {
    "red": (214, 39, 40),
    "orange": (247, 134, 18),
    "yellow": (246, 209, 35),
    "green": (44, 160, 64),
    "blue": (34, 94, 214),
    "purple": (126, 58, 190),
    "pink": (246, 134, 190),
    "brown": (127, 79, 42),
    None: (112, 122, 134),
}


@dataclass(frozen=True, slots=True, eq=False)
class Stamp:
    """A silhouette cut to its bounding box: `coverage` in [0, 1], `depth` in pixels below the edge, `mask` = coverage above 0."""

    coverage: np.ndarray  # (h, w) float32
    depth: np.ndarray  # (h, w) float32
    mask: np.ndarray  # (h, w) bool

    @property
    def size(self) -> tuple[int, int]:
        """`(width, height)` in pixels."""
        return self.mask.shape[1], self.mask.shape[0]


def _polygon(points) -> np.ndarray:
    """Vertices centred and scaled so that the longer side spans [-1, 1]."""
    points = np.asarray(points, dtype=np.float64)
    low, high = points.min(0), points.max(0)
    return (points - (low + high) / 2) / ((high - low).max() / 2)


def _star() -> np.ndarray:
    turns = [pi * (k / 5 - 0.5) for k in range(10)]
    return _polygon([((1, 0.42)[k % 2] * cos(turn), (1, 0.42)[k % 2] * sin(turn)) for k, turn in enumerate(turns)])


def _heart() -> np.ndarray:
    turns = [2 * pi * k / 40 for k in range(40)]
    return _polygon([(16 * sin(t) ** 3, -(13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t))) for t in turns])


_POLYGONS = {
    "triangle": _polygon([(0, -1), (1.1, 0.9), (-1.1, 0.9)]),
    "star": _star(),
    "diamond": _polygon([(0, -1), (0.72, 0), (0, 1), (-0.72, 0)]),
    "table": _polygon(
        [(-1, -0.72), (1, -0.72), (1, -0.16), (0.86, -0.16), (0.86, 0.72), (0.4, 0.72), (0.4, -0.16)]
        + [(-0.4, -0.16), (-0.4, 0.72), (-0.86, 0.72), (-0.86, -0.16), (-1, -0.16)]
    ),
    "heart": _heart(),
}


def _to_polygon(x: np.ndarray, y: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Signed distance to a polygon: negative inside, by the even-odd rule."""
    nearest = np.full(x.shape, np.inf)
    inside = np.zeros(x.shape, dtype=bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        ex, ey = bx - ax, by - ay
        along = np.clip(((x - ax) * ex + (y - ay) * ey) / (ex * ex + ey * ey), 0, 1)
        np.minimum(nearest, (x - ax - along * ex) ** 2 + (y - ay - along * ey) ** 2, out=nearest)
        crosses = (ay > y) != (by > y)
        if ay != by:
            inside ^= crosses & (x < ax + (y - ay) * ex / ey)
    return np.where(inside, -1, 1) * np.sqrt(nearest)


def _to_box(x, y, left, top, right, bottom):
    """Signed distance (city-block outside) to an upright box."""
    return np.maximum(np.maximum(left - x, x - right), np.maximum(top - y, y - bottom))


def _to_robot(x, y):
    """Antenna, head, body, two straight arms and two legs, in a frame whose height spans [-1, 1] and hands reach +-0.8."""
    parts = (
        (-0.09, -1.0, 0.09, -0.75),
        (-0.38, -0.8, 0.38, -0.2),
        (-0.46, -0.13, 0.46, 0.52),
        (-0.8, -0.02, 0.8, 0.22),
        (-0.8, -0.1, -0.62, 0.3),
        (0.62, -0.1, 0.8, 0.3),
        (-0.38, 0.4, -0.1, 1.0),
        (0.1, 0.4, 0.38, 1.0),
    )
    distances = [_to_box(x, y, *part) for part in parts]
    return np.minimum.reduce([*distances, _to_box(x, y, -0.16, -0.3, 0.16, 0.0)])


def _distance(shape: str, x: np.ndarray, y: np.ndarray, radius: float, hole: float) -> np.ndarray:
    """Signed distance in pixels of pixel centres `x`, `y` (relative to the middle) to the outline."""
    if shape == "circle":
        return np.hypot(x, y) - radius
    if shape == "square":
        return _to_box(x, y, -radius, -radius, radius, radius)
    if shape == "ring":
        return np.abs(np.hypot(x, y) - radius * (1 + hole) / 2) - radius * (1 - hole) / 2
    if shape == "cross":
        arm = 0.34 * radius
        return np.minimum(_to_box(x, y, -radius, -arm, radius, arm), _to_box(x, y, -arm, -radius, arm, radius))
    if shape == "moon":
        bite = np.hypot(x - 0.66 * radius, y) - 0.76 * radius
        return np.maximum(np.hypot(x, y) - radius, -bite)
    if shape == ROBOT:
        return _to_robot(x / radius, y / radius) * radius
    return _to_polygon(x, y, _POLYGONS[shape] * radius)


def ring_hole(size_px: int) -> float:
    """Inner radius of a ring as a share of its outer one: small rings need thicker walls to be seen."""
    return 0.56 if size_px < 16 else 0.72


@lru_cache(maxsize=1024)
def stamp(shape: str, size_px: int, style: str = "flat", variant: int = 0) -> Stamp:
    """The silhouette of a shape whose longer side is about `size_px` pixels.

    Args:
        shape: One of `SHAPES`, or `ROBOT`.
        size_px: Longer side in pixels.
        style: `"sketch"` shakes the outline, the other styles share the clean one.
        variant: Which shake of the outline, from 0 to `VARIANTS - 1`.
    """
    side = size_px + 4
    centres = np.arange(side) + 0.5 - side / 2
    x, y = np.meshgrid(centres, centres)
    distance = _distance(shape, x, y, size_px / 2, ring_hole(size_px))
    if style == "sketch" and shape != ROBOT:  # machines keep their straight edges
        phase = 2.1 * variant + len(shape)
        angle = np.arctan2(y, x)
        shake = np.sin(3 * angle + phase) + 0.7 * np.sin(5 * angle - 2 * phase) + 0.5 * np.sin(8 * angle + 3 * phase)
        distance = distance + 0.012 * size_px * (shake + 0.4)
    coverage = np.clip(0.5 - distance, 0, 1)
    coverage[coverage < FAINTEST] = 0
    pieces, count = ndimage.label(coverage, np.ones((3, 3)))
    if count > 1:  # a shaken thin tip may come off
        coverage[pieces != 1 + np.argmax(ndimage.sum_labels(coverage, pieces, range(1, count + 1)))] = 0
    rows, columns = np.flatnonzero(coverage.any(1)), np.flatnonzero(coverage.any(0))
    cut = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    coverage, depth = coverage[cut].astype(np.float32), -distance[cut].astype(np.float32)
    for array in (coverage, depth):
        array.flags.writeable = False
    mask = coverage > 0
    mask.flags.writeable = False
    return Stamp(coverage, depth, mask)


def _texture(texture: str, width: int, height: int, period: int) -> np.ndarray:
    """Where the second tone of a texture lies, (h, w) bool."""
    y, x = np.mgrid[0:height, 0:width]
    if texture == "striped":
        return (x + y) % period >= (period + 1) // 2
    row, column = y % period, (x + (y // period % 2) * (period // 2)) % period
    middle = (period - 1) / 2
    return (row - middle) ** 2 + (column - middle) ** 2 <= (0.36 * period) ** 2


def paint(shape: str, silhouette: Stamp, color: str | None, texture: str, style: str, unit: int) -> np.ndarray:
    """Paint a silhouette: (h, w, 3) float32 in 0..255. `unit` is the shorter side of the image, which sets stripes and rims."""
    width, height = silhouette.size
    base = np.asarray(PALETTE[color], dtype=np.float32)
    depth = silhouette.depth
    rim = min(max(1.0, unit / 90), 0.45 * float(depth.max()))
    fill = np.empty((height, width, 3), dtype=np.float32)
    fill[:] = base
    if style == "sketch":
        fill[:] = base + (255 - base) * 0.3
        y, x = np.mgrid[0:height, 0:width]
        fill[(x - y) % max(3, unit // 32) == 0] = base
    if texture != "plain":
        second = base * 0.4 if style == "night" else base + (255 - base) * 0.72
        fill[_texture(texture, width, height, max(4, round(unit / 20)))] = second
    if style == "sketch":
        fill[depth < rim] = base * 0.66
    elif style == "night":
        fill[depth < rim] = base + (255 - base) * 0.45
    else:
        # A rim in the shape's own color keeps small patterned silhouettes whole; a darker one needs more pixels to look good.
        fill[depth < rim * 0.8] = base * (0.8 if unit >= 96 else 1.0)
    if shape == ROBOT:
        _paint_robot_face(fill, rim)
    return fill


def _paint_robot_face(fill: np.ndarray, rim: float) -> None:
    """Two bright eyes and a chest plate, placed by share of the figure's height."""
    height, width = fill.shape[:2]
    middle, radius = (width - 1) / 2, max(0.75, height * 0.05)
    y, x = np.mgrid[0:height, 0:width]
    for side in (-1, 1):
        eye = (x - middle - side * height * 0.095) ** 2 + (y - height * 0.25) ** 2 <= radius**2
        fill[eye] = (255, 244, 160)
    plate = (np.abs(x - middle) < height * 0.12) & (np.abs(y - height * 0.59) < height * 0.06)
    fill[plate] = (190, 214, 228)


def background(size: tuple[int, int], style: str, tone: int) -> np.ndarray:
    """The bare ground of a scene: (H, W, 3) float32 in 0..255. `tone` picks one of several shades."""
    width, height = size
    shades = {
        "flat": ((247, 245, 240), (238, 243, 249), (244, 241, 249), (240, 247, 241)),
        "sketch": ((252, 248, 236), (250, 246, 240), (249, 249, 241), (253, 247, 242)),
        "night": ((22, 26, 40), (30, 24, 42), (18, 32, 40), (28, 28, 34)),
    }[style]
    ground = np.empty((height, width, 3), dtype=np.float32)
    ground[:] = shades[tone % len(shades)]
    if style == "sketch":
        spacing = max(6, min(size) // 12)
        ground[spacing // 2 :: spacing] -= 7
        ground[:, spacing // 2 :: spacing] -= 7
    return ground
