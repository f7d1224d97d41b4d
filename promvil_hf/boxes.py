# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The one box of this package: fractions of the ORIGINAL image, x to the right, y down, x0 < x1 and y0 < y1. And its point.

Every other way to write a box (pixels, a padded square, thousandths, grid cells) is a frame: see `promvil_hf.frames`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle inside the image. The constructor refuses anything else, so every `Box` is usable."""

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self):
        if type(self.x0) is type(self.y0) is type(self.x1) is type(self.y1) is float:  # as most are: quick
            if 0.0 <= self.x0 < self.x1 <= 1.0 and 0.0 <= self.y0 < self.y1 <= 1.0:
                return
        corners = []
        for name in ("x0", "y0", "x1", "y1"):
            value = getattr(self, name)
            try:
                number = math.nan if isinstance(value, bool) else float(value)
            except (TypeError, ValueError, OverflowError):
                number = math.nan
            if not math.isfinite(number):
                raise ValueError(f"You passed {name}={value!r} to Box: each coordinate must be a finite number.")
            object.__setattr__(self, name, number)
            corners.append(number)
        x0, y0, x1, y1 = corners
        if not (0.0 <= x0 < x1 <= 1.0 and 0.0 <= y0 < y1 <= 1.0):
            raise ValueError(
                f"You passed ({x0}, {y0}, {x1}, {y1}) to Box: it needs 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1, in "
                "fractions of the original image. Convert from pixels or a model's own numbers with "
                "`promvil_hf.frames`, or cut the part outside with `Box.clipped`."
            )

    @classmethod
    def clipped(cls, x0: float, y0: float, x1: float, y1: float) -> "Box | None":
        """The part of a rectangle that lies in the image, or None where nothing is left (or a corner is no number)."""
        if not all(map(math.isfinite, (x0, y0, x1, y1))):
            return None
        x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, 1.0), min(y1, 1.0)
        return cls(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        return self.x0, self.y0, self.x1, self.y1

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Point:
    """A place inside the image, in fractions of it. The constructor refuses anything else."""

    x: float
    y: float

    def __post_init__(self):
        if not all(isinstance(value, int | float) and 0.0 <= value <= 1.0 for value in (self.x, self.y)):
            raise ValueError(
                f"You passed ({self.x!r}, {self.y!r}) to Point: both are fractions of the original image, from 0 to 1."
            )

    @property
    def xy(self) -> tuple[float, float]:
        return self.x, self.y

    def is_in(self, box: Box) -> bool:
        """Edges belong to the box."""
        return box.x0 <= self.x <= box.x1 and box.y0 <= self.y <= box.y1


def iou(a: Box, b: Box) -> float:
    """Intersection over union; disjoint boxes give 0."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    if width <= 0 or height <= 0:
        return 0.0
    inside = width * height
    return inside / (a.area + b.area - inside)


def union(boxes: Iterable[Box]) -> Box:
    """The smallest box around all of them."""
    boxes = list(boxes)
    if not boxes:
        raise ValueError("You asked for the union of no boxes: pass at least one.")
    return Box(
        min(box.x0 for box in boxes),
        min(box.y0 for box in boxes),
        max(box.x1 for box in boxes),
        max(box.y1 for box in boxes),
    )
