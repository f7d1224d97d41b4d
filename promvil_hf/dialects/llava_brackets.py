# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""LLaVA's brackets: `[0.39, 0.05, 0.98, 0.83]`, fractions of the image PADDED TO A SQUARE.

The padded square moves every box of an image that is not square, so this dialect needs the original image size.
Boxes that follow each other belong to one phrase; the words before them name it.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promvil_hf.boxes import Box
from promvil_hf.dialects.base import MALFORMED, TRUNCATED, BoxDialect, Parsed, gather, read_box
from promvil_hf.frames import Fractions, ImageSize, PaddedSquare
from promvil_hf.markup import escape, unescape
from promvil_hf.phrases import GroundedPhrase


_BRACKET = re.compile(r"\[([-+0-9.,eE\s]+)\]")
_CUT_TAIL = re.compile(r"\[[-+0-9.,eE\s]*\Z")


@dataclass(frozen=True, slots=True)
class LlavaBrackets(BoxDialect):
    """Prompts, targets and answers of LLaVA-1.5's region sentences; of Ferret's with `frame=Fractions(decimals=3)`."""

    frame: PaddedSquare | Fractions = PaddedSquare(decimals=2)
    question: str = "Please provide the bounding box coordinate of the region this sentence describes: {phrase}"

    def _question(self, phrase: str, evidence: Sequence[GroundedPhrase], image_size: ImageSize | None) -> str:
        evidence_texts = [f"{escape(known.text)} {self._answer(known, image_size)}".rstrip() for known in evidence]
        question = self.question.replace("{phrase}", phrase)
        return self._with_evidence(evidence_texts, question + self.wording.ending)

    def _parse(self, text: str, image_size: ImageSize | None) -> Parsed:
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

    def _answer(self, phrase: GroundedPhrase, image_size: ImageSize | None) -> str:
        style = "" if self.frame.decimals is None else f".{self.frame.decimals}f"
        rows = (self.frame.encode(box, image_size) for box in phrase.boxes)
        return " ".join("[" + ", ".join(format(number, style) for number in row) + "]" for row in rows)
