# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""From image tokens back to the picture: values per token become a map over the original image.

A token paints its box. Where several see one place (LLaVA-NeXT shows the whole and its tiles), numbers are averaged and
labels are taken from the smallest box. Needs numpy only.
"""

from collections.abc import Sequence

import numpy as np

from promvil_hf.boxes import Box
from promvil_hf.frames import ImageSize


def is_shown(word: str) -> bool:
    """The reference's rule for words that patches say."""
    return "<" not in word and len(word.strip()) > 1


def painted(values: np.ndarray, boxes: Sequence[Box | None], size: ImageSize) -> np.ndarray:
    """Values (…, tokens) as maps (…, height, width), NaN where no token looks."""
    values = _checked(values, boxes)
    width, height = size
    total, count = np.zeros((*values.shape[:-1], height, width)), np.zeros((height, width))
    for token, place in _places(boxes, size):
        total[..., place[0], place[1]] += values[..., token, None, None]
        count[place] += 1
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def labelled(labels: np.ndarray, boxes: Sequence[Box | None], size: ImageSize) -> np.ndarray:
    """Labels (tokens,) as a map (height, width) of whole numbers, -1 where no token looks."""
    labels = _checked(labels, boxes)
    width, height = size
    out = np.full((height, width), -1, np.int64)
    by_size = sorted(_places(boxes, size), key=lambda found: -boxes[found[0]].area)
    for token, place in by_size:
        out[place] = labels[token]
    return out


def small_size(size: ImageSize, most: int = 48) -> ImageSize:
    """A size of the same shape for maps that are stored: at most `most` cells a side."""
    scale = min(1.0, most / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _places(boxes: Sequence[Box | None], size: ImageSize):
    """Each token's box as slices: the pixels whose centres it holds, at least one."""
    width, height = size
    for token, box in enumerate(boxes):
        if box is not None:
            yield token, (_pixels(box.y0, box.y1, height), _pixels(box.x0, box.x1, width))


def _pixels(low: float, high: float, count: int) -> slice:
    start = min(int(np.ceil(low * count - 0.5)), count - 1)
    return slice(start, max(int(np.ceil(high * count - 0.5)), start + 1))


def _checked(values: np.ndarray, boxes: Sequence[Box | None]) -> np.ndarray:
    values = np.asarray(values)
    if values.shape[-1] != len(boxes):
        raise ValueError(
            f"You passed values of shape {values.shape} for {len(boxes)} token boxes: the last axis holds one value for "
            "each image token, those without a place included."
        )
    return values
