# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Qwen-VL's JSON: `[{"bbox_2d": [x1, y1, x2, y2], "label": "a snowman"}]`, fenced or not.

Qwen2-VL and Qwen3-VL count thousandths of the image (the default here); Qwen2.5-VL counts pixels of the image
as its processor resized it, so give `frame=ResizedPixels((width, height))` from `image_grid_thw`.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promvil_hf.boxes import Box
from promvil_hf.dialects.base import MALFORMED, TRUNCATED, BoxDialect, Parsed, gather, read_box
from promvil_hf.frames import Frame, ImageSize, Thousandths
from promvil_hf.markup import escape, unescape
from promvil_hf.phrases import PROMVIL, GroundedPhrase, Wording


_KEYS = ("bbox_2d", "bbox", "box_2d")
_RECORD = re.compile(r'\{(?:[^{}"]++|"(?:[^"\\\n]++|\\.)*+")*+\}')  # braces inside a string are text
_KEYED_BOX = re.compile(r'"(?:bbox_2d|bbox|box_2d)"\s*:\s*(\[[^\[\]{}"]*\])')
_BARE_BOX = re.compile(r"\[\s*-?[0-9][^\[\]{}\"]*\]")


@dataclass(frozen=True, slots=True)
class QwenJson(BoxDialect):
    """Prompts, targets and answers of the Qwen-VL family."""

    frame: Frame = Thousandths()
    question: str = "Locate {phrase} in the image. Report the box coordinates in JSON format."
    wording: Wording = PROMVIL
    fenced: bool = True  # the models themselves print a ```json fence

    def _question(self, phrase: str, evidence: Sequence[GroundedPhrase], image_size: ImageSize | None) -> str:
        question = self.question.replace("{phrase}", phrase)
        known = [record for told in evidence for record in self._records(told, image_size)]
        return self._with_evidence([json.dumps(known)] if known else [], question)

    def _answer(self, phrase: GroundedPhrase, image_size: ImageSize | None) -> str:
        records = ",\n".join(f"\t{json.dumps(record)}" for record in self._records(phrase, image_size))
        listing = f"[\n{records}\n]"
        return f"```json\n{listing}\n```" if self.fenced else listing

    def parse(self, text: str, *, image_size: ImageSize | None = None) -> Parsed:
        """Every record with a box, wherever it stands in the answer; a list of four bare numbers counts as well."""
        records = list(_RECORD.finditer(text))
        opened = max(text.rfind("["), text.rfind("{"))
        cut = opened > max(text.rfind("]"), text.rfind("}"))
        return gather(self._read(text, records, image_size), (TRUNCATED,) if cut else ())

    def _read(
        self, text: str, records: list[re.Match], image_size: ImageSize | None
    ) -> Iterator[tuple[str, Box | str]]:
        end = 0
        for match in records:
            yield from self._loose(text[end : match.start()], image_size)
            end = match.end()
            try:
                record = json.loads(match[0])
            except (ValueError, RecursionError):
                yield from list(self._loose(match[0], image_size)) or [("", MALFORMED)]
                continue
            numbers = next((record[key] for key in _KEYS if key in record), None)
            if numbers is not None:
                label = record.get("label")
                yield unescape(label) if isinstance(label, str) else "", self._box(numbers, image_size)
        yield from self._loose(text[end:], image_size)
        if not records:
            for match in _BARE_BOX.finditer(_KEYED_BOX.sub("", text)):
                yield "", self._box(_numbers(match[0]), image_size)

    def _loose(self, text: str, image_size: ImageSize | None) -> Iterator[tuple[str, Box | str]]:
        """Boxes of records that are no JSON: cut off behind the box, or with a label that broke the quotes."""
        for match in _KEYED_BOX.finditer(text):
            yield "", self._box(_numbers(match[1]), image_size)

    def _box(self, numbers: object, image_size: ImageSize | None) -> Box | str:
        if not isinstance(numbers, list) or len(numbers) != 4:
            return MALFORMED
        if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
            return MALFORMED
        try:
            return read_box(self.frame, [float(number) for number in numbers], image_size)
        except OverflowError:
            return read_box(self.frame, [float("inf")] * 4, image_size)

    def _records(self, phrase: GroundedPhrase, image_size: ImageSize | None) -> list[dict]:
        label = escape(phrase.text)
        return [{"bbox_2d": list(self.frame.encode(box, image_size)), "label": label} for box in phrase.boxes]


def _numbers(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None
