# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A trace as a picture, level by level, to save as PNG. For a page, see `promvil_hf.pages.chain_strip`.

The boxes are drawn by supervision where it is installed (extra `viz`), else by Pillow; words stand below the
picture, where they hide nothing.
"""

import textwrap
import warnings
from importlib.util import find_spec

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from promvil_hf.boxes import Box
from promvil_hf.grounding.trace import GroundingTrace
from promvil_hf.pages.colours import MARKS


_LINE = 16  # pixels of a line of words
_MARGIN = 8


def draw(trace: GroundingTrace, image: Image.Image, side: int = 360) -> Image.Image:
    """One panel a level, from left to right: the boxes of its phrases, each in its colour, and the words below."""
    if not trace.steps:
        raise ValueError(f"There is nothing to draw for {trace.text!r}: {trace.reason}.")
    width, height = image.size
    scale = side / max(width, height)
    shown = image.convert("RGB").resize((max(1, round(width * scale)), max(1, round(height * scale))))
    panel_width = max(shown.width, 160)
    levels = sorted({step.level for step in trace.steps})
    panels = []
    for level in levels:
        level_steps = [(number, step) for number, step in enumerate(trace.steps) if step.level == level]
        picture = shown
        for number, step in level_steps:
            picture = _with_boxes(picture, step.boxes, MARKS[number % len(MARKS)])
        lines: list[tuple[str, str | None, bool]] = [(f"Level {level}", None, False)]  # words, colour, has a swatch
        for number, step in level_steps:
            is_question = trace.task == "answer" and number == len(trace.steps) - 1
            reason = "" if step.boxes or is_question else f" ({step.reason})"
            colour = None if is_question else MARKS[number % len(MARKS)]
            for row, part in enumerate(textwrap.wrap(step.phrase + reason, max(8, panel_width // 7 - 3)) or [""]):
                lines.append((part, colour, row == 0 and colour is not None))
        if level == levels[-1] and trace.answer is not None:
            lines += [(part, None, False) for part in textwrap.wrap(f"=> {trace.answer}", max(8, panel_width // 7))]
        panels.append((picture, lines))
    below = _LINE * max(len(lines) for _, lines in panels)
    step_width = panel_width + _MARGIN
    canvas = Image.new("RGB", (step_width * len(panels) + _MARGIN, shown.height + below + 2 * _MARGIN), "white")
    write = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(12)
    for place, (picture, lines) in enumerate(panels):
        left = _MARGIN + place * step_width
        canvas.paste(picture, (left, _MARGIN))
        for row, (words, colour, is_first) in enumerate(lines):
            top = shown.height + 2 * _MARGIN + row * _LINE
            if is_first:
                write.rectangle((left, top + 2, left + 9, top + 11), fill=colour, outline="#444444")
            write.text((left + (_LINE if colour else 0), top), words, fill="black", font=font)
    return canvas


def _with_boxes(picture: Image.Image, boxes: tuple[Box, ...], colour: str) -> Image.Image:
    if not boxes:
        return picture
    width, height = picture.size
    xyxy_px = np.array([box.xyxy for box in boxes]) * [width, height, width, height]
    if find_spec("supervision") is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it says at import that OpenCV would be faster
            import supervision

        annotator = supervision.BoxAnnotator(color=supervision.Color.from_hex(colour), thickness=3)
        return annotator.annotate(
            picture.copy(), supervision.Detections(xyxy=xyxy_px, class_id=np.zeros(len(boxes), int))
        )
    picture = picture.copy()
    for corners in xyxy_px:
        ImageDraw.Draw(picture).rectangle(tuple(corners), outline=colour, width=3)
    return picture
