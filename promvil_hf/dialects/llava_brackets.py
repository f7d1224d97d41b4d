# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""LLaVA's brackets: `[0.39, 0.05, 0.98, 0.83]`, fractions of the image PADDED TO A SQUARE.

Special: the padded square moves every box of an image that is not square, so this dialect needs the original image size.
Boxes that follow each other belong to one phrase; the words before them name it. Floor 1.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promvil_hf.boxes import Box
from promvil_hf.dialects.base import (
    MALFORMED,
    TRUNCATED,
    Parsed,
    asked,
    gather,
    no_boxes,
    question_with_evidence,
    read_box,
)
from promvil_hf.frames import Fractions, ImageSize, PaddedSquare
from promvil_hf.markup import escape, unescape
from promvil_hf.phrases import PROMVIL, GroundedPhrase, Wording


_BRACKET = re.compile(r"\[([-+0-9.,eE\s]+)\]")
_CUT_TAIL = re.compile(r"\[[-+0-9.,eE\s]*\Z")


@dataclass(frozen=True, slots=True)
class LlavaBrackets:
    """Prompts, targets and answers of LLaVA-1.5's region sentences; of Ferret's with `frame=Fractions(decimals=3)`."""

    frame: PaddedSquare | Fractions = PaddedSquare(decimals=2)
    question: str = "Please provide the bounding box coordinate of the region this sentence describes: {phrase}"
    wording: Wording = PROMVIL

    def prompt(
        self,
        phrase: str,
        evidence: Sequence[GroundedPhrase] = (),
        *,
        level: int | None = None,
        image_size: ImageSize | None = None,
    ) -> str:
        told = [f"{escape(known.text)} {self._boxes(known, image_size)}".rstrip() for known in evidence]
        question = self.question.replace("{phrase}", asked(self.wording, phrase, evidence, level))
        return question_with_evidence(self.wording, told, question + self.wording.ending)

    def target(self, phrase: GroundedPhrase, *, image_size: ImageSize | None = None) -> str:
        if not phrase.boxes:
            raise no_boxes(phrase)
        return self._boxes(phrase, image_size)

    def parse(self, text: str, *, image_size: ImageSize | None = None) -> Parsed:
        return gather(self._read(text, image_size), (TRUNCATED,) if _CUT_TAIL.search(text) else ())

    def _read(self, text: str, image_size: ImageSize | None) -> Iterator[tuple[str, Box | str]]:
        end, phrase = 0, ""
        for match in _BRACKET.finditer(text):
            between = text[end : match.start()].strip(" ,;")
            phrase, end = unescape(between) or phrase, match.end()
            try:
                numbers = [float(number) for number in match[1].split(",")]
            except ValueError:
                numbers = []
            if len(numbers) == 4 and all(map(math.isfinite, numbers)):
                yield phrase, read_box(self.frame, numbers, image_size)
            else:
                yield phrase, MALFORMED

    def _boxes(self, phrase: GroundedPhrase, image_size: ImageSize | None) -> str:
        style = "" if self.frame.decimals is None else f".{self.frame.decimals}f"
        rows = (self.frame.encode(box, image_size) for box in phrase.boxes)
        return " ".join("[" + ", ".join(format(number, style) for number in row) + "]" for row in rows)
