# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Masks or boxes of phrases that a file already has, as an annotator like those of `promvil_hf.fivl.mask_making`."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.fivl.fivl_rows import rejected_image
from promvil_hf.fivl.mask_making import ImagePhrases, Located, MaskAnnotator
from promvil_hf.images import UnreadableImage, image_size
from promvil_hf.jobs import Rejected
from promvil_hf.json_records import Record, RecordError, each_record
from promvil_hf.key_expressions import Rle


def given(path: str | os.PathLike, images: str | os.PathLike | None = None) -> MaskAnnotator:
    """Read places from a file of JSON Lines: `text` with `mask` (COCO run lengths), or with `boxes` in fractions.

    A record names its picture by `image`, the file's name below `images`, or by `image_id`, the name without folder and
    suffix. Texts are compared without case, articles and surplus blanks; records of one picture and text are joined.
    """
    places: dict[tuple[str, str], list[_Place]] = {}

    def take(record: Record) -> None:
        key, place = (record.identifier("image", "image_id"), _plain(record.text("text"))), _place(record)
        places.setdefault(key, []).append(place)

    lost = each_record(path, take, "image or image_id, text, and mask or boxes")

    def located(item: ImagePhrases) -> tuple[Located | Rejected, ...] | Rejected:
        try:
            size = image_size(item.image)
        except UnreadableImage as error:
            return rejected_image(item.image, error)
        names = list(_names(item.image, images))
        found = []
        for phrase in item.phrases:
            keys = ((name, _plain(phrase)) for name in names)
            records = next((places[key] for key in keys if key in places), None)
            if records is None:
                found.append(Rejected("not given", f"{phrase}; {lost}" if lost else phrase))
            else:
                found.append(joined(records, size))
        return tuple(found)

    return lambda items: [located(item) for item in items]


def given_by_id(path: str | os.PathLike) -> tuple[dict[str, dict[str, list["_Place"]]], str]:
    """The same form with an `id` instead of a picture: what each row's places are, by text, and what could not be read.

    `text` may be left out.
    """
    places: dict[str, dict[str, list[_Place]]] = {}

    def take(record: Record) -> None:
        row_id, text, place = record.identifier("id"), record.text("text", default=UNNAMED).strip(), _place(record)
        places.setdefault(row_id, {}).setdefault(text or UNNAMED, []).append(place)

    lost = each_record(path, take, "id, mask or boxes, and text")
    return places, lost


_Place = tuple[Rle | None, tuple[Box, ...]]
UNNAMED = "the key region"


def _place(record: Record) -> _Place:
    boxes = record.get("boxes", default=[])
    if not isinstance(boxes, list) or not all(isinstance(box, list) and len(box) == 4 for box in boxes):
        raise record.wrong(("boxes",), boxes, "a list of boxes of four numbers")
    try:
        mask = None
        if record.has("mask"):
            mask_record = record.record("mask")
            mask = Rle(mask_record.numbers("size", 2), mask_record.text("counts"))
            masks.area(mask)  # refuses run lengths that do not fit the size
        elif not boxes:
            raise RecordError(f"{record.where} has neither `mask` nor `boxes`.")
        return mask, tuple(Box(*corners) for corners in boxes)
    except RecordError:
        raise
    except ValueError as error:
        raise RecordError(f"{record.where}: {error}") from None


def joined(found: Sequence[_Place], size: tuple[int, int]) -> Located | Rejected:
    """The places of one phrase as one."""
    boxes = tuple(dict.fromkeys(box for _, place_boxes in found for box in place_boxes))
    parts = [mask for mask, _ in found if mask is not None]
    if len({mask.size for mask in parts}) > 1:
        return Rejected("wrong size", "the given masks are of several sizes")
    mask = masks.union(parts) if parts else masks.from_boxes(boxes, size)
    if mask.image_size != size:
        return Rejected("wrong size", f"the given mask is of {mask.image_size}, the picture of {size}")
    if not masks.area(mask):
        return Rejected("empty mask")
    if not boxes:
        boxes = (masks.bounding_box(mask),)
    return Located(boxes, (1.0,) * len(boxes), mask)


def _names(image: Image.Image | Path, images: str | os.PathLike | None) -> Iterator[str]:
    if isinstance(image, Image.Image):
        return
    if images is not None and image.is_relative_to(images):
        yield image.relative_to(images).as_posix()
    yield image.name
    yield image.stem


_ARTICLE = re.compile(r"^(?:a|an|the|this|that|these|those|some)\s+")


def _plain(text: str) -> str:
    return _ARTICLE.sub("", " ".join(text.casefold().split()))
