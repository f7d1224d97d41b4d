# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Choices among things of one kind: positions in the picture, orders, sizes, the nearest, the other one, colours.

Each function gives a fit in (0, 1] for every candidate. A candidate may be no real thing, so those that compare with the
others take `exists`, how likely each of them is one: a box that is hardly there hardly moves anyone's rank. numpy only.
"""


import numpy as np
from PIL import Image

from promvil_hf.frames import ImageSize
from promvil_hf.grounding.geometry import Pairs, Things
from promvil_hf.grounding.relations import LEAST, rising


_AXES = {"left": (0, 1), "right": (0, -1), "top": (1, 1), "bottom": (1, -1), "back": (1, 1), "front": (1, -1)}
_SIDE_SHARE = 0.7  # of a position's fit that depends on the other candidates


def _bounded(fit: np.ndarray) -> np.ndarray:
    return LEAST + (1 - LEAST) * np.clip(fit, 0.0, 1.0)


def _along(things: Things, side: str, size: ImageSize) -> np.ndarray:
    """How far each thing is from a side, as a share of the picture; front and back count by the lower edge."""
    axis, sign = _AXES[side]
    places = things.boxes[:, 3] if side in ("front", "back") else things.middles[:, axis]
    return sign * places / size[axis]


def beaten(values: np.ndarray, exists: np.ndarray, steepness: float) -> np.ndarray:
    """(n, n): how likely thing j is real and has more than thing i. Never thing i itself."""
    found = rising(values[None] - values[:, None], steepness) * exists[None]
    np.fill_diagonal(found, 0.0)
    return found


def ranked(before: np.ndarray, rank: int) -> np.ndarray:
    """(n, n) chances that j comes before i -> (n,) the chance that exactly `rank` - 1 do."""
    if rank == 1:
        return (1 - before).prod(1)
    count = np.zeros((len(before), rank))  # chances that none, one, two ... come before i, of the j so far
    count[:, 0] = 1.0
    for j in range(len(before)):
        count[:, 1:] = count[:, 1:] * (1 - before[:, j : j + 1]) + count[:, :-1] * before[:, j : j + 1]
        count[:, 0] *= 1 - before[:, j]
    return count[:, -1] if rank <= len(before) else np.zeros(len(before))


def position(things: Things, side: str, exists: np.ndarray, size: ImageSize) -> np.ndarray:
    """ "On the left": in that part of the picture, and rather further there than the others of its kind."""
    if side == "middle":
        away = np.abs(things.middles / size - 0.5) @ [0.8, 0.2]
        absolute = np.exp(-0.5 * (away / 0.15) ** 2)
        relative = ranked(beaten(-away, exists, 20.0), 1)
    else:
        along = _along(things, side, size)
        centre = 0.5 * _AXES[side][1] if side not in ("front", "back") else float(np.mean(along)) if len(along) else 0.0
        absolute = rising(centre - along, 6.0)
        relative = ranked(beaten(-along, exists, 20.0), 1)
    return _bounded(absolute * (1 - _SIDE_SHARE + _SIDE_SHARE * relative))


def order(things: Things, side: str, rank: int, exists: np.ndarray, size: ImageSize) -> np.ndarray:
    """ "Second from the left". Without a side from the left; rank -1 is the last."""
    if side == "middle":
        away = np.abs(things.middles / size - 0.5) @ [0.8, 0.2]
        return _bounded(ranked(beaten(-away, exists, 20.0), max(rank, 1)))
    along = _along(things, side or "left", size)
    if rank < 0:
        along, rank = -along, -rank
    return _bounded(ranked(beaten(-along, exists, 60.0), rank))


def distances(pairs: Pairs) -> np.ndarray:
    """(candidates, evidence): from edge to edge and a little from middle to middle, in the size of the evidence alone, so that a
    large candidate is not nearer for being large."""
    return (pairs.gap + 0.5 * pairs.middle_distance) * pairs.reach / np.sqrt(pairs.b.areas)


def nearest(away_from: np.ndarray, weights: np.ndarray, exists: np.ndarray, farthest: bool = False) -> np.ndarray:
    """The nearest to some evidence: (n, m) distances to its candidates, which have these (m,) weights."""
    found = np.zeros(len(away_from))
    for j, weight in enumerate(weights):
        away = away_from[:, j] if farthest else -away_from[:, j]
        found += weight * ranked(beaten(away, exists, 8.0), 1)
    return _bounded(found)


def sized(things: Things, measure: str, end: int, strictness: int, exists: np.ndarray) -> np.ndarray:
    """ "The largest", and more weakly "the large one"."""
    width, height = things.sizes.T
    logs = end * np.log({"area": width * height, "height": height, "width": width}[measure])
    first = ranked(beaten(logs, exists, 6.0 if measure == "area" else 12.0), 1)
    return _bounded(first if strictness == 2 else 0.25 + 0.75 * first)


def other(things: Things, exists: np.ndarray) -> np.ndarray:
    """ "The other one", which nothing in the expression describes further: not the one that shows most."""
    width, height = things.sizes.T
    return _bounded(1 - 0.7 * exists * ranked(beaten(np.log(width * height), exists, 6.0), 1))


# --- colours --------------------------------------------------------------------------------------

_HUES = {  # degrees, and how many to both sides
    "red": (0, 16), "orange": (28, 16), "yellow": (54, 16), "green": (120, 50), "teal": (175, 25), "turquoise": (175, 25),
    "blue": (220, 40), "purple": (280, 30), "pink": (330, 30),
}  # fmt: skip


def coloured(picture: Image.Image, things: Things, colour: str) -> np.ndarray:
    """The share of each thing's pixels that have a colour: of its mask, else of the middle of its box."""
    step = max(things.step, 1.0)
    small = np.asarray(picture.resize((max(round(picture.width / step), 1), max(round(picture.height / step), 1))))
    has_it = _is_colour(small.reshape(-1, 3), colour).reshape(small.shape[:2])
    shares = np.zeros(len(things))
    for i, box in enumerate(things.boxes):
        mask = things.masks[i] if i < len(things.masks) else None
        if mask is not None and mask.any() and mask.shape == has_it.shape:
            shares[i] = has_it[mask].mean()
            continue
        x0, y0, x1, y1 = box / step
        inset_x, inset_y = 0.15 * (x1 - x0), 0.15 * (y1 - y0)
        rows = slice(int(y0 + inset_y), max(int(y0 + inset_y) + 1, int(y1 - inset_y)))
        columns = slice(int(x0 + inset_x), max(int(x0 + inset_x) + 1, int(x1 - inset_x)))
        part = has_it[rows, columns]
        shares[i] = part.mean() if part.size else 0.0
    return _bounded(np.minimum(shares * 2.5, 1.0))


def _is_colour(pixels: np.ndarray, colour: str) -> np.ndarray:
    """(n, 3) in 0 to 255 -> which of them have the colour, by hue, saturation and brightness."""
    rgb = pixels.astype(float) / 255
    bright, least = rgb.max(-1), rgb.min(-1)
    strong = np.where(bright > 0, (bright - least) / np.maximum(bright, 1e-9), 0.0)
    hue = _hues(rgb, bright, least)
    if colour == "black":
        return bright < 0.25
    if colour == "white":
        return (bright > 0.72) & (strong < 0.2)
    if colour in ("gray", "grey"):
        return (bright > 0.25) & (bright < 0.75) & (strong < 0.2)
    if colour in ("brown", "tan", "beige", "maroon"):
        return (np.abs(hue - 25) < 22) & (strong > 0.2) & (bright < (0.65 if colour in ("brown", "maroon") else 0.9))
    if colour == "navy":
        return (np.abs(hue - 225) < 30) & (strong > 0.3) & (bright < 0.5)
    if colour in ("blond", "golden"):
        return (np.abs(hue - 42) < 18) & (strong > 0.2) & (bright > 0.4)
    middle, width = _HUES[colour]
    away = np.abs((hue - middle + 180) % 360 - 180)
    return (away < width) & (strong > (0.2 if colour == "pink" else 0.35)) & (bright > 0.2)


def _hues(rgb: np.ndarray, bright: np.ndarray, least: np.ndarray) -> np.ndarray:
    """In degrees, 0 for grey."""
    span = np.maximum(bright - least, 1e-9)
    red, green, blue = rgb.T
    below_red = np.where(bright == green, (blue - red) / span + 2, (red - green) / span + 4)
    hue = np.where(bright == red, (green - blue) / span % 6, below_red)
    return np.where(bright > least, 60 * hue, 0.0)
