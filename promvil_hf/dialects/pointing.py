# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Points instead of boxes: an answer parses to `Point`s, which `promvil_hf.metrics.pointing` scores in boxes or masks.

    MolmoPoints        <points coords="1 1 105 205 2 300 400">ears</points>: Molmo 2, image, then number, x, y of each point in
                       thousandths; read as well: Molmo's <point x="63.5" y="44.5"> and <points x1= y1= …> in percent
    RefSpatialPoints   [(0.42, 0.63), …], fractions: RefSpatial-Bench, RoboPoint, RoboRefer
    QwenPoints         [{"point_2d": [x, y], "label": "ear"}], thousandths
    GeminiPoints       [{"point": [y, x], "label": "ear"}], thousandths

A target is the middle of each box. Sources: the model cards of allenai/Molmo2-8B and allenai/Molmo-7B-D-0924 (its
discussion 1); the suffix in RefSpatial-Bench's question.json; Qwen3-VL cookbooks/2d_grounding.ipynb; ai.google.dev/gemini-api,
robotics, pointing. RefSpatial's own scorer takes whole numbers for pixels; here the frame is declared.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from promvil_hf.boxes import Point
from promvil_hf.dialects.base import MALFORMED, REFUSED, TRUNCATED, BoxDialect, Parsed, read_point
from promvil_hf.dialects.qwen_json import RECORD, json_value, plain_numbers
from promvil_hf.frames import Fractions, Frame, ImageSize, ResizedPixels, Thousandths, encode_point
from promvil_hf.markup import escape
from promvil_hf.phrases import GroundedPhrase


_TAG = re.compile(r"<points?\b([^<>]*+)>")
_CUT_TAG = re.compile(r"<points?\b[^<>]*\Z")
_COORDS = re.compile(r"""coords\s*=\s*["']([^"']*)["']""")
_ATTRIBUTE = re.compile(r"""\b([xy])([0-9]*)\s*=\s*["']\s*([^"']*)["']""")
_PAIR = re.compile(r"[(\[]\s*([-+0-9.eE]+)\s*,\s*([-+0-9.eE]+)\s*[)\]]")
_CUT_PAIR = re.compile(r"[(\[][-+0-9.,eE\s]*\Z")


class PointDialect(BoxDialect):
    """What the dialects that point have in common: `_read` gives points or problems, `_written` writes numbers."""

    __slots__ = ()
    frame: Frame
    question: str

    def _question(self, phrase: str, evidence: Sequence[GroundedPhrase], image_size: ImageSize | None) -> str:
        evidence_texts = [f"{escape(known.text)} {self._answer(known, image_size)}".rstrip() for known in evidence]
        return self._with_evidence(evidence_texts, self.question.replace("{phrase}", phrase))

    def _answer(self, phrase: GroundedPhrase, image_size: ImageSize | None) -> str:
        middles = [Point((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) for box in phrase.boxes]
        numbers = [encode_point(self.frame, middle, image_size) for middle in middles]
        return self._written(numbers, escape(phrase.text)) if numbers else ""

    def _parse(self, text: str, image_size: ImageSize | None) -> Parsed:
        found = list(self._read(text, image_size))
        points = tuple(point for point in found if isinstance(point, Point))
        problems = tuple(problem for problem in found if isinstance(problem, str) and problem != REFUSED)
        return Parsed(points=points, problems=problems, refused=REFUSED in found and not points and not problems)


@dataclass(frozen=True, slots=True)
class MolmoPoints(PointDialect):
    """Prompts, targets and answers of Molmo 2, and the answers of Molmo."""

    frame: Frame = Thousandths()
    percent: Frame = field(default=ResizedPixels((100, 100), whole=False), repr=False)  # of Molmo's x and y
    question: str = "Point to {phrase}."

    def _written(self, numbers: Sequence[tuple[float, float]], label: str) -> str:
        coords = " ".join(f"{place} {round(x):03d} {round(y):03d}" for place, (x, y) in enumerate(numbers, 1))
        return f'<points coords="1 {coords}">{label}</points>'

    def _read(self, text: str, image_size: ImageSize | None) -> Iterator[Point | str]:
        for tag in _TAG.finditer(text):
            if coords := _COORDS.search(tag[1]):
                first, *_ = re.split(r"[;\t]", coords[1])  # what follows is in other images
                yield from self._thousandths(re.findall(r"[^\s,]+", first), image_size)
                continue
            values: dict[str, dict[str, str]] = {}
            for axis, place, value in _ATTRIBUTE.findall(tag[1]):
                values.setdefault(place, {})[axis] = value
            if not values:
                yield MALFORMED
            for pair in values.values():
                yield _point(self.percent, pair.get("x"), pair.get("y"), image_size)
        if _CUT_TAG.search(text):
            yield TRUNCATED

    def _thousandths(self, numbers: list[str], image_size: ImageSize | None) -> Iterator[Point | str]:
        """The number of the image, where it stands, and then number, x, y of each point."""
        numbers = numbers[len(numbers) % 3 == 1 :]
        if len(numbers) % 3 or not numbers:
            yield MALFORMED
        for place in range(0, len(numbers) - 2, 3):
            yield _point(self.frame, *numbers[place + 1 : place + 3], image_size)


@dataclass(frozen=True, slots=True)
class RefSpatialPoints(PointDialect):
    """Prompts, targets and answers as lists of pairs."""

    frame: Frame = Fractions()
    question: str = (
        "Please point out {phrase}. Your answer should be formatted as a list of tuples, i.e. [(x1, y1)], where each tuple "
        "contains the x and y coordinates of a point satisfying the conditions above. The coordinates should be between 0 and "
        "1, indicating the normalized pixel locations of the points in the image."
    )

    def _written(self, numbers: Sequence[tuple[float, float]], label: str) -> str:
        return "[" + ", ".join(f"({x:.3f}, {y:.3f})" for x, y in numbers) + "]"

    def _read(self, text: str, image_size: ImageSize | None) -> Iterator[Point | str]:
        for x, y in _PAIR.findall(text):
            yield _point(self.frame, x, y, image_size)
        if _CUT_PAIR.search(text):
            yield TRUNCATED


@dataclass(frozen=True, slots=True)
class QwenPoints(PointDialect):
    """Prompts, targets and answers of Qwen-VL's pointing."""

    frame: Frame = Thousandths()
    question: str = "Point to {phrase} in the image. Report the point coordinates in JSON format."

    key: ClassVar[str] = "point_2d"
    y_first: ClassVar[bool] = False

    def _written(self, numbers: Sequence[tuple[float, float]], label: str) -> str:
        rows = ([round(number) for number in (pair[::-1] if self.y_first else pair)] for pair in numbers)
        return json.dumps([{self.key: row, "label": label} for row in rows])

    def _read(self, text: str, image_size: ImageSize | None) -> Iterator[Point | str]:
        for match in RECORD.finditer(text):
            record = json_value(match[0])
            if not isinstance(record, dict):
                yield MALFORMED
            elif self.key in record:
                yield from self._points(record[self.key], image_size)
        if max(text.rfind("["), text.rfind("{")) > max(text.rfind("]"), text.rfind("}")):
            yield TRUNCATED

    def _points(self, value: Any, image_size: ImageSize | None) -> Iterable[Point | str]:
        if value is None or value == []:
            return [REFUSED]
        rows = value if isinstance(value, list) and all(isinstance(row, list) for row in value) else [value]
        pairs = (plain_numbers(row, 2) for row in rows)
        return [
            MALFORMED if pair is None else read_point(self.frame, *(pair[::-1] if self.y_first else pair), image_size)
            for pair in pairs
        ]


@dataclass(frozen=True, slots=True)
class GeminiPoints(QwenPoints):
    """Prompts, targets and answers of Gemini's pointing."""

    question: str = "Point to {phrase}. Answer with a JSON list of objects with the keys point, as [y, x], and label."

    key: ClassVar[str] = "point"
    y_first: ClassVar[bool] = True


def _point(frame: Frame, x: str | None, y: str | None, image_size: ImageSize | None) -> Point | str:
    try:
        return read_point(frame, float(x or ""), float(y or ""), image_size)
    except ValueError:
        return MALFORMED
