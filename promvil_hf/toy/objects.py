# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""One thing in a toy scene: what it is called, how it looks, and where its silhouette stands. No torch."""

from dataclasses import dataclass

import numpy as np

from promvil_hf.toy import shapes


@dataclass(frozen=True, slots=True)
class ToyObject:
    """A drawn object. Its box is `x, y, w, h` in whole pixels and equals the bounding box of its mask.

    Args:
        object_id: Unique over all scenes of a world.
        name: Its noun.
        color: None for the robot, as `size` and `texture`.
        size: `"small"` or `"large"`.
        texture: `"plain"`, `"striped"` or `"dotted"`.
        x: Left edge.
        y: Top edge.
        drawn_px: Size its silhouette was asked for.
        variant: Which of the sketched outlines.
        style: Drawing style of its scene.
    """

    object_id: int
    name: str
    color: str | None
    size: str | None
    texture: str | None
    x: int
    y: int
    drawn_px: int
    variant: int
    style: str

    @property
    def stamp(self) -> shapes.Stamp:
        """Its silhouette."""
        return shapes.stamp(self.name, self.drawn_px, self.style, self.variant)

    @property
    def w(self) -> int:
        return self.stamp.size[0]

    @property
    def h(self) -> int:
        return self.stamp.size[1]

    @property
    def xyxy_px(self) -> tuple[int, int, int, int]:
        """Its box as left, top, right, bottom; right and bottom are exclusive."""
        width, height = self.stamp.size
        return self.x, self.y, self.x + width, self.y + height

    @property
    def attributes(self) -> tuple[str, ...]:
        """Its adjectives in speaking order: size, texture, color. Empty for the robot."""
        return tuple(word for word in (self.size, self.texture, self.color) if word)

    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """Its visible pixels in an image of `size` (width, height): (H, W) bool."""
        full = np.zeros((size[1], size[0]), dtype=bool)
        left, top, right, bottom = self.xyxy_px
        full[top:bottom, left:right] = self.stamp.mask
        return full
