# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The names by which commands, metric modules and files pick a dialect or a frame, and boxes of a named frame as fractions.

These are the only such names. In code pass the values themselves (`Kosmos2()`, `Pixels(wh=True)`): the names are for
places that hold only text.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from promvil_hf.dialects import (
    DeepSeekTags,
    FlorenceLoc,
    GeminiJson,
    GeminiPoints,
    GlmBoxes,
    GroundingDialect,
    InternVLTags,
    Kosmos2,
    LlavaBrackets,
    MolmoPoints,
    PaliGemmaLoc,
    QwenJson,
    QwenPoints,
    QwenTags,
    RefSpatialPoints,
    RexTags,
)
from promvil_hf.dialects.base import OUT_OF_RANGE
from promvil_hf.frames import (
    Fractions,
    Frame,
    ImageSize,
    LocationBins,
    PaddedSquare,
    Pixels,
    StretchedPixels,
    Thousandths,
)
from promvil_hf.metrics.answers import Answers, read_boxes


DIALECTS: dict[str, GroundingDialect] = {
    "kosmos2": Kosmos2(),
    "qwen_json": QwenJson(),
    "llava_brackets": LlavaBrackets(),
    "ferret_brackets": LlavaBrackets(frame=Fractions(decimals=3)),
    "paligemma_loc": PaliGemmaLoc(),
    "gemini_json": GeminiJson(),
    "glm_boxes": GlmBoxes(),
    "internvl_tags": InternVLTags(),
    "qwen_tags": QwenTags(),
    "deepseek_tags": DeepSeekTags(),
    "rex_tags": RexTags(),
    "florence_loc": FlorenceLoc(),
    "molmo_points": MolmoPoints(),
    "refspatial_points": RefSpatialPoints(),
    "qwen_points": QwenPoints(),
    "gemini_points": GeminiPoints(),
}
FRAMES: dict[str, Frame] = {
    "fractions": Fractions(),
    "pixels": Pixels(),
    "pixels_xywh": Pixels(wh=True),
    "thousandths": Thousandths(),
    "resized": StretchedPixels(),
    "padded_square": PaddedSquare(),
    "location_bins": LocationBins(),
}
DEFAULT_DIALECT, DEFAULT_FRAME = "qwen_json", "fractions"
_UNIT = (1, 1)  # as an image size it leaves pixels what they are


_RESIZED_LIMITS = re.compile(r"resized:([0-9]+)-([0-9]+)")
_OF_ONE_FRAME = (Kosmos2, PaliGemmaLoc, FlorenceLoc, RexTags)  # they write tokens for places
_OF_ANY_FRAME = (QwenJson, QwenPoints)  # models that write these do not agree on what the numbers count
_TRIED = ("thousandths", "resized", "pixels", "fractions")
_AS_WRITTEN = {  # a model writes whole pixels, and few decimals
    Pixels(): Pixels(whole=True),
    Pixels(wh=True): Pixels(wh=True, whole=True),
    Fractions(): Fractions(decimals=3),
    PaddedSquare(): PaddedSquare(decimals=2),
}


def dialect(choice: str | GroundingDialect, in_frame: str | Frame | None = None) -> GroundingDialect:
    """The dialect of a name, or the dialect itself; with `in_frame` its numbers count in that frame instead of its own."""
    found = _named("dialect", DIALECTS, choice)
    if in_frame is None:
        return found
    if isinstance(found, _OF_ONE_FRAME):
        raise ValueError(
            f"You passed the frame {in_frame!r} for {type(found).__name__}, which writes tokens for places and no other "
            "numbers: leave the frame out."
        )
    counted = frame(in_frame)
    return replace(found, frame=_AS_WRITTEN.get(counted, counted))


def needs_frame(spoken: GroundingDialect) -> bool:
    """Whether models write the same text and mean different places by it, so that the frame must be said."""
    return type(spoken) in _OF_ANY_FRAME


def frame(choice: str | Frame) -> Frame:
    """The frame of a name, or the frame itself. `resized:LEAST-MOST` is Qwen2.5-VL's with other limits, in pixels."""
    if isinstance(choice, str) and (limits := _RESIZED_LIMITS.fullmatch(choice)):
        return StretchedPixels(least=int(limits[1]), most=int(limits[2]))
    return _named("frame", FRAMES, choice)


def frame_advice(
    texts: Sequence[str | None], spoken: GroundingDialect, image_sizes: Sequence[ImageSize | None]
) -> str | None:
    """A sentence where answers hold numbers that the dialect's frame cannot have, or that look like fractions: which
    frames could have them all. None where the numbers fit."""
    if isinstance(spoken, _OF_ONE_FRAME) or not hasattr(spoken, "frame"):
        return None
    rows = [(text, size) for text, size in zip(texts, image_sizes, strict=True) if text is not None]
    fit = _fit(rows, spoken)
    total = fit.boxes + fit.beyond
    is_tiny = fit.boxes > 0 and fit.largest <= 1 < max(spoken.frame.limits((1_000, 1_000)))
    if not total or not is_tiny and fit.beyond * 10 <= total:
        return None
    fitting = ["fractions"] if is_tiny else [name for name in _TRIED if _fits(rows, spoken, name)]
    what = (
        "no number in the answers is above 1, as in fractions"
        if is_tiny
        else f"{fit.beyond:,} of {total:,} have numbers beyond {spoken.frame}"
    )
    which_fit = f"all are inside their image as {' or '.join(fitting)}" if fitting else "no frame known here fits them all"
    return f"Check what the model's numbers count: {what}; {which_fit}. Declare it with --frame."


@dataclass(frozen=True, slots=True)
class _Fit:
    boxes: int
    beyond: int
    largest: float  # number of a box, in the frame's own steps


def _fit(rows: Sequence[tuple[str, ImageSize | None]], spoken: GroundingDialect) -> _Fit:
    boxes, beyond, largest = 0, 0, 0.0
    for text, size in rows:
        parsed = spoken.parse(text, image_size=size)
        boxes += len(parsed.boxes or parsed.points)
        beyond += parsed.problems.count(OUT_OF_RANGE)
        limit = max(spoken.frame.limits(size)) if parsed.ok else 0.0
        edges = [max(box.x1, box.y1) for box in parsed.boxes] + [max(point.xy) for point in parsed.points]
        largest = max([largest, *(edge * limit for edge in edges)])
    return _Fit(boxes, beyond, largest)


def _fits(rows: Sequence[tuple[str, ImageSize | None]], spoken: GroundingDialect, name: str) -> bool:
    try:
        found = _fit(rows, dialect(spoken, name))
    except (TypeError, ValueError):  # a frame that needs the size of the image, where it is not known
        return False
    return found.boxes > 0 and found.beyond == 0


def _named(what: str, known: Mapping[str, Any], choice: Any) -> Any:
    if isinstance(choice, str) and choice not in known:
        raise ValueError(f"You passed the {what} {choice!r}: it is one of {', '.join(known)}.")
    return known[choice] if isinstance(choice, str) else choice


def boxes_in_fractions(
    answers: Iterable, choice: str | Frame, image_sizes: Sequence[ImageSize] | None = None, what: str = "boxes"
) -> Answers:
    """Boxes of any frame -> `Answers` in fractions of the image, malformed ones as problems of their answer.

    Without image sizes, pixels stay pixels: good enough where answers and gold are both in pixels of one image.
    Numbers that cannot be of this frame (most of them far beyond its limits) raise: a wrong frame scores 0 in silence.
    """
    source = frame(choice)
    if source == Fractions():
        found = read_boxes(answers)
        _refuse_pixels(found, what)
        return found
    answers = list(answers)
    sizes = _sizes(source, image_sizes, len(answers), what)
    beyond = total = 0
    converted = []
    for boxes, size in zip(answers, sizes, strict=True):
        rows = _rows(boxes)
        if rows is None:
            converted.append(boxes)  # read_boxes says what is wrong with it
            continue
        limits = source.limits(size)[2:] if size != _UNIT else None
        for row in rows:
            if limits is not None and np.isfinite(row).all():
                total += 1
                beyond += max(row[2] / limits[0], row[3] / limits[1]) > 1.5
        converted.append([source.corners(row, size) if np.isfinite(row).all() else row for row in rows])
    if beyond > total / 2:
        raise ValueError(
            f"You declared the {what} to be in {source}, but {beyond} of {total} lie far outside their image: check "
            "the frame, and whether image sizes are (width, height)."
        )
    return read_boxes(converted)


def _refuse_pixels(found: Answers, what: str) -> None:
    if len(found.xyxy) and np.mean(found.xyxy.max(1) > 1.5) > 0.5:
        raise ValueError(
            f"You declared the {what} to be in fractions of the image, but most of them reach beyond 1.5 (the largest "
            f'number is {found.xyxy.max():.6g}): name their frame, one of {", ".join(FRAMES)}, e.g. frame="pixels".'
        )


def _sizes(source: Frame, image_sizes, rows: int, what: str) -> list[ImageSize]:
    if image_sizes is None:
        if isinstance(source, PaddedSquare):
            raise ValueError(
                f"You passed {what} in {source} without image sizes: a padded square depends on the image, so pass "
                "`image_sizes`, one (width, height) per answer."
            )
        return [_UNIT] * rows
    sizes = [tuple(size) for size in image_sizes]
    if len(sizes) != rows:
        raise ValueError(f"You passed {rows} rows of {what} and {len(sizes)} image sizes: pass one size per row.")
    return sizes


def _rows(boxes) -> np.ndarray | None:
    """(n, 4) numbers, or None where they are none."""
    if boxes is None or isinstance(boxes, (str, bytes)):
        return None
    try:
        numbers = np.asarray(boxes, dtype=float)
    except (TypeError, ValueError, OverflowError):
        return None
    if numbers.shape == (4,):
        numbers = numbers[None]
    return numbers if numbers.ndim == 2 and numbers.shape[1] == 4 else None
