# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""PaliGemma's location tokens: `<loc0048><loc0400><loc0848><loc1008> a snowman ; ...`, y before x.

Four tokens make a box and the words behind them name it, up to the next ";".
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promvil_hf.boxes import Box
from promvil_hf.dialects.base import MALFORMED, TRUNCATED, BoxDialect, Parsed, gather, read_box
from promvil_hf.frames import ImageSize, LocationBins
from promvil_hf.markup import escape, unescape
from promvil_hf.phrases import GroundedPhrase


_LOC = re.compile(r"<loc([0-9]{4})>")
_RUN = re.compile(r"((?:<loc[0-9]{4}>)+)([^;<]*(?:<(?!loc[0-9]{4}>)[^;<]*)*)")
_CUT_LOC = re.compile(r"\s*(?:<l?o?c?[0-9]{0,4})?")


@dataclass(frozen=True, slots=True)
class PaliGemmaLoc(BoxDialect):
    """Prompts, targets and answers of PaliGemma's `detect` task."""

    frame: LocationBins = LocationBins()

    def _question(self, phrase: str, evidence: Sequence[GroundedPhrase], image_size: ImageSize | None) -> str:
        evidence_texts = [self._answer(known, image_size) or _label(known.text) for known in evidence]
        question = f"detect {_separable(phrase)}\n"
        return self._with_evidence(evidence_texts, question)

    def _parse(self, text: str, image_size: ImageSize | None) -> Parsed:
        return gather(self._read(text, image_size))

    def _read(self, text: str, image_size: ImageSize | None) -> Iterator[tuple[str, Box | str]]:
        for run in _RUN.finditer(text):
            numbers = [float(number) for number in _LOC.findall(run[1])]
            if len(numbers) == 4:
                yield unescape(run[2].strip()), read_box(self.frame, numbers, image_size)
            else:
                cut = len(numbers) < 4 and _CUT_LOC.fullmatch(text, run.end(1))
                yield "", TRUNCATED if cut else MALFORMED

    def _answer(self, phrase: GroundedPhrase, image_size: ImageSize | None) -> str:
        rows = (self.frame.encode(box, image_size) for box in phrase.boxes)
        return " ; ".join("".join(f"<loc{number:04d}>" for number in row) + f" {_label(phrase.text)}" for row in rows)


def _label(phrase: str) -> str:
    return _separable(escape(phrase))


def _separable(text: str) -> str:
    """The semicolon ends a label in this dialect and cannot be escaped."""
    return text.replace(";", ",")
