# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Kosmos-2: `<phrase>a snowman</phrase><object><patch_index_0044><patch_index_0863></object>`.

A box is a pair of cells of a 32x32 grid, the prompt forces the opening `<object>`, and `annotate` / `read`
carry whole captions with several phrases. Facts that differ from transformers' own decoder are kept on purpose: cells
beyond the grid and inverted pairs are problems here, not boxes; an object without a phrase keeps all its boxes in one
nameless entry; unknown `<tags>` stay text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promvil_hf.boxes import Box
from promvil_hf.dialects.base import MALFORMED, TRUNCATED, BoxDialect, Parsed, read_box
from promvil_hf.frames import ImageSize, PatchGrid
from promvil_hf.markup import escape, unescape
from promvil_hf.phrases import GroundedPhrase, GroundedSpan, GroundedText


DELIMITER = "</delimiter_of_multi_objects/>"

_CELL = r"<patch_index_[0-9]{1,6}>"
_PAIR = re.compile(r"<patch_index_([0-9]{1,6})><patch_index_([0-9]{1,6})>")
_PAIRS = rf"{_CELL}{_CELL}(?:{DELIMITER}{_CELL}{_CELL})*"
_OBJECT = re.compile(rf"<object>({_PAIRS})</object>")
_CUT_OBJECT = re.compile(
    rf"<object>((?:{_PAIRS})?)(?:{DELIMITER})?(?:{_CELL})?(?:<[^<>]*)?\Z"
)  # the answer breaks off
_ENTITY = re.compile(rf"(?:<phrase>([^<]*(?:<\\[^<]*)*)</phrase>)?<object>({_PAIRS})</object>")
_TAG = re.compile(
    r"</?(?:phrase|object|image|doc|chunk|line|grounding|s|pad|unk|mask)>|</delimiter_of_multi_objects/>"
    r"|<patch_index_[0-9]{1,6}>"
)


@dataclass(frozen=True, slots=True)
class Kosmos2(BoxDialect):
    """Prompts, targets and answers of Kosmos-2 and of PromViL's fine-tuned ones."""

    force_object: bool = True  # end the prompt in <object>, so that the next token is a cell
    grid: PatchGrid = PatchGrid()

    def _question(self, phrase: str, evidence: Sequence[GroundedPhrase], image_size: ImageSize | None) -> str:
        opening = "<object>" if self.force_object else ""
        asked_for = f"<phrase>{phrase}</phrase>{opening}"
        if not evidence:
            return f"<grounding>{asked_for}"
        evidence_texts = [f"<phrase>{escape(known.text)}</phrase>{self._object(known.boxes)}" for known in evidence]
        return f"<grounding>{self.wording.with_evidence(evidence_texts, asked_for)}"

    def _answer(self, phrase: GroundedPhrase, image_size: ImageSize | None) -> str:
        written = self._object(phrase.boxes)
        return (written.removeprefix("<object>") if self.force_object else written) + self.wording.ending

    def _parse(self, text: str, image_size: ImageSize | None) -> Parsed:
        """The boxes of the first complete object. One that the answer breaks off in gives the pairs it completed."""
        if text.lstrip().startswith("<patch_index_"):
            text = "<object>" + text.lstrip()  # the opening tag stood in the prompt
        found = _OBJECT.search(text)
        flaws: tuple[str, ...] = ()
        if found is None and (start := text.rfind("<object>")) >= 0:
            found = _CUT_OBJECT.match(text, start)
            flaws = (TRUNCATED if found else MALFORMED,)
        read = list(self._boxes(found[1])) if found else []
        return Parsed(
            boxes=tuple(box for box in read if isinstance(box, Box)),
            problems=(*(box for box in read if isinstance(box, str)), *flaws),
            phrases=tuple(phrase for phrase in self.read(text).phrases if phrase.boxes),
        )

    def annotate(self, grounded: GroundedText) -> str:
        """A caption with its phrases and boxes, as the model writes it (the blank before a phrase goes inside its tag)."""
        out, end = ["<grounding>"], 0
        for span in grounded.spans:
            before = grounded.text[end : span.start]
            end = span.end
            if span.start == span.end:  # a place without words
                out += [escape(before), self._object(span.boxes)]
                continue
            text = before.rstrip(" ")
            blank, phrase = before[len(text) :], grounded.text[span.start : span.end]
            out += [escape(text), f"<phrase>{blank}{escape(phrase)}</phrase>", self._object(span.boxes)]
        return "".join([*out, escape(grounded.text[end:])])

    def read(self, text: str) -> GroundedText:
        """The plain caption and where its phrases stand in it; the inverse of `annotate`."""
        plain, spans, end = "", [], 0
        for entity in _ENTITY.finditer(text):
            plain = (plain + _plain(text[end : entity.start()])).lstrip()
            phrase = _plain(entity[1] or "")
            if not plain:
                phrase = phrase.lstrip()
            start = len(plain) + len(phrase) - len(phrase.lstrip())
            boxes = [box for box in self._boxes(entity[2]) if isinstance(box, Box)]
            spans.append(GroundedSpan(start, start + len(phrase.strip()), boxes))
            plain, end = plain + phrase, entity.end()
        plain = (plain + _plain(text[end:])).strip()
        return GroundedText(plain, [_within(span, len(plain)) for span in spans])

    def _object(self, boxes: Sequence[Box]) -> str:
        if not boxes:
            return ""
        pairs = (self.grid.encode(box) for box in boxes)
        return (
            "<object>"
            + DELIMITER.join("".join(f"<patch_index_{c:04d}>" for c in pair) for pair in pairs)
            + "</object>"
        )

    def _boxes(self, pairs: str) -> Iterator[Box | str]:
        for first, last in _PAIR.findall(pairs):
            yield read_box(self.grid, (int(first), int(last)), None)


def _plain(text: str) -> str:
    return unescape(_TAG.sub("", text))


def _within(span: GroundedSpan, length: int) -> GroundedSpan:
    """A nameless span can stand in the blanks that were stripped off the end."""
    return GroundedSpan(min(span.start, length), min(span.end, length), span.boxes)
