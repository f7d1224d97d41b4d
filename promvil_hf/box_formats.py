# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Boxes people already have, in and out: COCO files, ms-swift `objects`, PromViL's rows, conversations in any dialect.

All of them meet in `GroundedImage`. A conversation is LLaVA's or Qwen's by its dialect, whose frame says what the numbers
count: `LlavaBrackets()` for fractions of the padded square, `QwenJson()` for thousandths (Qwen2-VL, Qwen3-VL),
`QwenJson(frame=ResizedPixels(size))` for pixels of the resized image (Qwen2.5-VL). Out and in again gives the same
phrases, and the same boxes within the frame's `resolution`.

What is wrong with one row or one box comes back as `Rejected` with the reason, and the rest goes on; a file or an argument
that cannot be right raises. None of these formats holds nesting: a chain leaves as its phrases.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promvil_hf.boxes import Box
from promvil_hf.dialects import GroundingDialect, LlavaBrackets
from promvil_hf.dialects.base import EMPTY_BOX, MALFORMED, NO_BOX, OUT_OF_RANGE
from promvil_hf.frames import Fractions, Frame, ImageSize, Pixels
from promvil_hf.jobs import Rejected
from promvil_hf.markup import escape, unescape
from promvil_hf.phrases import PROMVIL, PROMVIL_VSR, GroundedPhrase, PhraseChain, PhraseStep, from_row, to_row


NO_PHRASE = "no phrase"
NO_IMAGE = "no image"
NO_IMAGE_SIZE = "no image size"
CROWD = "crowd"
POINT = "a point, not a box"


@dataclass(frozen=True, slots=True)
class GroundedImage:
    """An image, by name, and the phrases grounded in it. Phrases of the same text become one, with all their boxes.

    `size` is the original (width, height); None where the boxes came in a frame that does not need it.
    """

    image: str
    size: ImageSize | None
    phrases: tuple[GroundedPhrase, ...]

    def __post_init__(self):
        boxes: dict[str, list[Box]] = {}
        for phrase in self.phrases:
            if not phrase.text.strip():
                raise ValueError(
                    f"You passed a blank phrase for image {self.image!r}: each phrase must name something."
                )
            boxes.setdefault(phrase.text, []).extend(phrase.boxes)
        object.__setattr__(self, "phrases", tuple(GroundedPhrase(text, phrase_boxes) for text, phrase_boxes in boxes.items()))

    @classmethod
    def from_chain(cls, chain: PhraseChain, image: str, size: ImageSize | None) -> "GroundedImage":
        """The phrases of a chain, without what refers to what."""
        return cls(image, size, tuple(step.target for step in chain.steps))

    def to_chain(self, image_id: str | None = None) -> PhraseChain:
        """A chain of the phrases side by side; `promvil_hf.nesting` finds which describe which."""
        return PhraseChain(
            self.image if image_id is None else image_id, [PhraseStep(phrase) for phrase in self.phrases]
        )


@dataclass(frozen=True, slots=True)
class Imported:
    """What came in, and what did not: one `Rejected` for each row or box left behind."""

    images: tuple[GroundedImage, ...]
    rejects: tuple[Rejected, ...] = ()


# COCO


def to_coco(images: Iterable[GroundedImage], phrases_as: str = "category") -> dict[str, list[dict[str, Any]]]:
    """A COCO instances file: xywh in pixels; each phrase a category of its own, or `phrases_as="caption"` of its boxes."""
    if phrases_as not in ("category", "caption"):
        raise ValueError(f'You passed phrases_as={phrases_as!r}: it is "category" or "caption".')
    frame = Pixels(wh=True)
    categories: dict[str, int] = {} if phrases_as == "category" else {"phrase": 1}
    out_images, annotations = [], []
    for image_id, grounded in enumerate(images, 1):
        width, height = _size_of(grounded)
        out_images.append({"id": image_id, "file_name": grounded.image, "width": width, "height": height})
        for phrase, box in _boxes_of(grounded):
            xywh = frame.encode(box, grounded.size)
            name = phrase if phrases_as == "category" else "phrase"
            category = categories.setdefault(name, len(categories) + 1)
            annotation = {"id": len(annotations) + 1, "image_id": image_id, "category_id": category}
            annotation |= {"bbox": list(xywh), "area": xywh[2] * xywh[3], "iscrowd": 0}
            annotations.append(annotation if phrases_as == "category" else annotation | {"caption": phrase})
    named = [{"id": number, "name": name} for name, number in categories.items()]
    return {"images": out_images, "annotations": annotations, "categories": named}


def from_coco(file: Mapping[str, Any], cut_outside: bool = False) -> Imported:
    """Every image of a COCO file, in order; a phrase is an annotation's `caption` or else its category's name.

    A box up to one pixel outside the image is cut to it; one further out is rejected, unless `cut_outside`.
    Crowd regions are rejected: their box is not that of one thing.
    """
    top = file if isinstance(file, Mapping) else {}
    if not all(
        isinstance(entries, list) for entries in (top.get("images"), top.get("annotations"), top.get("categories", []))
    ):
        raise ValueError(
            "You passed something that is no COCO instances file: it needs the lists `images`, `annotations` and, if "
            "anything, `categories`. A results file has no image sizes: put it in as the `annotations` of its own file."
        )
    rejects: list[Rejected] = []
    known = [entry for entry in file.get("categories", []) if isinstance(entry, Mapping)]
    names = {entry["id"]: entry.get("name") for entry in known if _is_id(entry.get("id"))}
    sizes: dict[int | str, tuple[str, ImageSize]] = {}
    phrases: dict[int | str, list[GroundedPhrase]] = {}
    for position, entry in enumerate(file["images"]):
        entry = entry if isinstance(entry, Mapping) else {}
        image_id, size = entry.get("id"), _size(entry)
        if not _is_id(image_id) or image_id in sizes:
            rejects.append(Rejected(MALFORMED, f"image {position} has the id {image_id!r}, which is none or taken"))
        elif size is None:
            rejects.append(Rejected(NO_IMAGE_SIZE, f"image {image_id}"))
        else:
            sizes[image_id] = (str(entry.get("file_name") or image_id), size)
            phrases[image_id] = []
    for position, entry in enumerate(file["annotations"]):
        entry = entry if isinstance(entry, Mapping) else {}
        where = f"annotation {entry.get('id', f'at {position}')} of image {entry.get('image_id')}: {entry.get('bbox')}"
        image_id, category = entry.get("image_id"), entry.get("category_id")
        text = entry.get("caption") or (names.get(category) if _is_id(category) else None)
        if not _is_id(image_id) or image_id not in sizes:
            problem = NO_IMAGE
        elif entry.get("iscrowd"):
            problem = CROWD
        elif not isinstance(text, str) or not text.strip():
            problem = NO_PHRASE
        elif entry.get("bbox") is None:
            problem = NO_BOX
        else:
            box = _box(Pixels(wh=True), entry["bbox"], sizes[image_id][1], cut_outside)
            if isinstance(box, Box):
                phrases[image_id].append(GroundedPhrase(text, (box,)))
                continue
            problem = box
        rejects.append(Rejected(problem, where))
    images = (GroundedImage(name, size, tuple(phrases[image_id])) for image_id, (name, size) in sizes.items())
    return Imported(tuple(images), tuple(rejects))


# ms-swift


_PLACE = re.compile(r"<(ref-object|bbox)>")


def to_swift(
    grounded: GroundedImage, bbox_type: str = "real", question: str = "Locate {phrase} in the image."
) -> dict:
    """An ms-swift grounding row: a turn per phrase, with `<ref-object>` and `<bbox>` where text and boxes go in.

    `bbox_type="real"` writes pixels of the original image, `"norm1"` fractions; ms-swift turns both into the model's own.
    """
    frame, size = _swift_frame(bbox_type), _size_of(grounded) if bbox_type == "real" else grounded.size
    messages: list[dict[str, str]] = []
    for phrase in _phrases_with_boxes(grounded):
        opening = "" if messages else "<image>"
        messages += [
            {"role": "user", "content": opening + question.replace("{phrase}", "<ref-object>")},
            {"role": "assistant", "content": "<bbox>" * len(phrase.boxes)},
        ]
    boxes = [list(frame.encode(box, size)) for _, box in _boxes_of(grounded)]
    objects = {"ref": [escape(phrase.text) for phrase in grounded.phrases], "bbox": boxes, "bbox_type": bbox_type}
    return {"messages": messages, "images": [grounded.image], "objects": objects}


def from_swift(
    row: Mapping[str, Any], image_sizes: Sequence[ImageSize] | None = None, cut_outside: bool = False
) -> Imported:
    """One ms-swift row; a box belongs to the `<ref-object>` last named before it. One `GroundedImage` per image named.

    `image_sizes` has the original (width, height) of each of the row's images; `bbox_type` "norm1" does without.
    """
    objects = row.get("objects") if isinstance(row, Mapping) else None
    messages, images = (row.get(key) if isinstance(row, Mapping) else None for key in ("messages", "images"))
    if not isinstance(objects, Mapping) or not isinstance(messages, list):
        return _refused(MALFORMED, "the row has no `messages` or no `objects`")
    images = [images] if isinstance(images, str) else images
    if not isinstance(images, list) or not images or not all(isinstance(image, str) for image in images):
        return _refused(NO_IMAGE, f"images={images!r}")
    if image_sizes is not None and len(image_sizes) != len(images):
        raise ValueError(
            f"You passed {len(image_sizes)} image_sizes for a row of {len(images)} images: give one each."
        )
    refs, boxes, which = (objects.get(key) or [] for key in ("ref", "bbox", "image_id"))
    bbox_type = objects.get("bbox_type") or "real"
    if not all(isinstance(entry, list) for entry in (refs, boxes, which)) or bbox_type not in ("real", "norm1"):
        return _refused(MALFORMED, f"objects of bbox_type {bbox_type!r}, with {refs!r:.80}")
    if bbox_type == "real" and image_sizes is None:
        return _refused(NO_IMAGE_SIZE, 'bbox_type "real" counts pixels: pass image_sizes')
    which = which or [0] * len(boxes)
    places = [place for message in messages for place in _PLACE.findall(_text(message))]
    if places.count("ref-object") != len(refs) or places.count("bbox") != len(boxes) or len(which) != len(boxes):
        counted = f"{places.count('ref-object')} <ref-object> for {len(refs)}, {places.count('bbox')} <bbox> for {len(boxes)}"
        return _refused(MALFORMED, f"places and objects differ: {counted}, {len(which)} image_id")
    frame, rejects = _swift_frame(bbox_type), []
    phrases: list[list[GroundedPhrase]] = [[] for _ in images]
    named, pending = iter(refs), iter(zip(boxes, which, strict=True))
    text: Any = None
    for place in places:
        if place == "ref-object":
            text = next(named)
            continue
        numbers, image = next(pending)
        if not isinstance(image, int) or not 0 <= image < len(images):
            problem: Box | str = NO_IMAGE
        elif not isinstance(text, str) or not text.strip():
            problem = NO_PHRASE
        elif isinstance(numbers, list) and len(numbers) == 2:
            problem = POINT
        else:
            problem = _box(frame, numbers, image_sizes[image] if image_sizes else None, cut_outside)
        if isinstance(problem, Box):
            phrases[image].append(GroundedPhrase(unescape(text), (problem,)))
        else:
            rejects.append(Rejected(problem, f"{text!r:.80} at {numbers!r:.80} of image {image!r}"))
    found = zip(images, image_sizes or [None] * len(images), phrases, strict=True)
    return Imported(tuple(GroundedImage(name, size, tuple(image_phrases)) for name, size, image_phrases in found), tuple(rejects))


def _swift_frame(bbox_type: str) -> Frame:
    if bbox_type not in ("real", "norm1"):
        raise ValueError(
            f'You passed bbox_type={bbox_type!r}: ms-swift knows "real" (pixels) and "norm1" (fractions).'
        )
    return Pixels() if bbox_type == "real" else Fractions()


# PromViL


def to_promvil(grounded: GroundedImage) -> dict[str, Any]:
    """A training row of PromViL: each phrase a text of its own, in the words it has."""
    phrases = _phrases_with_boxes(grounded)
    # A simple noun would be put in the plural, as PromViL's own rows are, and come back so.
    levels = (1 if PROMVIL.alone(phrase.text, 1) == phrase.text else 2 for phrase in phrases)
    steps = [PhraseStep(phrase, own_level=level) for phrase, level in zip(phrases, levels, strict=True)]
    return to_row(PhraseChain(grounded.image, steps), grounded.image)


def from_promvil(row: Mapping[str, Any]) -> Imported:
    """The phrases of one training row, nested or not; a question with its answer has no boxes."""
    if not row.get("bboxes"):
        return _refused(NO_BOX, f"a {row.get('dataset')!r} row without boxes")
    refused = ""
    for wording in (PROMVIL, PROMVIL_VSR):
        try:
            return Imported((GroundedImage.from_chain(from_row(row, wording), row["image_path"], None),))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            refused = refused or str(error)
    return _refused(MALFORMED, refused)


# Conversations


def to_conversation(grounded: GroundedImage, dialect: GroundingDialect) -> dict[str, Any]:
    """A LLaVA-style row, which Qwen's own trainer reads too: per phrase a question and its boxes as the dialect writes them."""
    turns: list[dict[str, str]] = []
    for phrase in _phrases_with_boxes(grounded):
        opening = "" if turns else "<image>\n"
        turns += [
            {"from": "human", "value": opening + dialect.prompt(phrase.text, image_size=grounded.size)},
            {"from": "gpt", "value": dialect.target(phrase, image_size=grounded.size)},
        ]
    width, height = grounded.size or (None, None)
    return {"id": grounded.image, "image": grounded.image, "width": width, "height": height, "conversations": turns}


def from_conversation(
    row: Mapping[str, Any], dialect: GroundingDialect, image_size: ImageSize | None = None
) -> Imported:
    """One row of `conversations` (from, value) or `messages` (role, content), read in a dialect.

    A box is named by the question that asks for it, by the answer's own words or labels, or, where the question shows the
    box ("describe this region: [...]"), by the whole answer. `image_size` is needed where the dialect's frame depends on
    it and the row has no `width` and `height`. Turns without boxes are rejected one by one.
    """
    turns = (row.get("conversations") or row.get("messages")) if isinstance(row, Mapping) else None
    if not isinstance(turns, list):
        return _refused(MALFORMED, "the row has no `conversations` and no `messages`")
    images = row.get("image") or row.get("images")
    image = images[0] if isinstance(images, list) and len(images) == 1 else images
    if not isinstance(image, str):
        return _refused(NO_IMAGE, f"a conversation is about one image, this one about {images!r:.80}")
    size = image_size or _size(row)
    said = [(_role(turn), _text(turn)) for turn in turns]
    phrases, rejects = [], []
    for (asker, question), (answerer, answer) in zip(said, said[1:], strict=False):
        if asker != "user" or answerer != "assistant":
            continue
        try:
            found = list(_grounded(question, answer, dialect, size))
        except ValueError as error:
            if size is not None:
                raise
            return _refused(NO_IMAGE_SIZE, f"{image}: {error}")
        for text, box in found:
            if isinstance(box, Box) and text.strip():
                phrases.append(GroundedPhrase(text, (box,)))
            else:
                problem = NO_PHRASE if isinstance(box, Box) else box
                rejects.append(Rejected(problem, f"{question!r:.80} answered {answer!r:.80}"))
    return Imported((GroundedImage(image, size, tuple(phrases)),), tuple(rejects))


def _grounded(
    question: str, answer: str, dialect: GroundingDialect, size: ImageSize | None
) -> Iterator[tuple[str, Box | str]]:
    """(phrase, box or problem) for all that one turn grounds."""
    question = question.replace("<image>", "").strip()
    parsed = dialect.parse(answer, image_size=size)
    text = answer.strip()
    if not parsed.boxes and not parsed.problems:
        parsed, asked = dialect.parse(question, image_size=size), text
    else:
        asked = _asked_for(question, dialect)
    labels = [(phrase.text, box) for phrase in parsed.phrases for box in phrase.boxes]
    if asked and (isinstance(dialect, LlavaBrackets) or not any(label for label, _ in labels) or asked == text):
        labels = [(asked, box) for box in parsed.boxes]
    yield from labels or [("", box) for box in parsed.boxes]
    yield from (("", problem) for problem in parsed.problems)
    if not parsed.boxes and not parsed.problems:
        yield "", NO_BOX


def _asked_for(question: str, dialect: GroundingDialect) -> str:
    """The phrase in a question that this dialect could have put; empty where it is another question."""
    marker = "\N{OBJECT REPLACEMENT CHARACTER}"
    before, _, after = (part.strip() for part in dialect.prompt(marker).partition(marker))
    if question.startswith(before):
        for tail in (after, after.removesuffix(".")):  # LLaVA's own rows have no period there
            if question.endswith(tail):
                return unescape(question[len(before) : len(question) - len(tail)]).strip()
    return ""


# What the formats share


def _size_of(grounded: GroundedImage) -> ImageSize:
    if grounded.size is None:
        raise ValueError(
            f"You passed {grounded.image!r} without its size: this format needs the (width, height) in pixels."
        )
    return grounded.size


def _phrases_with_boxes(grounded: GroundedImage) -> tuple[GroundedPhrase, ...]:
    for phrase in grounded.phrases:
        if not phrase.boxes:
            raise ValueError(
                f"You passed {phrase.text!r} of {grounded.image!r} without boxes: leave out what has none."
            )
    return grounded.phrases


def _boxes_of(grounded: GroundedImage) -> Iterator[tuple[str, Box]]:
    return ((phrase.text, box) for phrase in _phrases_with_boxes(grounded) for box in phrase.boxes)


def _box(frame: Frame, numbers: Any, size: ImageSize | None, cut_outside: bool) -> Box | str:
    """The box, or what is wrong with the numbers. Annotation tools round, so one pixel outside is cut in silence."""
    if not isinstance(numbers, list | tuple) or len(numbers) != 4 or not all(map(_is_number, numbers)):
        return MALFORMED
    x0, y0, x1, y1 = frame.corners(numbers, size)
    pixel_x, pixel_y = (1 / side for side in size) if size else (1e-3, 1e-3)
    if not x0 < x1 or not y0 < y1:
        return EMPTY_BOX
    if not cut_outside and (x0 < -pixel_x or y0 < -pixel_y or x1 > 1 + pixel_x or y1 > 1 + pixel_y):
        return OUT_OF_RANGE
    return Box.clipped(x0, y0, x1, y1) or EMPTY_BOX


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond any float
        return False


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str)


def _size(entry: Mapping[str, Any]) -> ImageSize | None:
    width, height = entry.get("width"), entry.get("height")
    good = _is_number(width) and _is_number(height) and width > 0 and height > 0
    return (width, height) if good else None


def _role(turn: Any) -> str:
    role = (turn.get("from") or turn.get("role")) if isinstance(turn, Mapping) else None
    return {"human": "user", "gpt": "assistant"}.get(role, role) if isinstance(role, str) else ""


def _text(turn: Any) -> str:
    """What a turn says; content in typed parts, as chat templates take it, is joined."""
    said = (turn.get("value") or turn.get("content")) if isinstance(turn, Mapping) else None
    if isinstance(said, list):
        said = "".join(str(part.get("text") or "") for part in said if isinstance(part, Mapping))
    return said if isinstance(said, str) else ""


def _refused(reason: str, detail: str) -> Imported:
    return Imported((), (Rejected(reason, detail),))
