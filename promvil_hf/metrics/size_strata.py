# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The size of what is asked for and the shape of its picture, as labels that scores are divided by."""

from collections.abc import Sequence

import numpy as np

from promvil_hf.frames import ImageSize


REF_L4_SIDES = (128, 256)  # root of the area in pixels: small below, medium from one to the other inclusive, large above
COCO_SIDES = (32, 96)
ASPECTS = (("taller than 4:3", 3 / 4), ("within 4:3", 4 / 3), ("wider than 4:3", 2.0), ("wider than 2:1", np.inf))


def ref_l4_sizes(areas: Sequence[float]) -> list[str]:
    """Ref-L4's rule, over areas in pixels of the original photograph.

    >>> ref_l4_sizes([127.9**2, 128**2, 256**2, 256.1**2])
    ['small', 'medium', 'medium', 'large']
    """
    small, large = REF_L4_SIDES
    return _sizes(areas, lambda side: side < small, lambda side: side > large)


def coco_sizes(areas: Sequence[float]) -> list[str]:
    """COCO's rule for areas in pixels, here of the box: small below 32 x 32, large from 96 x 96 on.

    >>> coco_sizes([1023, 1024, 9215, 9216])
    ['small', 'medium', 'medium', 'large']
    """
    small, large = COCO_SIDES
    return _sizes(areas, lambda side: side < small, lambda side: side >= large)


def aspect_labels(sizes: Sequence[ImageSize]) -> list[str]:
    """The shape of each picture, by width over height.

    >>> aspect_labels([(300, 400), (200, 300), (640, 480), (1920, 1080), (2100, 900)])
    ['within 4:3', 'taller than 4:3', 'within 4:3', 'wider than 4:3', 'wider than 2:1']
    """
    ratios = np.array([width / height for width, height in sizes])
    bounds = [bound for _, bound in ASPECTS[:-1]]
    place = np.where(ratios < bounds[0], 0, 1 + np.searchsorted(bounds[1:], ratios, side="left"))
    return [ASPECTS[index][0] for index in place]


_ORDER = ("small", "medium", "large", *(name for name, _ in ASPECTS))


def is_ordered(labels: Sequence[str]) -> bool:
    """Whether these are the labels of one of these strata."""
    return set(labels) <= set(_ORDER)


def ordered(labels: Sequence[str]) -> list[str]:
    """The labels of these strata from small to large, and from tall to wide."""
    return sorted(set(labels), key=_ORDER.index)


def _sizes(areas: Sequence[float], is_small, is_large) -> list[str]:
    sides = np.sqrt(np.asarray(areas, float))
    if np.isnan(sides).any():
        raise ValueError(f"You passed {int(np.isnan(sides).sum())} areas that are no number: pass the area of each row's box.")
    return np.where(is_small(sides), "small", np.where(is_large(sides), "large", "medium")).tolist()
