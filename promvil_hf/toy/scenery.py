# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A scene: its picture, masks, relations, phrases and key expressions, all made from its objects when asked for.

Scene i depends on the world's config and seed and on i alone. Nothing ever covers anything else, so every mask is whole.
A draw without an unambiguous expression of every level asked for is thrown away. No torch.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from random import Random

import numpy as np
from PIL import Image

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.key_expressions import KeyExpression
from promvil_hf.toy import language, shapes
from promvil_hf.toy.config import WorldConfig
from promvil_hf.toy.objects import ToyObject
from promvil_hf.toy.relations import Geometry, measure
from promvil_hf.toy.sampling import draw_objects


MAX_DRAWS = 2000


@dataclass(frozen=True)
class Scene:
    """A drawn scene and all that is true in it. Pictures, masks, relations and expressions are made when first asked for.

    Args:
        config: The world it belongs to.
        seed: The world's seed.
        index: Its number in that world, from 0.
        objects: What is in it; the position of an object in this tuple is its bit in `geometry`.
        tone: Shade of the background.
    """

    config: WorldConfig
    seed: int
    index: int
    objects: tuple[ToyObject, ...]
    tone: int

    @property
    def image_id(self) -> int:
        """`index + 1`, as Visual Genome counts from 1."""
        return self.index + 1

    @property
    def size(self) -> tuple[int, int]:
        """`(width, height)` in pixels."""
        return self.config.image_size

    def random(self, purpose: str) -> Random:
        """A stream of random numbers of this scene's own, so that one use never shifts another."""
        return Random(f"{self.seed}/{self.index}/{purpose}")

    def image(self) -> Image.Image:
        """The picture, RGB."""
        canvas = shapes.background(self.size, self.config.style, self.tone)
        for thing in self.objects:
            stamp = thing.stamp
            left, top, right, bottom = thing.xyxy_px
            color = shapes.paint(
                thing.name, stamp, thing.color, thing.texture or "plain", self.config.style, self.config.unit
            )
            window = canvas[top:bottom, left:right]
            window += stamp.coverage[..., None] * (color - window)
        return Image.fromarray(np.rint(canvas).astype(np.uint8))

    def label_map(self) -> np.ndarray:
        """Which object each pixel shows: 0 for the ground, position + 1 for an object; (H, W) uint8."""
        labels = np.zeros(self.size[::-1], dtype=np.uint8)
        for position, thing in enumerate(self.objects):
            left, top, right, bottom = thing.xyxy_px
            labels[top:bottom, left:right][thing.stamp.mask] = position + 1
        return labels

    @property
    def masks(self) -> np.ndarray:
        """Exact visible pixels of each object: (n, H, W) bool, in the order of `objects`."""
        return self.label_map()[None] == np.arange(1, len(self.objects) + 1, dtype=np.uint8)[:, None, None]

    @cached_property
    def geometry(self) -> Geometry:
        """Every relation between its objects."""
        return measure(self.objects, self.config.unit)

    @cached_property
    def phrases(self) -> tuple[tuple[language.Noun, ...], ...]:
        """Unambiguous noun phrases per level, from level 1: what expressions and questions are made of."""
        return language.compose(self.objects, self.config, self.geometry, self.random("phrases"))

    def expressions(self, per_level: int = 4) -> tuple[language.Expression, ...]:
        """Up to `per_level` unambiguous expressions of each level, simple to complex, laid out part by part."""
        rng = self.random("choice of expressions")
        return language.expressions(self.phrases, self.objects[0].object_id, per_level, rng)

    def caption(self) -> language.Caption:
        """One sentence that names every object once, with the place of each name in the sentence."""
        return language.caption(self.objects, self.random("caption"))

    def position_of(self, object_id: int) -> int:
        """Position in `objects` of an object id."""
        return object_id - self.objects[0].object_id

    def box(self, position: int) -> Box:
        """Box of the object at a position, as fractions of the image."""
        width, height = self.size
        left, top, right, bottom = self.objects[position].xyxy_px
        return Box(left / width, top / height, right / width, bottom / height)

    def key_expression(self, text: str, turn: int, object_ids: Iterable[int]) -> KeyExpression:
        """A phrase with the boxes and the joined exact mask of the objects it speaks of."""
        positions = [self.position_of(object_id) for object_id in object_ids]
        pixels = np.zeros(self.size[::-1], dtype=bool)
        for position in positions:
            pixels |= self.objects[position].mask(self.size)
        return KeyExpression(text, turn, tuple(map(self.box, positions)), masks.encode(pixels))


def scenes(config: WorldConfig, count: int, seed: int = 0, start: int = 0) -> Iterator[Scene]:
    """Draw scenes one by one, lazily.

    Args:
        config: Which world.
        count: How many.
        seed: Another seed, another world. Splits of one study differ in seed or in `start`.
        start: Number of the first scene; scene `i` is the same whatever `start` and `count` are.
    """
    for index in range(start, start + count):
        yield scene(config, seed, index)


def scene(config: WorldConfig, seed: int, index: int) -> Scene:
    """Draw scene number `index` of the world `(config, seed)`."""
    rng = Random(f"{seed}/{index}/scene")
    for draw in range(MAX_DRAWS):
        if draw % 100 == 0:  # kept over many draws, or crowded scenes would be thrown away more often than others
            count = rng.randint(*config.objects)
        objects = draw_objects(config, count, (index + 1) * 100, rng)
        if objects is None:
            continue
        drawn = Scene(config, seed, index, objects, rng.randrange(4))
        if all(drawn.phrases):
            return drawn
    raise ValueError(
        f"No scene number {index} was found for {config} in {MAX_DRAWS} draws. The world is too tight: pass fewer "
        "objects, more distractors, fewer levels, a smaller object_scale or a larger image_size."
    )
