# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""From a picture and phrases to where each phrase is: boxes and one mask, in ORIGINAL image coordinates.

`grounded_sam` is FiVL's way (a detector's boxes become prompts of a segmenter); `MaskSettings` names every setting of the
FiVL pipeline, and `PAPER` sets them as it had them. What the defaults do differently: the best of SAM's three masks
instead of their union, no box borrowed from another phrase, the picture as it is instead of a padded 336-pixel square,
and a union that cannot overflow. `sam3` needs no detector, `boxes` no segmenter, `given` no model at all. Floor 3.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from promvil_hf import masks
from promvil_hf.backends.detectors import Detection, Detector, grounding_dino, on_model
from promvil_hf.backends.segmenters import Segmenter, refined, sam
from promvil_hf.boxes import Box, iou
from promvil_hf.distributed import local_device
from promvil_hf.fivl.fivl_rows import rejected_image
from promvil_hf.frames import PaddedSquare
from promvil_hf.images import UnreadableImage, image_size, read_image
from promvil_hf.jobs import Rejected
from promvil_hf.key_expressions import Rle


GROUNDING_DINO = "IDEA-Research/grounding-dino-tiny"
SAM = "facebook/sam-vit-huge"


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
    "empty mask": "the segmenter gave no pixel for any box",
    "not given": "the file has no place for this phrase in this picture",
    "wrong size": "the given mask is of a picture of another size",
    "image missing": "there is no such file",
    "image unreadable": "the file is no picture that can be decoded whole",
}
FRAMES = ("original", "padded_336")


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

    box_threshold: float = 0.2
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
    detector: str = GROUNDING_DINO,
    segmenter: str = SAM,
    settings: MaskSettings = DEFAULTS,
    device: str = "auto",
    dtype: str = "float32",
) -> MaskAnnotator:
    """`grounded_sam` with checkpoints from the Hub or from folders; `segmenter` may be a SAM or a SAM 2."""
    from transformers import AutoConfig, AutoModelForZeroShotObjectDetection, AutoProcessor

    detect = grounding_dino(
        _ready(AutoModelForZeroShotObjectDetection, detector, device, dtype),
        AutoProcessor.from_pretrained(detector),
        settings.box_threshold,
        settings.batch_size,
    )
    from transformers import Sam2Model, SamModel

    kind = Sam2Model if AutoConfig.from_pretrained(segmenter).model_type.startswith("sam2") else SamModel
    segment = sam(
        _ready(kind, segmenter, device, dtype),
        AutoProcessor.from_pretrained(segmenter),
        settings.sam_masks,
        boxes_at_once=settings.boxes_at_once,
    )
    return grounded_sam(detect, segment, settings)


def load_boxes(
    detector: str = GROUNDING_DINO,
    settings: MaskSettings = DEFAULTS,
    device: str = "auto",
    dtype: str = "float32",
) -> MaskAnnotator:
    """`boxes` with a checkpoint of Grounding DINO."""
    from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

    model = _ready(AutoModelForZeroShotObjectDetection, detector, device, dtype)
    processor = AutoProcessor.from_pretrained(detector)
    return boxes(grounding_dino(model, processor, settings.box_threshold, settings.batch_size), settings)


def load_sam3(
    model: str = "facebook/sam3", settings: MaskSettings = DEFAULTS, device: str = "auto", dtype: str = "float32"
) -> MaskAnnotator:
    """`sam3` with a checkpoint."""
    from transformers import Sam3Model, Sam3Processor

    return sam3(_ready(Sam3Model, model, device, dtype), Sam3Processor.from_pretrained(model), settings)


def _ready(kind, name: str, device: str, dtype: str):
    return kind.from_pretrained(name, dtype=dtype).to(local_device() if device == "auto" else device).eval()


# --- with models ----------------------------------------------------------------------------------


def grounded_sam(detect: Detector, segment: Segmenter, settings: MaskSettings = DEFAULTS) -> MaskAnnotator:
    """A detector finds boxes for each phrase, a segmenter makes a mask of each box, and a phrase gets their union."""

    def annotator(items: Sequence[ImagePhrases]) -> list[tuple[Located | Rejected, ...] | Rejected]:
        pictures = [_Picture.of(item.image, settings.frame) for item in items]
        found = _detected(detect, pictures, items)
        plans = [_Plan.of(each or [], settings) for each in found]
        shown = [
            (picture.shown, plan.boxes)
            for picture, plan in zip(pictures, plans, strict=True)
            if not isinstance(picture, Rejected)
        ]
        segmented = iter(segment(shown))
        results: list[tuple[Located | Rejected, ...] | Rejected] = []
        for picture, plan in zip(pictures, plans, strict=True):
            if isinstance(picture, Rejected):
                results.append(picture)
                continue
            rles = [picture.rle(_settled(mask, settings)) for mask in next(segmented)]
            results.append(tuple(_located(picture, *each, rles) for each in plan.phrases))
        return results

    return annotator


def boxes(detect: Detector, settings: MaskSettings = DEFAULTS) -> MaskAnnotator:
    """A detector only: the mask of a phrase is its boxes, filled."""

    def annotator(items: Sequence[ImagePhrases]) -> list[tuple[Located | Rejected, ...] | Rejected]:
        pictures = [_Picture.of(item.image, settings.frame) for item in items]
        results: list[tuple[Located | Rejected, ...] | Rejected] = []
        for picture, found in zip(pictures, _detected(detect, pictures, items), strict=True):
            if isinstance(picture, Rejected):
                results.append(picture)
                continue
            located = []
            for detections in found:
                kept = [(picture.box(each.box), each.score) for each in detections]
                kept = [(box, score) for box, score in kept if box is not None]
                if not kept:
                    located.append(Rejected("nothing detected"))
                    continue
                own, scores = zip(*kept, strict=True)
                mask = masks.from_boxes(own, picture.size)
                located.append(Located(own, scores, mask) if masks.area(mask) else Rejected("empty mask"))
            results.append(tuple(located))
        return results

    return annotator


def sam3(model, processor, settings: MaskSettings = DEFAULTS, threshold: float = 0.5) -> MaskAnnotator:
    """SAM 3 takes the phrase itself and answers with all instances above `threshold`; a phrase gets their union."""
    import torch

    def annotator(items: Sequence[ImagePhrases]) -> list[tuple[Located | Rejected, ...] | Rejected]:
        results: list[tuple[Located | Rejected, ...] | Rejected] = []
        for item in items:
            picture = _Picture.of(item.image, settings.frame)
            if isinstance(picture, Rejected):
                results.append(picture)
                continue
            located = []
            for start in range(0, len(item.phrases), settings.batch_size):
                phrases = list(item.phrases[start : start + settings.batch_size])
                shown = [picture.shown] * len(phrases)
                inputs = on_model(processor(images=shown, text=phrases, return_tensors="pt"), model)
                with torch.inference_mode():
                    outputs = model(**inputs)
                sizes = [(picture.shown.height, picture.shown.width)] * len(phrases)
                found = processor.post_process_instance_segmentation(outputs, threshold=threshold, target_sizes=sizes)
                located += [_of_instances(picture, each, settings) for each in found]
            results.append(tuple(located))
        return results

    return annotator


def _of_instances(picture: "_Picture", found: dict, settings: MaskSettings) -> Located | Rejected:
    width, height = picture.shown.size
    corners = (found["boxes"].double().cpu() / found["boxes"].new_tensor([width, height] * 2).double().cpu()).tolist()
    scores = found["scores"].float().cpu().tolist()
    pixels = found["masks"].bool().cpu().numpy()
    rles = [picture.rle(_settled(mask, settings)) for mask in pixels]
    detections, places = [], []
    for place, (own, score) in enumerate(zip(corners, scores, strict=True)):
        if (box := Box.clipped(*own)) is not None:
            detections.append(Detection(box, round(score, 4)))
            places.append(place)
    return _located(picture, detections, places, rles)


def _detected(
    detect: Detector, pictures: Sequence, items: Sequence[ImagePhrases]
) -> list[list[list[Detection]] | None]:
    """For each item the detections of each phrase, or None where the picture is rejected."""
    readable = [not isinstance(picture, Rejected) for picture in pictures]
    pairs = [
        (picture.shown, phrase)
        for picture, item, good in zip(pictures, items, readable, strict=True)
        if good
        for phrase in item.phrases
    ]
    flat = iter(detect(pairs)) if pairs else iter(())
    return [[next(flat) for _ in item.phrases] if good else None for item, good in zip(items, readable, strict=True)]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to segment in one picture: boxes without duplicates, and for each phrase its detections and their places
    among those boxes.
    """

    boxes: list[Box]
    phrases: list[tuple[list[Detection], list[int]]]

    @classmethod
    def of(cls, found: list[list[Detection]], settings: MaskSettings) -> "_Plan":
        boxes: list[Box] = []
        phrases = []
        for detections in found:
            own = range(len(boxes)) if settings.merge_across_phrases else range(0)
            places: list[int] = []
            first = len(boxes)
            for detection in detections:
                known = [*own, *range(first, len(boxes))]
                same = (place for place in known if iou(boxes[place], detection.box) > settings.duplicate_iou)
                place = next(same, None)
                if place is None:
                    place = len(boxes)
                    boxes.append(detection.box)
                places.append(place)
            phrases.append((detections, places))
        return cls(boxes, phrases)


def _settled(mask: np.ndarray, settings: MaskSettings) -> np.ndarray:
    return refined(mask, settings.least_part) if settings.refine else mask


def _located(
    picture: "_Picture", detections: Sequence[Detection], places: Sequence[int], rles: Sequence[Rle]
) -> Located | Rejected:
    """The phrase's boxes, each place once, and the union of their masks."""
    first = dict(reversed(list(zip(places, detections, strict=True))))
    kept = [(place, picture.box(first[place].box), first[place].score) for place in sorted(first)]
    kept = [(place, box, score) for place, box, score in kept if box is not None]
    if not kept:
        return Rejected("nothing detected")
    used, own, scores = zip(*kept, strict=True)
    mask = masks.union([rles[place] for place in used])
    return Located(own, scores, mask) if masks.area(mask) else Rejected("empty mask")


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


def padded_square(picture: Image.Image, side: int = 336) -> Image.Image:
    """What FiVL's pipeline shows its models: the picture on a square of CLIP's mean colour, scaled to `side` pixels."""
    square = max(picture.size)
    canvas = Image.new("RGB", (square, square), (122, 116, 104))
    canvas.paste(picture, ((square - picture.width) // 2, (square - picture.height) // 2))
    return canvas.resize((side, side), Image.Resampling.BICUBIC)


# --- given ----------------------------------------------------------------------------------------


def given(path: str | os.PathLike, images: str | os.PathLike | None = None) -> MaskAnnotator:
    """Read places from a file of JSON Lines: `text` with `mask` (COCO run lengths), or with `boxes` in fractions.

    A record names its picture by `image`, the file's name below `images`, or by `image_id`, the name without folder and
    suffix. Texts are compared without case, articles and surplus blanks; records of one picture and text are joined.
    """
    places: dict[tuple[str, str], list[dict]] = {}
    for number, line in enumerate(Path(path).read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = msgspec.json.decode(line)
            name = str(record["image"]) if "image" in record else str(record["image_id"])
            places.setdefault((name, _plain(record["text"])), []).append(
                {"mask": record.get("mask"), "boxes": record.get("boxes", ())}
            )
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
            told = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(
                f"You passed {path} as given masks, and line {number} cannot be read ({told}): a record has image or "
                "image_id, text, and mask or boxes."
            ) from error

    def annotator(items: Sequence[ImagePhrases]) -> list[tuple[Located | Rejected, ...] | Rejected]:
        results: list[tuple[Located | Rejected, ...] | Rejected] = []
        for item in items:
            try:
                size = image_size(item.image)
            except UnreadableImage as error:
                results.append(rejected_image(item.image, error))
                continue
            names = list(_names(item.image, images))
            located = []
            for phrase in item.phrases:
                keys = ((name, _plain(phrase)) for name in names)
                records = next((places[key] for key in keys if key in places), None)
                located.append(Rejected("not given", phrase) if records is None else _joined(records, size))
            results.append(tuple(located))
        return results

    return annotator


def _joined(records: Sequence[dict], size: tuple[int, int]) -> Located | Rejected:
    boxes = tuple(dict.fromkeys(Box(*corners) for record in records for corners in record["boxes"]))
    parts = [Rle.from_dict(record["mask"]) for record in records if record["mask"]]
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
