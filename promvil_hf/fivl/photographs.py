# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Photographs with what is in them, read from COCO's published files: instances, and captions where there are any.

A photograph one of whose annotations cannot be read is rejected whole: a question about what is absent would otherwise be
answered wrongly.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.frames import ImageSize
from promvil_hf.jobs import Rejected
from promvil_hf.json_records import Record, RecordError, document
from promvil_hf.key_expressions import Rle


@dataclass(frozen=True, slots=True)
class Thing:
    """One annotation. `outline` is COCO's `segmentation` as it stands in the file: polygons, run lengths, or nothing."""

    name: str
    box: Box
    outline: list | dict | None
    crowd: bool

    def mask(self, size: ImageSize) -> Rle | None:
        """Its pixels; None where the file has only a box."""
        if not self.outline:
            return None
        if isinstance(self.outline, list):
            return masks.from_polygons(self.outline, size)
        width, height = size
        counts = self.outline["counts"]
        return Rle((height, width), counts) if isinstance(counts, str) else masks.from_run_lengths(counts, (height, width))


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph; `faults` says why it cannot be used, if it cannot."""

    image_id: str
    file_name: str
    size: ImageSize
    things: tuple[Thing, ...] = ()
    captions: tuple[str, ...] = ()
    fault: Rejected | None = None

    @property
    def names(self) -> frozenset[str]:
        """The classes of what is in it."""
        return frozenset(thing.name for thing in self.things)

    def called(self, name: str) -> tuple[Thing, ...]:
        return tuple(thing for thing in self.things if thing.name == name)


@dataclass(slots=True)
class _Read:
    """What files say so far, by the id of a photograph."""

    classes: dict[str, str] = field(default_factory=dict)
    images: dict[str, tuple[str, ImageSize]] = field(default_factory=dict)
    things: dict[str, list[Thing]] = field(default_factory=dict)
    captions: dict[str, list[str]] = field(default_factory=dict)
    faults: dict[str, Rejected] = field(default_factory=dict)
    annotated: set[str] = field(default_factory=set)  # images of the files of instances


def read_photographs(files: Sequence[str | os.PathLike]) -> tuple[tuple[str, ...], list[Photograph]]:
    """The classes, in the file's order, and the photographs of all files of instances, by their ids' order in the files.

    A file of instances has `categories`; one without is a file of captions, and adds to the photographs of the others.
    """
    read = _Read()
    for path in files:
        _read_file(document(path), read)
    if not read.annotated:
        raise RecordError(
            f"None of {', '.join(map(str, files))} holds `categories`: give COCO's file of instances, and its file of captions "
            "beside it if you want questions about captions."
        )
    photographs = [
        Photograph(
            image_id,
            *read.images[image_id],
            tuple(read.things.get(image_id, ())),
            tuple(read.captions.get(image_id, ())),
            read.faults.get(image_id),
        )
        for image_id in read.images
        if image_id in read.annotated
    ]
    return tuple(dict.fromkeys(read.classes.values())), photographs


def _read_file(coco: Record, read: _Read) -> None:
    has_instances = coco.has("categories")
    if has_instances:
        for category in coco.records("categories"):
            read.classes[category.identifier("id")] = category.text("name")
    for image in coco.records("images"):
        image_id = image.identifier("id")
        size = image.whole("width", least=1), image.whole("height", least=1)
        known = read.images.setdefault(image_id, (image.text("file_name"), size))
        if known[1] != size:
            raise RecordError(f"{image.where}: photograph {image_id} is of {size} here and of {known[1]} in another file.")
        if has_instances:
            read.annotated.add(image_id)
    for annotation in coco.records("annotations"):
        image_id = annotation.identifier("image_id")  # without it, nobody knows which photograph the fault is of
        if image_id not in read.images:
            raise RecordError(f"{annotation.where}: `images` has no photograph {image_id!r}.")
        try:
            if has_instances:
                read.things.setdefault(image_id, []).append(_thing(annotation, read.classes, read.images[image_id][1]))
            else:
                read.captions.setdefault(image_id, []).append(" ".join(annotation.text("caption").split()))
        except RecordError as error:
            read.faults.setdefault(image_id, Rejected("unreadable annotation", str(error)))


def _thing(annotation: Record, classes: dict[str, str], size: ImageSize) -> Thing:
    category = annotation.identifier("category_id")
    if category not in classes:
        raise RecordError(f"{annotation.where}: `categories` has no {category!r}.")
    left, top, wide, high = annotation.numbers("bbox", 4)
    width, height = size
    box = Box.clipped(left / width, top / height, (left + wide) / width, (top + high) / height)
    if box is None:
        raise RecordError(f"{annotation.where}: its box is empty or outside the photograph.")
    outline = annotation.get("segmentation", default=None)
    thing = Thing(classes[category], box, outline, bool(annotation.whole("iscrowd", default=0)))
    try:
        mask = thing.mask(size)
    except (ValueError, TypeError, KeyError) as error:
        raise RecordError(f"{annotation.where}: its segmentation cannot be read: {error}") from error
    if mask is not None and mask.image_size != size:
        raise RecordError(f"{annotation.where}: its mask is of {mask.image_size}, the photograph of {size}.")
    return thing
