# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Masks made worse on purpose, for studies of how good masks must be: rows in, the same rows with noisier masks out.

The noise of a mask hangs on the seed, its row, turn and expression alone, so it is the same in every epoch, on
every rank and after a resume.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from promvil_hf import masks
from promvil_hf.key_expressions import KeyExpression


def _perfect(pixels: np.ndarray, level: float, draw: np.random.Generator) -> np.ndarray:
    return pixels


def _dilated(pixels: np.ndarray, level: float, draw: np.random.Generator) -> np.ndarray:
    """Grown on all sides by `level` times the side of a square of its area."""
    radius = level * np.sqrt(pixels.sum())
    return ndimage.distance_transform_edt(~pixels) <= radius


def _shifted(pixels: np.ndarray, level: float, draw: np.random.Generator) -> np.ndarray:
    """Moved by `level` times the side of a square of its area, in a random direction; what leaves the picture is lost."""
    angle, distance = draw.uniform(0, 2 * np.pi), level * np.sqrt(pixels.sum())
    return _moved(pixels, round(distance * np.sin(angle)), round(distance * np.cos(angle)))


def _random(pixels: np.ndarray, level: float, draw: np.random.Generator) -> np.ndarray:
    """The same silhouette at a random place, whole. `level` does not count."""
    height, width = pixels.shape
    ys, xs = pixels.any(1).nonzero()[0], pixels.any(0).nonzero()[0]
    down = int(draw.integers(-ys[0], height - ys[-1]))
    right = int(draw.integers(-xs[0], width - xs[-1]))
    return _moved(pixels, down, right)


def _grounded_sam(pixels: np.ndarray, level: float, draw: np.random.Generator) -> np.ndarray:
    """Like the masks of FiVL's pipeline: a `level` share is of some other place, the others are somewhat too large, with
    their holes filled, as the union of SAM's three candidates is."""
    if draw.random() < level:
        return _random(pixels, level, draw)
    return ndimage.binary_fill_holes(_dilated(pixels, draw.uniform(0.02, 0.2), draw))


def _incomplete(pixels: np.ndarray, level: float, draw: np.random.Generator) -> np.ndarray:
    """Cut off by a straight line in a random direction, which a `level` share of its pixels lies beyond."""
    angle = draw.uniform(0, 2 * np.pi)
    ys, xs = pixels.nonzero()
    along = ys * np.sin(angle) + xs * np.cos(angle)
    kept = np.argsort(along, kind="stable")[: len(along) - round(level * len(along))]
    cut = np.zeros_like(pixels)
    cut[ys[kept], xs[kept]] = True
    return cut


def _moved(pixels: np.ndarray, down: int, right: int) -> np.ndarray:
    moved = np.zeros_like(pixels)
    height, width = pixels.shape
    if abs(down) < height and abs(right) < width:
        moved[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = pixels[
            max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)
        ]
    return moved


KINDS: dict[str, tuple[Callable, float]] = {  # with the level that is meant when none is given
    "perfect": (_perfect, 0.0),
    "dilated": (_dilated, 0.25),
    "shifted": (_shifted, 0.5),
    "random": (_random, 0.0),
    "grounded_sam": (_grounded_sam, 0.42),  # people found 58 % of FiVL's masks relevant
    "incomplete": (_incomplete, 0.5),
}
_SHARES = ("grounded_sam", "incomplete")  # whose level cannot be above 1


@dataclass(frozen=True, slots=True)
class MaskNoise:
    """How masks are spoilt. `level` is the kind's own number (see its function); None takes the usual one.

    "perfect" leaves masks as they are; "dilated" grows them, "shifted" moves them, "random" puts them anywhere,
    "grounded_sam" mixes these as the masks of a detector and a segmenter are, "incomplete" cuts a part of them off.
    """

    kind: str = "perfect"
    level: float | None = None
    seed: int = 0

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"You passed mask noise {self.kind!r}: it is one of {', '.join(KINDS)}.")
        if self.level is not None and (self.level < 0 or (self.kind in _SHARES and self.level > 1)):
            raise ValueError(f"You passed level={self.level} for {self.kind} masks: it is a share, 0 or more.")

    def of(self, expression: KeyExpression, row_id: str) -> KeyExpression:
        """The expression with its mask spoilt; its boxes stay. One without a mask, or with an empty one, stays as it is."""
        if self.kind == "perfect" or expression.mask is None or not masks.area(expression.mask):
            return expression
        spoil, usual = KINDS[self.kind]
        name = f"{self.seed} {row_id} {expression.turn} {expression.text}"
        draw = np.random.default_rng(list(name.encode()))
        pixels = spoil(masks.decode(expression.mask), usual if self.level is None else self.level, draw)
        return KeyExpression(expression.text, expression.turn, expression.boxes, masks.encode(pixels))

    def row(self, row: Mapping) -> dict:
        """A row of FiVL-Instruct with every mask spoilt."""
        spoilt = [
            expression | {"mask": self.of(KeyExpression.from_dict(expression), str(row.get("row_id"))).to_dict()["mask"]}
            for expression in row.get("key_expressions") or ()
        ]
        return {**row, "key_expressions": spoilt}


class NoisyRows:
    """Rows whose masks are spoilt as they are read."""

    def __init__(self, rows: Sequence[Mapping], noise: MaskNoise):
        self.rows, self.noise = rows, noise

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict:
        return self.noise.row(self.rows[index])
