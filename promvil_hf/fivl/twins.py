# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Perturbation twins of an evaluation row: the same question with what it is about hidden, and the controls.

FiVL hides the bounding boxes of the key expressions. That some accuracy is lost proves little, since hiding anything
costs some; so each row also gets its silhouettes hidden, as many boxes of the same sizes hidden elsewhere, the whole
image hidden, and no image at all. Everything is drawn in original pixels, before any processor.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageFilter

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.fivl.fivl_rows import FivlRow, whole_boxes
from promvil_hf.images import UnreadableImage, as_rgb


KINDS = ("original", "key boxes", "silhouettes", "random boxes", "whole image", "blind")
FILLS = ("black", "mean", "blur", "noise")
PixelBox = tuple[int, int, int, int]  # x0, y0, x1, y1, end not included


@dataclass(frozen=True, slots=True)
class Twin:
    """One version of a row's image. `image` is None where the model is asked blind.

    `covered` is the share of the image's pixels that are hidden, `boxes` are the hidden boxes, and `on_keys` is the share
    of the key boxes' pixels that is hidden: for random boxes 0 where it could be avoided.
    """

    kind: str
    image: Image.Image | None
    covered: float
    boxes: tuple[PixelBox, ...] = ()
    on_keys: float = 0.0


def twins(
    row: FivlRow, image: Image.Image, kinds: Sequence[str] = KINDS, fill: str = "black", seed: int = 0
) -> Iterator[Twin]:
    """The twins of a row, made one by one. The same row, image and seed give the same twins.

    An image of another size than the row's is an `UnreadableImage`.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or fill not in FILLS:
        raise ValueError(
            f"You passed kinds={list(kinds)}, fill={fill!r}: kinds are {', '.join(KINDS)}; fills are {', '.join(FILLS)}."
        )
    picture = as_rgb(image)
    if picture.size != row.image_size:
        raise UnreadableImage(
            f"You passed an image of {picture.size[0]}x{picture.size[1]} for a row of {row.image_size[0]}x"
            f"{row.image_size[1]}: boxes and masks are in original image coordinates, so pass the original image."
        )
    return _twins(row, picture, kinds, fill, seed)


def _twins(row: FivlRow, picture: Image.Image, kinds: Sequence[str], fill: str, seed: int) -> Iterator[Twin]:
    hidden = filling(picture, fill, seed_of(row.row_id, seed))
    keys = key_boxes(row)
    near = _area_of(keys, row.image_size)
    for kind in kinds:
        if kind == "blind":
            yield Twin(kind, None, 1.0, (), 1.0 if near.any() else 0.0)
            continue
        boxes: tuple[PixelBox, ...] = ()
        if kind == "original":
            area = np.zeros_like(near)
        elif kind == "key boxes":
            boxes, area = keys, near
        elif kind == "silhouettes":
            area = _silhouettes(row)
        elif kind == "random boxes":
            boxes = random_boxes(keys, row.image_size, seed_of(row.row_id, seed))
            area = _area_of(boxes, row.image_size)
        else:
            area = np.ones_like(near)
        shown = picture.copy()
        if area.any():
            shown.paste(hidden, mask=Image.fromarray(area))
        on_keys = float(area[near].mean()) if near.any() else 0.0
        yield Twin(kind, shown, float(area.mean()), boxes, on_keys)


def key_boxes(row: FivlRow) -> tuple[PixelBox, ...]:
    """Every box of every key expression once, in whole pixels outwards; where there is none, the box of the mask."""
    found: dict[PixelBox, None] = {}
    for key in row.keys:
        boxes: Iterable[Box] = key.expression.boxes
        if not boxes and key.expression.mask is not None:
            boxes = filter(None, [masks.bounding_box(key.expression.mask)])
        found.update(dict.fromkeys(whole_boxes(boxes, row.image_size)))
    return tuple(found)


def filling(picture: Image.Image, fill: str, seed: int = 0) -> Image.Image:
    """What stands where something is hidden: black, the picture's mean colour, the picture blurred past recognition, or
    noise, in which each pixel has a colour of its own, all equally likely."""
    if fill == "noise":
        return Image.fromarray(np.random.default_rng(seed).integers(256, size=(*picture.size[::-1], 3), dtype=np.uint8))
    if fill == "blur":
        return picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 12))
    mean = tuple(np.asarray(picture).reshape(-1, 3).mean(0).round().astype(int).tolist())
    return Image.new("RGB", picture.size, mean if fill == "mean" else (0, 0, 0))


def random_boxes(boxes: Sequence[PixelBox], image_size: tuple[int, int], seed: int) -> tuple[PixelBox, ...]:
    """As many boxes of the same sizes, each at a place drawn evenly from all that touch none of `boxes`.

    Where there is no such place, from those that touch as little of them as can be. They overlap each other as `boxes` do, as
    far as there is room, so that as much of the picture is hidden.
    """
    rng = np.random.default_rng(seed)
    taken = _sums(_area_of(boxes, image_size))
    placed: list[PixelBox] = []
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        wide, high = x1 - x0, y1 - y0
        touched = _inside(taken, wide, high)  # (H - high + 1, W - wide + 1) places
        overlap = _area_of(boxes[:number], image_size)[y0:y1, x0:x1].sum()  # with the boxes before it
        unlike = np.abs(_inside(_sums(_area_of(placed, image_size)), wide, high) - overlap)
        least = touched == touched.min()
        free = np.flatnonzero(least & (unlike == unlike[least].min()))
        y, x = divmod(int(free[rng.integers(len(free))]), touched.shape[1])
        placed.append((x, y, x + wide, y + high))
    return tuple(placed)


def _sums(area: np.ndarray) -> np.ndarray:
    """(H + 1, W + 1): how many pixels of an area lie above and left of each corner."""
    sums = np.zeros((area.shape[0] + 1, area.shape[1] + 1), np.int64)
    sums[1:, 1:] = area.cumsum(0).cumsum(1)
    return sums


def _inside(sums: np.ndarray, wide: int, high: int) -> np.ndarray:
    """How many pixels of the area lie in a box of this size, for each place of its upper left corner."""
    return sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]


def seed_of(row_id: str, seed: int) -> int:
    """A seed for one row, whatever order rows come in."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{row_id}".encode()).digest()[:8], "big")


def _area_of(boxes: Iterable[PixelBox], image_size: tuple[int, int]) -> np.ndarray:
    area = np.zeros(image_size[::-1], bool)
    for x0, y0, x1, y1 in boxes:
        area[y0:y1, x0:x1] = True
    return area


def _silhouettes(row: FivlRow) -> np.ndarray:
    """The union of the masks; a key expression without a mask counts with its boxes."""
    area = np.zeros(row.image_size[::-1], bool)
    for key in row.keys:
        if key.expression.mask is None:
            area |= _area_of(whole_boxes(key.expression.boxes, row.image_size), row.image_size)
        else:
            area |= masks.decode(key.expression.mask)
    return area


# --- what a set of twins is worth -----------------------------------------------------------------


@dataclass(slots=True)
class TwinSummary:
    """What became of the rows: how many can be perturbed, which answers they have, and how much is hidden in each."""

    rows: int = 0
    without_keys: int = 0
    labels: Counter = field(default_factory=Counter)
    labels_kept: Counter = field(default_factory=Counter)
    covered: dict[str, list[float]] = field(default_factory=dict)
    unavoidable_overlaps: int = 0

    def add(self, answer: str, made: Sequence[Twin]) -> None:
        """Count a row with its twins; none where the row has nothing to hide and drops out."""
        self.rows += 1
        self.labels[_label(answer)] += 1
        if not made:
            self.without_keys += 1
            return
        self.labels_kept[_label(answer)] += 1
        for twin in made:
            self.covered.setdefault(twin.kind, []).append(twin.covered)
            self.unavoidable_overlaps += twin.kind == "random boxes" and twin.on_keys > 0

    def to_dict(self) -> dict:
        return {
            "rows": self.rows,
            "rows_with_twins": self.rows - self.without_keys,
            "rows_without_key_expressions": self.without_keys,
            "labels": dict(sorted(self.labels.items())),
            "labels_of_rows_with_twins": dict(sorted(self.labels_kept.items())),
            "random_boxes_that_had_to_touch_key_boxes": self.unavoidable_overlaps,
            "covered": {
                kind: {
                    "mean": round(float(np.mean(shares)), 4),
                    "quartiles": [round(float(q), 4) for q in np.quantile(shares, [0.25, 0.5, 0.75])],
                }
                for kind, shares in self.covered.items()
            },
        }

    def __str__(self) -> str:
        kept = self.rows - self.without_keys
        before, after = (_balance(labels) for labels in (self.labels, self.labels_kept))
        text = f"{kept:,} of {self.rows:,} rows have something to hide; answers before: {before}; after: {after}"
        shares = ", ".join(f"{kind} {np.mean(values):.1%}" for kind, values in self.covered.items() if kind != "blind")
        return text + (f"; hidden on average: {shares}" if shares else "")


def all_twins(
    rows: Iterable[FivlRow],
    open_image: Callable[[FivlRow], Image.Image],
    kinds: Sequence[str] = KINDS,
    fill: str = "black",
    seed: int = 0,
    summary: TwinSummary | None = None,
) -> Iterator[tuple[FivlRow, Twin]]:
    """Every twin of every row that has key boxes, counted in `summary`. A row without any drops out, and is counted."""
    for row in rows:
        made = list(twins(row, open_image(row), kinds, fill, seed)) if key_boxes(row) else []
        if summary is not None:
            summary.add(row.turns[0].answer, made)
        yield from ((row, twin) for twin in made)


def _label(answer: str) -> str:
    plain = answer.strip().rstrip(".").lower()
    return plain if plain in ("yes", "no") else "other"


def _balance(labels: Counter) -> str:
    total = labels.total()
    return ", ".join(f"{label} {count / total:.0%}" for label, count in sorted(labels.items())) or "none"
