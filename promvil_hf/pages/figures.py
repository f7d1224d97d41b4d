# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Pictures with boxes, masks and heat on them, and chains drawn level by level.

A picture travels inside the page as JPEG or PNG, scaled down and without metadata. Boxes are `Box`es, in fractions of
the original image, upright; masks and heat are 2D arrays of any resolution that span the whole image.
"""

import base64
import hashlib
import io
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from promvil_hf.boxes import Box
from promvil_hf.images import UnreadableImage, read_image
from promvil_hf.pages.blocks import number
from promvil_hf.pages.colours import MARKS, css_gradient, diverging, sequential
from promvil_hf.pages.elements import Content, Html, captioned, described, short, tag
from promvil_hf.phrases import PhraseChain


Picture = Image.Image | np.ndarray | str | os.PathLike
_LONGEST_TAG = 24  # characters; longer labels become numbers with a legend
_COLOURS = len(MARKS)


@dataclass(frozen=True, slots=True)
class BoxMark:
    """A box on a picture. `colour` is an index into the mark colours; by default each mark takes the next one."""

    box: Box
    label: str = ""
    colour: int | None = None
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class MaskMark:
    """A mask on a picture: a 2D array, true (or above 0.5) where it covers the image."""

    mask: np.ndarray
    label: str = ""
    colour: int | None = None


@dataclass(frozen=True, slots=True)
class Heat:
    """Values over the image. NaN and infinite cells stay bare. `low` and `high` default to the values' own range, for
    `signed` maps to the same distance on both sides of 0."""

    values: np.ndarray
    low: float | None = None
    high: float | None = None
    signed: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One view of a picture in a `strip`."""

    caption: Content
    boxes: Sequence[Box | BoxMark] = ()
    head: str = ""


def figure(
    image: Picture,
    *,
    alt: str,
    boxes: Iterable[Box | BoxMark] = (),
    masks: Iterable[np.ndarray | MaskMark] = (),
    heat: np.ndarray | Heat | None = None,
    caption: Content = None,
    max_side: int = 640,
) -> Html:
    """One picture and what is to be seen on it. `alt` says in words what it shows.

    Labels stand on the picture; where one is long they become numbers explained below.
    """
    source, size = _embedded(image, max_side)
    boxes = [mark if isinstance(mark, BoxMark) else BoxMark(mark) for mark in boxes]
    masks = [mark if isinstance(mark, MaskMark) else MaskMark(mark) for mark in masks]
    if heat is not None and not isinstance(heat, Heat):
        heat = Heat(heat)
    box_colours = [_colour(mark.colour, index) for index, mark in enumerate(boxes)]
    mask_colours = [_colour(mark.colour, index) for index, mark in enumerate(masks)]
    explained = any(len(mark.label) > _LONGEST_TAG for mark in boxes)
    tags = [str(index) if mark.label and explained else mark.label for index, mark in enumerate(boxes, start=1)]

    layers: list[Html] = [tag("img", src=source, alt=described(alt), width=size[0], height=size[1], decoding="async")]
    if heat is not None:
        low, high, picture = _heat_picture(heat)
        layers.append(tag("img", src=picture, alt="", class_="layer cells heat mark"))
    layers += [
        tag("img", src=_mask_picture(mark.mask, size, colour), alt="", class_="layer cells mark")
        for mark, colour in zip(masks, mask_colours, strict=True)
    ]
    layers += _box_layers(boxes, box_colours, tags, size)

    entries = [
        (tag("span", text, class_=f"swatch numbered m{colour}"), mark.label)
        for mark, text, colour in zip(boxes, tags, box_colours, strict=True)
        if explained and mark.label
    ]
    entries += [
        (tag("span", class_=f"swatch m{colour}"), mark.label)
        for mark, colour in zip(masks, mask_colours, strict=True)
        if mark.label
    ]
    return tag(
        "figure",
        tag(
            "div",
            layers,
            class_="picture" if heat is None else "picture heated",
            style=f"max-width:{max(size[0], 360 * size[0] // max(size))}px",
        ),
        _legend(entries),
        colour_bar(low, high, heat.signed, heat.label) if heat is not None else None,
        captioned(caption),
    )


def strip(image: Picture, panels: Sequence[Panel], *, alt: str, max_side: int = 480) -> Html:
    """One picture seen several times, each time with other boxes. The picture itself is in the page only once.

    Short labels stand on the picture; long ones belong into the captions.
    """
    described(alt)
    source, (width, height) = _embedded(image, max_side)
    name = "picture-" + hashlib.sha256(source.encode()).hexdigest()[:12]
    shown = []
    for index, panel in enumerate(panels):
        boxes = [mark if isinstance(mark, BoxMark) else BoxMark(mark) for mark in panel.boxes]
        colours = [_colour(mark.colour, position) for position, mark in enumerate(boxes)]
        if index == 0:
            photo = tag("image", id=name, width=width, height=height, href=source)
        else:
            photo = tag("use", href=f"#{name}")
        view = tag(
            "svg",
            tag("title", f"{alt} – {panel.head}" if panel.head else alt),
            photo,
            class_="photo",
            viewBox=f"0 0 {width} {height}",
            role="img",
        )
        labels = [mark.label if len(mark.label) <= _LONGEST_TAG else "" for mark in boxes]
        shown.append(
            tag(
                "li",
                tag("div", panel.head, class_="level") if panel.head else None,
                tag("div", view, _box_layers(boxes, colours, labels, (width, height)), class_="picture"),
                tag("div", panel.caption, class_="caption"),
            )
        )
    return tag("ol", shown, class_="strip")


def chain_strip(image: Picture, chain: PhraseChain, *, alt: str) -> Html:
    """A chain level by level: each step's boxes drawn solid, those of the steps it refers to dashed in their own colour."""
    levels = chain.levels
    panels = []
    for index in sorted(range(len(chain.steps)), key=lambda index: levels[index]):
        step = chain.steps[index]
        marks = [
            BoxMark(box, "", anchor % _COLOURS, dashed=True)
            for anchor in step.anchors
            for box in chain.steps[anchor].target.boxes
        ]
        marks += [BoxMark(box, "", index % _COLOURS) for box in step.target.boxes]
        entries = [
            (tag("span", class_=f"swatch m{index % _COLOURS}"), tag("strong", step.target.text, class_="expression"))
        ]
        entries += [
            (tag("span", class_=f"swatch dashes m{anchor % _COLOURS}"), mention)
            for anchor, mention in zip(step.anchors, step.mentions, strict=True)
        ]
        if not step.target.boxes:
            entries.append((None, tag("span", "no box", class_="muted")))
        panels.append(Panel(_legend(entries), marks, f"Level {levels[index]}"))
    return strip(image, panels, alt=alt)


def colour_bar(low: float, high: float, signed: bool = False, label: str = "") -> Html:
    """What the colours of a heat map mean."""
    if math.isnan(low):
        return tag("div", "No finite value.", class_="colour-bar")
    if high > low:  # a bound that is nothing beside the range reads as 0, not as 4.97e-04
        low, high = (round(bound, 2 - math.floor(math.log10(high - low))) for bound in (low, high))
    gradient = css_gradient(diverging() if signed else sequential())
    return tag(
        "div",
        tag("span", label) if label else None,
        tag("span", number(low)),
        tag("span", class_="bar", style=f"background:{gradient}"),
        tag("span", number(high)),
        class_="colour-bar",
    )


def heat_indices(heat: Heat) -> tuple[float, float, np.ndarray]:
    """Range of a heat map and, for each cell, its place 0..255 in the colour map; -1 where it has no finite value."""
    values = np.asarray(heat.values, dtype=float)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"You passed heat of shape {values.shape}: pass a 2D array, rows from top to bottom.")
    finite = np.isfinite(values)
    known = values[finite]
    if heat.signed:
        reach = max((abs(bound) for bound in (heat.low, heat.high) if bound is not None), default=None)
        reach = reach if reach is not None else float(np.abs(known).max(initial=0.0))
        low, high = -reach, reach
    else:
        low = heat.low if heat.low is not None else float(known.min(initial=np.inf))
        high = heat.high if heat.high is not None else float(known.max(initial=-np.inf))
    if not known.size:
        return float("nan"), float("nan"), np.full(values.shape, -1)
    if low > high:
        raise ValueError(f"You passed heat from {low} to {high}: `low` must not lie above `high`.")
    scaled = (np.where(finite, values, low) - low) / ((high - low) or 1.0)
    if high == low:
        scaled = np.full(values.shape, 0.5)
    return low, high, np.where(finite, (scaled.clip(0, 1) * 255).round().astype(int), -1)


def _colour(chosen: int | None, index: int) -> int:
    if chosen is None:
        return index % _COLOURS
    if not 0 <= chosen < _COLOURS:
        raise ValueError(f"You passed the colour {chosen}: there are {_COLOURS} mark colours, numbered from 0.")
    return chosen


def _legend(entries: Sequence[tuple[Content, Content]]) -> Html | None:
    if not entries:
        return None
    return tag("ul", [tag("li", swatch, tag("span", text)) for swatch, text in entries], class_="legend")


def _box_layers(
    boxes: Sequence[BoxMark], colours: Sequence[int], tags: Sequence[str], size: tuple[int, int]
) -> list[Html]:
    if not boxes:
        return []
    width, height = size
    drawn = []
    for mark, colour in zip(boxes, colours, strict=True):
        place = {
            "x": short(mark.box.x0 * width),
            "y": short(mark.box.y0 * height),
            "width": short((mark.box.x1 - mark.box.x0) * width),
            "height": short((mark.box.y1 - mark.box.y0) * height),
        }
        dashed = " dashed" if mark.dashed else ""
        drawn += [tag("rect", class_="casing", **place), tag("rect", class_=f"edge m{colour}{dashed}", **place)]
    overlay = tag(
        "svg",
        drawn,
        class_="layer mark",
        viewBox=f"0 0 {width} {height}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
    return [overlay, *_tags(boxes, colours, tags, size)]


def _tags(boxes: Sequence[BoxMark], colours: Sequence[int], tags: Sequence[str], size: tuple[int, int]) -> list[Html]:
    """Labels at the corners of their boxes, each at the first corner where it covers no earlier label.

    Their size on the screen is unknown here; it is reckoned for a picture shown 280 pixels wide.
    """
    shown_width = 280.0
    shown_height = shown_width * size[1] / size[0]
    line = 20 / shown_height
    taken: list[tuple[float, float, float, float]] = []
    drawn = []
    for mark, colour, text in zip(boxes, colours, tags, strict=True):
        if not text:
            continue
        box = mark.box
        span = min((7.2 * len(text) + 10) / shown_width, 1.0)
        ways_across = [
            (box.x0, f"left:{_percent(box.x0)};max-width:{_percent(1 - box.x0)}")
            if box.x0 + span <= 1
            else (1 - span, "right:0"),
            (box.x1 - span, f"right:{_percent(1 - box.x1)};max-width:{_percent(box.x1)}")
            if box.x1 >= span
            else (0.0, "left:0"),
        ]
        ways_down = [
            (box.y0 - line, f"bottom:{_percent(1 - box.y0)}"),
            (box.y1, f"top:{_percent(box.y1)}"),
            (box.y0, f"top:{_percent(box.y0)}"),
            (box.y1 - line, f"bottom:{_percent(1 - box.y1)}"),
        ]
        corners = [
            (x, y, f"{across};{down}") for y, down in ways_down for x, across in ways_across if 0 <= y <= 1 - line
        ] or [(ways_across[0][0], 0.0, f"{ways_across[0][1]};top:0")]
        x, y, style = next((corner for corner in corners if not _covers(corner[:2], span, line, taken)), corners[0])
        taken.append((x, y, x + span, y + line))
        drawn.append(tag("span", text, class_=f"tag mark m{colour}", style=style))
    return drawn


def _covers(corner: tuple[float, float], span: float, line: float, taken: Sequence[tuple[float, ...]]) -> bool:
    x, y = corner
    return any(x < right and x + span > left and y < bottom and y + line > top for left, top, right, bottom in taken)


def _embedded(image: Picture, max_side: int) -> tuple[str, tuple[int, int]]:
    """The picture as a data address and its `(width, height)` there: JPEG for photographs, PNG for drawn ones."""
    small = _opened(image, max_side)
    if small.getcolors(256) is not None:
        return _png(small.quantize(256)), small.size
    return _data_address(small, "JPEG", quality=84, optimize=True, progressive=True), small.size


def _opened(image: Picture, max_side: int) -> Image.Image:
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or not image.size:
            raise ValueError(
                f"You passed an image array of {image.dtype} and shape {image.shape}: pass uint8 of (height, width) or "
                "(height, width, 3)."
            )
        image = Image.fromarray(image)
    if isinstance(image, Image.Image) and image.mode in ("I", "F"):
        raise ValueError(
            f"You passed a picture of mode {image.mode}, whose values are no colours: pass it as heat instead."
        )
    try:
        shown = read_image(image, max_side)
    except UnreadableImage as error:
        raise ValueError(f"You passed {image}, which cannot be shown as a picture: {error}") from error
    scale = max_side / max(shown.size)
    if scale < 1:
        size = tuple(max(1, round(side * scale)) for side in shown.size)
        shown = shown.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return shown


def _mask_picture(mask: np.ndarray, size: tuple[int, int], colour: int) -> str:
    """The mask in its colour, its rim full and its inside translucent. Coarse masks keep their cells."""
    mask = np.asarray(mask)
    if mask.ndim != 2 or not mask.size:
        raise ValueError(
            f"You passed a mask of shape {mask.shape}: pass a 2D array that spans the image, true where it covers."
        )
    covered = mask.astype(float) > 0.5 if mask.dtype != bool else mask
    picture = Image.fromarray(covered.astype(np.uint8))
    fine = tuple(min(side, 2 * shown) for side, shown in zip(picture.size, size, strict=True))
    if fine != picture.size:
        picture = picture.resize(fine, Image.Resampling.NEAREST)
    elif picture.size[0] * 3 <= size[0]:  # a token grid: cells large enough for a rim of one pixel
        picture = picture.resize(tuple(8 * side for side in picture.size), Image.Resampling.NEAREST)
    inside = np.asarray(picture) > 0
    framed = np.pad(inside, 1)
    core = inside & framed[:-2, 1:-1] & framed[2:, 1:-1] & framed[1:-1, :-2] & framed[1:-1, 2:]
    indexed = Image.fromarray((inside.astype(np.uint8) + (inside & ~core)).astype(np.uint8), mode=None).convert("P")
    red, green, blue = (int(MARKS[colour][i : i + 2], 16) for i in (1, 3, 5))
    indexed.putpalette([0, 0, 0, red, green, blue, red, green, blue])
    return _png(indexed, transparency=bytes([0, 120, 255]))


def _heat_picture(heat: Heat) -> tuple[float, float, str]:
    low, high, indices = heat_indices(heat)
    colours = diverging() if heat.signed else sequential()
    clear = indices < 0
    picture = Image.fromarray(np.where(clear, 255, np.minimum(indices, 254)).astype(np.uint8)).convert("P")
    picture.putpalette(colours[np.r_[0:254, 255, 255]].ravel().tolist())
    return low, high, _png(picture, transparency=bytes([255] * 255 + [0]))


def _png(image: Image.Image, **options: object) -> str:
    return _data_address(image, "PNG", optimize=True, **options)


def _data_address(image: Image.Image, kind: str, **options: object) -> str:
    image.info = {}  # no EXIF, comment or profile of the original leaves with the page
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _percent(share: float) -> str:
    return f"{short(100 * max(share, 0.0))}%"
