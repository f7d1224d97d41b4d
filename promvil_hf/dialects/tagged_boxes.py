# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Boxes between tags: `<ref>a snowman</ref><box>[[391, 47, 984, 828]]</box>` and its relatives, several boxes to a name.

    InternVLTags   <ref> <box> [[x0, y0, x1, y1], …], thousandths; read as well: Qwen-VL's (x0,y0),(x1,y1) and MiniCPM-V's
                   four numbers between the same tags
    QwenTags       <|object_ref_start|> <|box_start|> (x0,y0),(x1,y1), thousandths: Qwen2-VL, OS-Atlas
    DeepSeekTags   <|ref|> <|det|> [[x0, y0, x1, y1], …], n / 999: DeepSeek-VL2 and DeepSeek-OCR
    RexTags        QwenTags' tags around <x0><y0><x1><y1>, …, n / 999: Rex-Omni

Sources: internvl.readthedocs.io, chat data format, grounding; the README of QwenLM/Qwen-VL and of OS-Copilot/OS-Atlas; the
README and `inference.py` of deepseek-ai/DeepSeek-VL2; the README of IDEA-Research/Rex-Omni.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from promvil_hf.boxes import Box
from promvil_hf.dialects.base import MALFORMED, REFUSED, TRUNCATED, BoxDialect, Parsed, gather, read_box
from promvil_hf.frames import Frame, ImageSize, ResizedPixels, Thousandths
from promvil_hf.markup import escape, unescape
from promvil_hf.phrases import GroundedPhrase


_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_WRITTEN = re.compile(r"[-0-9.,()<>\[\]\s]*")
_LOOSE = re.compile(  # four numbers without tags: [a, b, c, d], or (a,b),(c,d)
    r"[\[(]\s*(-?[0-9.]+)\s*,\s*(-?[0-9.]+)\s*(?:\)\s*,\s*\(|,)\s*(-?[0-9.]+)\s*,\s*(-?[0-9.]+)\s*[\])]"
)


@dataclass(frozen=True, slots=True)
class InternVLTags(BoxDialect):
    """Prompts, targets and answers of InternVL."""

    frame: Frame = Thousandths()
    question: str = "Please provide the bounding box coordinate of the region this sentence describes: <ref>{phrase}</ref>"

    name_tags: ClassVar[tuple[str, str]] = ("<ref>", "</ref>")
    box_tags: ClassVar[tuple[str, str]] = ("<box>", "</box>")

    def _question(self, phrase: str, evidence: Sequence[GroundedPhrase], image_size: ImageSize | None) -> str:
        evidence_texts = [self._answer(known, image_size) for known in evidence]
        return self._with_evidence(evidence_texts, self.question.replace("{phrase}", phrase))

    def _answer(self, phrase: GroundedPhrase, image_size: ImageSize | None) -> str:
        name = escape(phrase.text).join(self.name_tags)
        rows = [self.frame.encode(box, image_size) for box in phrase.boxes]
        return name + self._written(rows).join(self.box_tags) if rows else name

    def _written(self, rows: Sequence[Sequence[float]]) -> str:
        """The boxes of one name, between its tags."""
        return f"[{', '.join(str(list(row)) for row in rows)}]"

    def _parse(self, text: str, image_size: ImageSize | None) -> Parsed:
        found = list(self._read(text, image_size))
        parsed = gather((phrase, box) for phrase, box in found if box != REFUSED)
        is_refusal = any(box == REFUSED for _, box in found) and not parsed.boxes and not parsed.problems
        return Parsed(refused=True) if is_refusal else parsed

    def _read(self, text: str, image_size: ImageSize | None) -> Iterator[tuple[str, Box | str]]:
        end, name, is_tagged = 0, "", False
        for match in _tagged(self.name_tags, self.box_tags).finditer(text):
            if match[1] is not None:
                name = unescape(match[1].strip())
            elif text[end : match.start()].strip(" ,;\n"):
                name = ""  # other words stand between the name and this box
            end, is_tagged = match.end(), True
            yield from ((name, box) for box in self._boxes(match[2], bool(match[3]), image_size))
        if not is_tagged:
            for match in _LOOSE.finditer(text):
                yield "", self._box(match.groups(), image_size)

    def _boxes(self, written: str, is_closed: bool, image_size: ImageSize | None) -> Iterator[Box | str]:
        if written.strip().lower() in ("null", "none", "[]", "[[]]"):
            yield REFUSED
            return
        groups = list(_groups(written))
        whole = [numbers for numbers in groups if len(numbers) == 4]
        yield from (self._box(numbers, image_size) for numbers in whole)
        if not is_closed:
            yield TRUNCATED
        elif len(whole) < len(groups) or not groups or not _WRITTEN.fullmatch(written):
            yield MALFORMED

    def _box(self, numbers: Sequence[str], image_size: ImageSize | None) -> Box | str:
        try:
            return read_box(self.frame, [float(number) for number in numbers], image_size)
        except ValueError:  # "1.2.3"
            return MALFORMED


@dataclass(frozen=True, slots=True)
class QwenTags(InternVLTags):
    """Prompts, targets and answers of Qwen2-VL."""

    question: str = "Detect the bounding box of <|object_ref_start|>{phrase}<|object_ref_end|>"

    name_tags: ClassVar[tuple[str, str]] = ("<|object_ref_start|>", "<|object_ref_end|>")
    box_tags: ClassVar[tuple[str, str]] = ("<|box_start|>", "<|box_end|>")

    def _written(self, rows: Sequence[Sequence[float]]) -> str:
        """Each box between tags of its own."""
        return "".join(self.box_tags[::-1]).join(f"({x0},{y0}),({x1},{y1})" for x0, y0, x1, y1 in rows)


@dataclass(frozen=True, slots=True)
class DeepSeekTags(InternVLTags):
    """Prompts, targets and answers of DeepSeek-VL2."""

    frame: Frame = ResizedPixels((999, 999))
    question: str = "<|ref|>{phrase}<|/ref|>."

    name_tags: ClassVar[tuple[str, str]] = ("<|ref|>", "<|/ref|>")
    box_tags: ClassVar[tuple[str, str]] = ("<|det|>", "<|/det|>")


@dataclass(frozen=True, slots=True)
class RexTags(QwenTags):
    """Prompts, targets and answers of Rex-Omni."""

    frame: Frame = ResizedPixels((999, 999))
    question: str = "Detect {phrase}. Output the bounding box coordinates in [x0, y0, x1, y1] format."

    def _written(self, rows: Sequence[Sequence[float]]) -> str:
        return ",".join("".join(f"<{number}>" for number in row) for row in rows)


def _groups(written: str) -> Iterator[list[str]]:
    """The numbers of each box: those in one pair of square brackets, between commas behind angle brackets, or four at a time.
    An open bracket at the end is no group: its box was cut off."""
    if "[" in written:
        yield from (_NUMBER.findall(inner) for inner in re.findall(r"\[([^\[\]]+)\]", written))
    elif "<" in written:
        yield from map(_NUMBER.findall, re.split(r">\s*,", written))
    else:
        numbers = _NUMBER.findall(written)
        yield from (numbers[place : place + 4] for place in range(0, len(numbers), 4))


@cache
def _tagged(name: tuple[str, str], box: tuple[str, str]) -> re.Pattern:
    """A box or several between their tags, and the name before them. Each repeat is possessive: time is linear."""
    opening, closing = map(re.escape, name)
    begin, end = map(re.escape, box)
    words = rf"(?:[^<]|<(?!{closing[1:]}|{opening[1:]}|{begin[1:]}))*+"
    numbers = r"((?:[^<]|<[0-9]{1,6}>)*+)"
    return re.compile(rf"(?:{opening}({words}){closing}\s*+)?{begin}{numbers}({end})?")
