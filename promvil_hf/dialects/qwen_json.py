# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Boxes in JSON: Qwen-VL's `[{"bbox_2d": [x0, y0, x1, y1], "label": "a snowman"}]`, Gemini's `box_2d` with y first.

Qwen2-VL, Qwen3-VL, Qwen3.5 and LFM2.5-VL count thousandths of the image (the default here); Qwen2.5-VL counts pixels of the
image as its processor resized it (`frame=StretchedPixels()`), GLM-5.3 Flash and others that are asked for pixels count those
(`Pixels()`). GLM-4.6V writes bare lists between tags of its own. Gemini and Gemma write `box_2d` as [y0, x0, y1, x1] in
thousandths: a record with that key is read by `GeminiJson` only, because as x first it would be a wrong box and no error.

Sources: Qwen3-VL cookbooks/2d_grounding.ipynb; ai.google.dev/gemini-api/docs/image-understanding, section on bounding
boxes; the system prompt of LiquidAI's demo LFM2.5-VL-3B-WebGPU; the README of zai-org/GLM-V and the card of GLM-4.5V;
roboflow/inference#2873 for GLM-5.3 Flash.
"""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from promvil_hf.boxes import Box
from promvil_hf.dialects.base import MALFORMED, OTHER_DIALECT, REFUSED, TRUNCATED, BoxDialect, Parsed, gather, read_box
from promvil_hf.frames import Frame, ImageSize, Thousandths
from promvil_hf.markup import escape, unescape
from promvil_hf.phrases import GroundedPhrase


RECORD = re.compile(r'\{(?:[^{}"]++|"(?:[^"\\\n]++|\\.)*+")*+\}')  # braces inside a string are text
_BARE_BOX = re.compile(r"\[(\s*-?[0-9][^\[\]{}\"]*)\]")
_ANY_BRACKETS = re.compile(r"[\[(<](\s*-?[0-9][-+0-9.,eE\s]*)[\])>]")
_NO_THINGS = re.compile(r'\{\s*"\w+"\s*:\s*(?:\[\s*\]|null)\s*\}')  # {"boxes": []}


@dataclass(frozen=True, slots=True)
class QwenJson(BoxDialect):
    """Prompts, targets and answers of the Qwen-VL family."""

    frame: Frame = Thousandths()
    question: str = "Locate {phrase} in the image. Report the box coordinates in JSON format."
    fenced: bool = True  # the models themselves print a ```json fence

    keys: ClassVar[tuple[str, ...]] = ("bbox_2d", "bbox")  # the first is written
    keys_of_others: ClassVar[tuple[str, ...]] = ("box_2d",)
    y_first: ClassVar[bool] = False
    bare_box: ClassVar[re.Pattern] = _BARE_BOX

    def _question(self, phrase: str, evidence: Sequence[GroundedPhrase], image_size: ImageSize | None) -> str:
        question = self.question.replace("{phrase}", phrase)
        records = [record for known in evidence for record in self._records(known, image_size)]
        return self._with_evidence([json.dumps(records)] if records else [], question)

    def _answer(self, phrase: GroundedPhrase, image_size: ImageSize | None) -> str:
        records = ",\n".join(f"\t{json.dumps(record)}" for record in self._records(phrase, image_size))
        listing = f"[\n{records}\n]"
        return f"```json\n{listing}\n```" if self.fenced else listing

    def _parse(self, text: str, image_size: ImageSize | None) -> Parsed:
        """Every record with a box, wherever it stands in the answer; a list of four bare numbers counts as well."""
        records = list(RECORD.finditer(text))
        opened = max(text.rfind("["), text.rfind("{"))
        cut = opened > max(text.rfind("]"), text.rfind("}"))
        found = list(self._read(text, records, image_size))
        nothing = [box for _, box in found if box == REFUSED]
        parsed = gather(
            ((phrase, box) for phrase, box in found if box != REFUSED), (TRUNCATED,) if cut else ()
        )
        is_refusal = bool(nothing) or _NO_THINGS.fullmatch(text.strip("` \n").removeprefix("json").strip())
        return Parsed(refused=True) if is_refusal and not parsed.boxes and not parsed.problems else parsed

    def _read(
        self, text: str, records: list[re.Match], image_size: ImageSize | None
    ) -> Iterator[tuple[str, Box | str]]:
        end = 0
        for match in records:
            yield from self._loose(text[end : match.start()], image_size)
            end = match.end()
            record = json_value(match[0])
            if not isinstance(record, dict):
                yield from list(self._loose(match[0], image_size)) or [("", MALFORMED)]
                continue
            key = next((key for key in self.keys if key in record), None)
            if key is not None:
                label = record.get("label")
                label = unescape(label) if isinstance(label, str) else ""
                yield from ((label, box) for box in self._boxes(record[key], image_size))
            elif any(key in record for key in self.keys_of_others):
                yield "", OTHER_DIALECT
        yield from self._loose(text[end:], image_size)
        if not records:
            for match in self.bare_box.finditer(_keyed_box(self.keys).sub("", text)):
                yield "", self._box(json_value(f"[{match[1]}]"), image_size)

    def _loose(self, text: str, image_size: ImageSize | None) -> Iterator[tuple[str, Box | str]]:
        """Boxes of records that are no JSON: cut off behind the box, or with a label that broke the quotes."""
        for match in _keyed_box(self.keys).finditer(text):
            yield "", self._box(json_value(match[1]), image_size)

    def _boxes(self, value: Any, image_size: ImageSize | None) -> Iterator[Box | str]:
        """What stands under the key of a box: four numbers, a list of such boxes, or nothing, which refuses."""
        if value in (None, [], [[]]) or isinstance(value, str) and value.lower() in ("null", "none"):
            yield REFUSED
        elif isinstance(value, list) and all(isinstance(corners, list) for corners in value):
            yield from (self._box(corners, image_size) for corners in value)
        else:
            yield self._box(value, image_size)

    def _box(self, numbers: Any, image_size: ImageSize | None) -> Box | str:
        if (numbers := plain_numbers(numbers, 4)) is None:
            return MALFORMED
        return read_box(self.frame, self._ordered(numbers), image_size)

    def _records(self, phrase: GroundedPhrase, image_size: ImageSize | None) -> list[dict]:
        label = escape(phrase.text)
        rows = (self._ordered(self.frame.encode(box, image_size)) for box in phrase.boxes)
        return [{self.keys[0]: list(row), "label": label} for row in rows]

    def _ordered(self, numbers: Sequence[float]) -> Sequence[float]:
        """The numbers as the model has them from those of the frame, and the other way round."""
        return (numbers[1], numbers[0], numbers[3], numbers[2]) if self.y_first else numbers


@dataclass(frozen=True, slots=True)
class GeminiJson(QwenJson):
    """`[{"box_2d": [y0, x0, y1, x1], "label": "a snowman"}]`: Gemini, and Gemma 3 and 4."""

    question: str = "Detect {phrase}. Answer with a JSON list of objects with the keys box_2d and label."

    keys: ClassVar[tuple[str, ...]] = ("box_2d",)
    keys_of_others: ClassVar[tuple[str, ...]] = ("bbox_2d",)
    y_first: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class GlmBoxes(QwenJson):
    """`<|begin_of_box|>[[94, 598, 177, 991]]<|end_of_box|>`: GLM-4.1V to 4.6V, and CogVLM's bare `[[094,598,177,991]]`.

    Its model card says that the brackets vary: [], [[]], () and <> are all read, and so are `QwenJson`'s records, which it
    writes when asked for JSON.
    """

    question: str = "Please pinpoint the bounding box [[x0, y0, x1, y1]] of {phrase} in the image."

    bare_box: ClassVar[re.Pattern] = _ANY_BRACKETS

    def _answer(self, phrase: GroundedPhrase, image_size: ImageSize | None) -> str:
        rows = [list(self.frame.encode(box, image_size)) for box in phrase.boxes]
        return f"<|begin_of_box|>{json.dumps(rows)}<|end_of_box|>"


def json_value(text: str) -> Any:
    """A value of JSON, or of Python's own writing with single quotes or round brackets; None where it is neither."""
    ways = (json.loads, ast.literal_eval) if ("'" in text or "(" in text) and "\\" not in text else (json.loads,)
    for read in ways:
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    return None


def plain_numbers(value: Any, count: int) -> list[float] | None:
    """The numbers as floats, one too large for a float as infinity; None for anything but a list of so many numbers."""
    if not isinstance(value, list | tuple) or len(value) != count:
        return None
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in value):
        return None
    try:
        return [float(number) for number in value]
    except OverflowError:
        return [float("inf")] * count


@cache
def _keyed_box(keys: tuple[str, ...]) -> re.Pattern:
    return re.compile(rf"""["'](?:{"|".join(keys)})["']\s*:\s*(\[[^\[\]{{}}"]*\])""")
