# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A model that grounds simple phrases, as a detector of nouns. What it cannot read, a relation, is left to a composed grounder.

Such a model mostly answers "robots" with one box, whichever it thinks of first. So what it found is covered and it is asked
again, until it points at what is covered, or its answer has no box.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from promvil_hf.backends.base import Decoding, GroundingBackend, Request
from promvil_hf.backends.detectors import Detection, Detector, Found
from promvil_hf.boxes import Box, iou


COVERED = 0.3  # a box that overlaps a covered one by more is no new thing


def model_detector(
    backend: GroundingBackend, rounds: int = 4, later: float = 0.35, batch_size: int = 16, max_new_tokens: int = 32
) -> Detector:
    """A noun is asked for as a phrase of level 1, which PromViL's models read in the plural, at most `rounds` times.

    The score of a box is the probability of the least likely token of its answer (0.5 where a model shows none), times `later`
    for each round before it: a model asked for what is not there points at something else.
    """
    decoding = Decoding(max_new_tokens)

    def detect(pairs: Sequence[tuple[Image.Image, str]]) -> list[Found]:
        searches = [_Search(picture, noun) for picture, noun in pairs]
        for number in range(rounds):
            going = [search for search in searches if not search.is_over]
            for start in range(0, len(going), batch_size):
                batch = going[start : start + batch_size]
                sizes = [search.picture.size for search in batch]
                prompts = [
                    backend.dialect.prompt(search.noun, level=1, image_size=size)
                    for search, size in zip(batch, sizes, strict=True)
                ]
                requests = [Request(prompt, search.shown()) for prompt, search in zip(prompts, batch, strict=True)]
                for search, size, answer in zip(batch, sizes, backend.generate(requests, decoding), strict=True):
                    boxes = backend.dialect.parse(answer.text, image_size=size).boxes
                    likely = math.exp(min(answer.log_probs)) if answer.log_probs else 0.5
                    search.take(boxes, round(likely * later**number, 4))
        return [Found(sorted(search.found, key=lambda detection: -detection.score)) for search in searches]

    return detect


@dataclass(slots=True, eq=False)
class _Search:
    """One noun in one picture, and what was found so far."""

    picture: Image.Image
    noun: str
    found: list[Detection] = field(default_factory=list)
    is_over: bool = False

    def take(self, boxes: Sequence[Box], score: float) -> None:
        before = len(self.found)
        for box in boxes:
            if all(iou(box, earlier.box) <= COVERED for earlier in self.found):
                self.found.append(Detection(box, score))
        self.is_over = len(self.found) == before

    def shown(self) -> Image.Image:
        """The picture, what was found covered by the colour that its border mostly has."""
        if not self.found:
            return self.picture
        shown = self.picture.copy()
        draw = ImageDraw.Draw(shown)
        width, height = shown.size
        pixels = np.asarray(shown)
        border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        colour = tuple(int(value) for value in np.median(border, 0))
        for detection in self.found:
            x0, y0, x1, y1 = detection.box.xyxy
            draw.rectangle(
                (round(x0 * width), round(y0 * height), round(x1 * width) - 1, round(y1 * height) - 1), fill=colour
            )
        return shown
