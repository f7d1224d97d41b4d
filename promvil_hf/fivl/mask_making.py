# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""From a picture and phrases to where each phrase is: boxes and one mask, in ORIGINAL image coordinates.

`grounded_sam` is FiVL's way (a detector's boxes become prompts of a segmenter); `MaskSettings` names every setting of the
FiVL pipeline, and `PAPER` sets them as it had them. What the defaults do differently: the best of SAM's three masks
instead of their union, no box borrowed from another phrase, the picture as it is instead of a padded 336-pixel square,
and a union that cannot overflow. `by_phrase` (SAM 3) needs no detector, `boxes` no segmenter. The models themselves are
in `promvil_hf.backends`; `promvil_hf.fivl.given_masks` reads masks from a file.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from promvil_hf import masks
from promvil_hf.backends.detector_loading import load_detector
from promvil_hf.backends.detectors import Detector, Found
from promvil_hf.backends.segmenters import SAM, SAM3, Segmenter, load_sam, refined
from promvil_hf.backends.text_detectors import BOX_THRESHOLD, GROUNDING_DINO
from promvil_hf.boxes import Box, iou
from promvil_hf.fivl.fivl_rows import rejected_image
from promvil_hf.frames import PaddedSquare
from promvil_hf.images import UnreadableImage, read_image
from promvil_hf.jobs import Rejected
from promvil_hf.key_expressions import Rle


@dataclass(frozen=True, slots=True)
class ImagePhrases:
    """A picture, or the path of one, and the phrases to find in it: the item that annotators work on."""

    image: Image.Image | Path
    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Located:
    """Where a phrase is."""

    boxes: tuple[Box, ...]
    scores: tuple[float, ...]
    mask: Rle


MaskAnnotator = Callable[[Sequence[ImagePhrases]], list[tuple[Located | Rejected, ...] | Rejected]]
"""Finds each phrase of each item, or says why it did not; a picture that cannot be read rejects its whole item."""

REASONS = {
    "nothing detected": "the detector found no box above its threshold",
    "unknown to the detector": "the detector has fixed classes, and none of them fits the phrase",
    "empty mask": "the segmenter gave no pixel for any box",
    "not given": "the file has no place for this phrase in this picture",
    "wrong size": "the given mask is of a picture of another size",
    "image missing": "there is no such file",
    "image unreadable": "the file is no picture that can be decoded whole",
}
FRAMES = ("original", "padded_336")
NAMES = ("grounded-sam", "boxes", "sam3")


@dataclass(frozen=True, slots=True)
class MaskSettings:
    """How phrases become masks.

    Args:
        box_threshold: Least score of a box; FiVL's real setting, whose code has 0.3 as its default.
        sam_masks: "best" of SAM's three candidates by its own score, or "union" of them, as FiVL's code did.
        refine: Fill holes and drop specks of a mask.
        least_part: Parts below this share of the largest one's area are specks.
        duplicate_iou: Boxes that overlap more than this are segmented once.
        merge_across_phrases: Look for duplicates among the boxes of all phrases of a picture, as FiVL's code did: the
            later phrase then gets the earlier one's mask. By default only among the boxes of one phrase.
        frame: What the models see: the "original" picture, or FiVL's "padded_336" square.
        boxes_at_once, batch_size: Bounds on memory.
    """

    box_threshold: float = BOX_THRESHOLD
    sam_masks: str = "best"
    refine: bool = True
    least_part: float = 0.1
    duplicate_iou: float = 0.95
    merge_across_phrases: bool = False
    frame: str = "original"
    boxes_at_once: int = 150
    batch_size: int = 8

    def __post_init__(self):
        if self.frame not in FRAMES:
            raise ValueError(f"You passed frame={self.frame!r}: it is one of {', '.join(FRAMES)}.")


DEFAULTS = MaskSettings()
PAPER = MaskSettings(sam_masks="union", merge_across_phrases=True, frame="padded_336")


def load_grounded_sam(
    detector: str = GROUNDING_DINO, segmenter: str = SAM, settings: MaskSettings = DEFAULTS, **where: str
) -> MaskAnnotator:
    """`grounded_sam` with a detector as in `load_detector`; `segmenter` is the checkpoint of a SAM or a SAM 2.

    `where` is the `device` ("auto") and the `dtype` ("float32") of the models.
    """
    detect = load_detector(detector, settings.box_threshold, settings.batch_size, **where)
    return grounded_sam(detect, load_sam(segmenter, settings.sam_masks, settings.boxes_at_once, **where), settings)


def load_boxes(detector: str = GROUNDING_DINO, settings: MaskSettings = DEFAULTS, **where: str) -> MaskAnnotator:
    """`boxes` with a detector as in `load_detector`."""
    return boxes(load_detector(detector, settings.box_threshold, settings.batch_size, **where), settings)


def load_sam3(model: str = SAM3, settings: MaskSettings = DEFAULTS, **where: str) -> MaskAnnotator:
    """`by_phrase` with a checkpoint of SAM 3."""
    return by_phrase(load_detector(model, None, settings.batch_size, **where), settings)


def by_name(
    how: str,
    detector: str,
    segmenter: str | None,
    settings: MaskSettings = DEFAULTS,
    others: Mapping[str, Callable[..., MaskAnnotator]] | None = None,
    **where: str,
) -> tuple[Callable[[], MaskAnnotator], dict]:
    """What makes the annotator called "grounded-sam", "boxes" or "sam3", and what a job must say of it.

    `others` are loaders by name that take a detector's and a segmenter's name, from rooms above this one.
    """
    known = {
        "grounded-sam": (load_grounded_sam, {"detector": detector, "segmenter": segmenter or SAM}),
        "boxes": (load_boxes, {"detector": detector}),
        "sam3": (load_sam3, {"model": segmenter or SAM3}),
        **{name: (load, {"detector": detector, "segmenter": segmenter}) for name, load in (others or {}).items()},
    }
    load, models = known[how]
    describe = {"annotator": how.replace("-", "_"), **models, "settings": asdict(settings), "dtype": where.get("dtype")}
    return partial(load, *models.values(), settings, **where), describe


def grounded_sam(detect: Detector, segment: Segmenter, settings: MaskSettings = DEFAULTS) -> MaskAnnotator:
    """A detector finds boxes for each phrase, a segmenter makes a mask of each box, and a phrase gets their union."""

    def locate(asked: Sequence["_Asked"]) -> Iterator[tuple[Located | Rejected, ...]]:
        plans = [_Plan.of(found, settings) for found in _detected(detect, asked)]
        segmented = segment([(picture.shown, plan.boxes) for (picture, _), plan in zip(asked, plans, strict=True)])
        for (picture, _), plan, found in zip(asked, plans, segmented, strict=True):
            rles = [picture.rle(_settled(mask, settings)) for mask in found]
            yield tuple(_located(picture, *each, rles) for each in plan.phrases)

    return _annotator(locate, settings)


def boxes(detect: Detector, settings: MaskSettings = DEFAULTS) -> MaskAnnotator:
    """A detector only: the mask of a phrase is its boxes, filled."""

    def locate(asked: Sequence["_Asked"]) -> Iterator[tuple[Located | Rejected, ...]]:
        for (picture, _), found in zip(asked, _detected(detect, asked), strict=True):
            yield tuple(_filled(picture, detections) for detections in found)

    return _annotator(locate, settings)


def by_phrase(detect: Detector, settings: MaskSettings = DEFAULTS) -> MaskAnnotator:
    """A detector that makes masks itself, such as SAM 3: a phrase gets the union of its instances."""

    def locate(asked: Sequence["_Asked"]) -> Iterator[tuple[Located | Rejected, ...]]:
        for (picture, _), found in zip(asked, _detected(detect, asked), strict=True):
            located = []
            for phrase_found in found:
                size = picture.shown.size
                seen = [
                    masks.from_boxes([each.box], size) if each.mask is None else each.mask for each in phrase_found.detections
                ]
                rles = [picture.rle(_settled(masks.decode(mask), settings)) for mask in seen]
                located.append(_located(picture, phrase_found, range(len(rles)), rles))
            yield tuple(located)

    return _annotator(locate, settings)


def _annotator(locate: Callable[[Sequence["_Asked"]], Iterator], settings: MaskSettings) -> MaskAnnotator:
    """`locate` finds the phrases of the pictures that can be read; the others reject their items."""

    def annotator(items: Sequence[ImagePhrases]) -> list[tuple[Located | Rejected, ...] | Rejected]:
        pictures = [_Picture.of(item.image, settings.frame) for item in items]
        located = locate(
            [
                (picture, item.phrases)
                for picture, item in zip(pictures, items, strict=True)
                if not isinstance(picture, Rejected)
            ]
        )
        return [picture if isinstance(picture, Rejected) else next(located) for picture in pictures]

    return annotator


def _detected(detect: Detector, asked: Sequence["_Asked"]) -> list[list[Found]]:
    """For each picture what was found for each phrase."""
    pairs = [(picture.shown, phrase) for picture, phrases in asked for phrase in phrases]
    flat = iter(detect(pairs)) if pairs else iter(())
    return [[next(flat) for _ in phrases] for _, phrases in asked]


def _filled(picture: "_Picture", found: Found) -> Located | Rejected:
    kept = [(picture.box(each.box), each.score) for each in found.detections]
    kept = [(box, score) for box, score in kept if box is not None]
    if not kept:
        return _nothing(found)
    boxes, scores = zip(*kept, strict=True)
    mask = masks.from_boxes(boxes, picture.size)
    return Located(boxes, scores, mask) if masks.area(mask) else Rejected("empty mask")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to segment in one picture: boxes without duplicates, and for each phrase its detections and their places
    among those boxes.
    """

    boxes: list[Box]
    phrases: list[tuple[Found, list[int]]]

    @classmethod
    def of(cls, found: list[Found], settings: MaskSettings) -> "_Plan":
        boxes: list[Box] = []
        phrases = []
        for phrase_found in found:
            earlier = range(len(boxes)) if settings.merge_across_phrases else range(0)
            places: list[int] = []
            first = len(boxes)
            for detection in phrase_found.detections:
                known = [*earlier, *range(first, len(boxes))]
                same = (place for place in known if iou(boxes[place], detection.box) > settings.duplicate_iou)
                place = next(same, None)
                if place is None:
                    place = len(boxes)
                    boxes.append(detection.box)
                places.append(place)
            phrases.append((phrase_found, places))
        return cls(boxes, phrases)


def _settled(mask: np.ndarray, settings: MaskSettings) -> np.ndarray:
    return refined(mask, settings.least_part) if settings.refine else mask


def _located(picture: "_Picture", found: Found, places: Sequence[int], rles: Sequence[Rle]) -> Located | Rejected:
    """The phrase's boxes, each place once, and the union of their masks."""
    first = dict(reversed(list(zip(places, found.detections, strict=True))))
    kept = [(place, picture.box(first[place].box), first[place].score) for place in sorted(first)]
    kept = [(place, box, score) for place, box, score in kept if box is not None]
    if not kept:
        return _nothing(found)
    used, boxes, scores = zip(*kept, strict=True)
    mask = masks.union([rles[place] for place in used])
    return Located(boxes, scores, mask) if masks.area(mask) else Rejected("empty mask")


def _nothing(found: Found) -> Rejected:
    return Rejected("nothing detected" if found.known else "unknown to the detector")


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture as the models see it, and the way back to the original."""

    shown: Image.Image
    size: tuple[int, int]
    padded: PaddedSquare | None

    @classmethod
    def of(cls, image: Image.Image | Path, frame: str) -> "_Picture | Rejected":
        try:
            picture = read_image(image)
        except UnreadableImage as error:
            return rejected_image(image, error)
        if frame == "original":
            return cls(picture, picture.size, None)
        return cls(padded_square(picture), picture.size, PaddedSquare(side=336))

    def box(self, box: Box) -> Box | None:
        if self.padded is None:
            return box
        return Box.clipped(*self.padded.corners([corner * 336 for corner in box.xyxy], self.size))

    def rle(self, mask: np.ndarray) -> Rle:
        if self.padded is None:
            return masks.encode(mask)
        square = max(self.size)
        large = Image.fromarray(mask).resize((square, square), Image.Resampling.NEAREST)
        left, top = ((square - side) // 2 for side in self.size)
        return masks.encode(np.asarray(large)[top : top + self.size[1], left : left + self.size[0]])


_Asked = tuple[_Picture, tuple[str, ...]]  # a picture and the phrases to find in it


def padded_square(picture: Image.Image, side: int = 336) -> Image.Image:
    """What FiVL's pipeline shows its models: the picture on a square of CLIP's mean colour, scaled to `side` pixels."""
    square = max(picture.size)
    canvas = Image.new("RGB", (square, square), (122, 116, 104))
    canvas.paste(picture, ((square - picture.width) // 2, (square - picture.height) // 2))
    return canvas.resize((side, side), Image.Resampling.BICUBIC)
