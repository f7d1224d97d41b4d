# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Florence-2's location tokens: `a snowman<loc_390><loc_46><loc_984><loc_828>`, the words first, x before y.

Four tokens make a box; several boxes of one phrase stand in one run. Source: `Florence2PostProcessor` of transformers and
the model card of microsoft/Florence-2-large.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promvil_hf.boxes import Box
from promvil_hf.dialects.base import MALFORMED, TRUNCATED, BoxDialect, Parsed, gather, read_box
from promvil_hf.frames import CentredBins, ImageSize
from promvil_hf.markup import escape, unescape
from promvil_hf.phrases import GroundedPhrase


_RUN = re.compile(r"(?:<loc_[0-9]{1,6}>)++")
_LOC = re.compile(r"<loc_([0-9]{1,6})>")
_TAG = re.compile(r"</?(?:s|pad|od|ov|box|bbox|and|poly|sep|grounding)>")
_CUT_LOC = re.compile(r"\s*(?:<l?o?c?_?[0-9]{0,6})?")


@dataclass(frozen=True, slots=True)
class FlorenceLoc(BoxDialect):
    """Prompts, targets and answers of Florence-2's grounding and detection tasks."""

    frame: CentredBins = CentredBins()
    question: str = "<CAPTION_TO_PHRASE_GROUNDING>{phrase}"  # the name of the task stands first

    def _question(self, phrase: str, evidence: Sequence[GroundedPhrase], image_size: ImageSize | None) -> str:
        evidence_texts = [self._answer(known, image_size) for known in evidence]
        return self.question.replace("{phrase}", self._with_evidence(evidence_texts, phrase))

    def _answer(self, phrase: GroundedPhrase, image_size: ImageSize | None) -> str:
        rows = (self.frame.encode(box, image_size) for box in phrase.boxes)
        return escape(phrase.text) + "".join(f"<loc_{number}>" for row in rows for number in row)

    def _parse(self, text: str, image_size: ImageSize | None) -> Parsed:
        return gather(self._read(text, image_size))

    def _read(self, text: str, image_size: ImageSize | None) -> Iterator[tuple[str, Box | str]]:
        end = 0
        for run in _RUN.finditer(text):
            phrase = unescape(_TAG.sub("", text[end : run.start()])).strip(" \n,.;")
            end = run.end()
            numbers = [float(number) for number in _LOC.findall(run[0])]
            for place in range(0, len(numbers) - len(numbers) % 4, 4):
                yield phrase, read_box(self.frame, numbers[place : place + 4], image_size)
            if len(numbers) % 4:
                yield "", TRUNCATED if _CUT_LOC.fullmatch(text, end) else MALFORMED
