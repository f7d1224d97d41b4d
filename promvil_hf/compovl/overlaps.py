# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How two boxes of one image overlap, as composing needs to know it: corners in, millions of times."""

from promvil_hf.compovl.scene_graph import Corners


def same_box(a: Corners, b: Corners, least: float) -> bool:
    """Whether two boxes are of one thing: they overlap by `least`, or nearly so and one lies in the other."""
    inside = _common(a, b)
    if not inside:
        return False
    union = area(a) + area(b) - inside
    return inside >= least * union or (inside >= 0.7 * least * union and share(a, b) >= 0.95)


def share(a: Corners, b: Corners) -> float:
    """How much of the smaller box lies in the other."""
    smaller = min(area(a), area(b))
    return _common(a, b) / smaller if smaller else 0.0


def closeness(a: Corners, b: Corners) -> float:
    """The share of the smaller box that lies in the other, or for boxes apart how far apart they are, as a negative number."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return share(a, b) if width > 0 and height > 0 else min(width, height, 0.0)


def area(a: Corners) -> float:
    """In image areas."""
    return (a[2] - a[0]) * (a[3] - a[1])


def _common(a: Corners, b: Corners) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0
