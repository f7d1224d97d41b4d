# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What every detector promises: pictures and nouns in; boxes with scores, and masks where it makes them, out.

`Detector` is a plain callable, so any function is one. The modules beside this one make such callables of models;
`remembered` keeps what a detector said, so that each noun is looked for once in each picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from promvil_hf.boxes import Box, iou
from promvil_hf.key_expressions import Rle


@dataclass(frozen=True, slots=True)
class Detection:
    """One thing that was found: its box, the detector's score for it, and its mask in pixels of the picture, if any."""

    box: Box
    score: float
    mask: Rle | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a detector found for one noun in one picture, in the detector's order.

    `known` is False where the detector has fixed classes and none fits the noun: it did not look, which is not the same as
    finding nothing. `asked` is the class that it looked for, where that is another word ("person" for "man"); the
    score then says nothing about the rest of the noun.
    """

    detections: tuple[Detection, ...] = ()
    known: bool = True
    asked: str = ""

    def __post_init__(self):
        object.__setattr__(self, "detections", tuple(self.detections))


Detector = Callable[[Sequence[tuple[Image.Image, str]]], list[Found]]
"""Looks for nouns or short phrases in pictures: one `Found` for each pair of a picture and a noun, in their order. What a pair
gives does not depend on its neighbours. Boxes are fractions of the picture."""


def remembered(detector: Detector, pictures: int = 1024) -> Detector:
    """The same detector, asked once for each picture and noun; pictures with the same pixels are one. Answers about so many
    pictures are kept, those asked about last.
    """
    answers = by_content(lambda picture: {}, pictures)  # of each picture, by noun

    def detect(pairs: Sequence[tuple[Image.Image, str]]) -> list[Found]:
        kept = {id(picture): answers(picture) for picture in {id(picture): picture for picture, _ in pairs}.values()}
        new: dict[tuple[int, str], tuple[Image.Image, str]] = {}
        for picture, noun in pairs:
            by_noun = kept[id(picture)]
            if noun not in by_noun:
                new.setdefault((id(by_noun), noun), (picture, noun))
        for (picture, noun), found in zip(new.values(), detector(list(new.values())) if new else (), strict=True):
            kept[id(picture)][noun] = found
        return [kept[id(picture)][noun] for picture, noun in pairs]

    return detect


def by_content(make: Callable[[Image.Image], Any], pictures: int = 256) -> Callable[[Image.Image], Any]:
    """`make`, called once for each picture; the results for so many pictures are kept, those asked for last."""
    kept: dict[tuple[str, tuple[int, int], int], Any] = {}

    def result(picture: Image.Image) -> Any:
        # 64 bits, four times as fast as a digest: among a thousand pictures a wrong match has a chance of one in 10^13
        key = picture.mode, picture.size, hash(picture.tobytes())
        kept[key] = kept.pop(key) if key in kept else make(picture)
        if len(kept) > pictures:
            del kept[next(iter(kept))]
        return kept[key]

    return result


def suppressed(detections: Sequence[Detection], overlap: float) -> list[Detection]:
    """In order of falling score, without those that overlap a better one by more than this IoU."""
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda candidate: -candidate.score):
        if all(iou(detection.box, better.box) <= overlap for better in kept):
            kept.append(detection)
    return kept
