# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What every dialect promises, what the dialects here have in common, and the value that parsing gives."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from promvil_hf.boxes import Box, Point
from promvil_hf.dialects.reasoning import answer_of
from promvil_hf.dialects.refusals import is_refusal
from promvil_hf.frames import Frame, ImageSize
from promvil_hf.markup import escape
from promvil_hf.phrases import PROMVIL, GroundedPhrase, Wording


REFUSED = "refused"
NO_BOX = "no box"
NO_ANSWER = "no answer"  # there is not even a text
OTHER_DIALECT = "box of another dialect"
OUT_OF_RANGE = "out of range"
EMPTY_BOX = "empty box"
TRUNCATED = "truncated"
MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A model's answer, read. Either `boxes` (`points` in dialects that point), or the `reason` why there is none.

    An answer without any is one of three: it is `refused` because it says that there is no such thing, it holds "no box",
    or it is unreadable, and the reason names the problem. `problems` names, one by one, what was dropped on the way even if
    boxes remain. `phrases` are all phrases the answer grounds, where the family names them; `boxes` answers the phrase
    that was asked for.
    """

    boxes: tuple[Box, ...] = ()
    problems: tuple[str, ...] = ()
    phrases: tuple[GroundedPhrase, ...] = ()
    points: tuple[Point, ...] = ()
    refused: bool = False

    @property
    def reason(self) -> str | None:
        if self.ok:
            return None
        return REFUSED if self.refused else self.problems[0] if self.problems else NO_BOX

    @property
    def ok(self) -> bool:
        """Counts towards `parse_rate`: at least one well-formed box or point."""
        return bool(self.boxes or self.points)


class GroundingDialect(Protocol):
    """`image_size` is the original (width, height); only frames that depend on it ask for it."""

    def prompt(
        self,
        phrase: str,
        evidence: Sequence[GroundedPhrase] = (),
        *,
        level: int | None = None,
        image_size: ImageSize | None = None,
    ) -> str:
        """What the model is asked, images apart. `level=1` asks for every instance of a simple phrase."""
        ...

    def target(self, phrase: GroundedPhrase, *, image_size: ImageSize | None = None) -> str:
        """The answer that should follow the prompt."""
        ...

    def parse(self, text: str, *, image_size: ImageSize | None = None) -> Parsed:
        """Read a model's answer. Never raises on what a model wrote."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxDialect:
    """Prompts and targets of a dialect whose class says how it asks for words (`_question`), writes boxes (`_answer`) and
    reads an answer without its thinking (`_parse`).

    A phrase that is asked for without evidence may be put in the plural by the dialect's `wording`. `also_refuses` are whole
    answers that refuse, beside those of `promvil_hf.dialects.refusals`.
    """

    wording: Wording = PROMVIL
    also_refuses: tuple[str, ...] = ()

    def prompt(
        self,
        phrase: str,
        evidence: Sequence[GroundedPhrase] = (),
        *,
        level: int | None = None,
        image_size: ImageSize | None = None,
    ) -> str:
        """As `GroundingDialect.prompt`."""
        words = phrase if evidence or level is None else self.wording.alone(phrase, level)
        return self._question(escape(words), evidence, image_size)

    def target(self, phrase: GroundedPhrase, *, image_size: ImageSize | None = None) -> str:
        """As `GroundingDialect.target`."""
        if not phrase.boxes:
            raise ValueError(
                f"You passed {phrase.text!r} without boxes as a target: there is nothing to answer. Leave the row out, or "
                "give the phrase its boxes."
            )
        return self._answer(phrase, image_size)

    def parse(self, text: str, *, image_size: ImageSize | None = None) -> Parsed:
        """As `GroundingDialect.parse`. What a model thought before its answer does not count."""
        said, is_cut = answer_of(text)
        if is_cut:
            return Parsed(problems=(TRUNCATED,))
        parsed = self._parse(said, image_size)
        if parsed.ok or not (parsed.refused or is_refusal(said, self.also_refuses)):
            return parsed if not parsed.refused else replace(parsed, refused=False)
        return Parsed(refused=True)

    def _with_evidence(self, evidence_texts: Sequence[str], question: str) -> str:
        """For families that take a sentence: what is known, then the question."""
        lead, joint = self.wording.evidence_lead, self.wording.evidence_joint
        return f"{lead}{joint.join(evidence_texts)}. {question}" if evidence_texts else question


def read_point(frame: Frame, x: float, y: float, image_size: ImageSize | None) -> Point | str:
    """The point, or the problem with these numbers. In a padded frame it may lie beside the image."""
    if not (math.isfinite(x) and math.isfinite(y)):
        return OUT_OF_RANGE
    if not 0 <= x <= frame.limits(image_size)[0] or not 0 <= y <= frame.limits(image_size)[1]:
        return OUT_OF_RANGE
    x, y = frame.corners((x, y, x, y), image_size)[:2]
    return Point(x, y) if 0 <= x <= 1 and 0 <= y <= 1 else OUT_OF_RANGE


def read_box(frame: Frame, numbers: Sequence[float], image_size: ImageSize | None) -> Box | str:
    """The box, or the problem with these numbers. A padded frame's box is cut to the image itself."""
    if not all(map(math.isfinite, numbers)):
        return OUT_OF_RANGE
    limits = frame.limits(image_size)
    if any(not 0 <= number <= limit for number, limit in zip(numbers, limits, strict=True)):
        return OUT_OF_RANGE
    return Box.clipped(*frame.corners(numbers, image_size)) or EMPTY_BOX


def gather(found: Iterable[tuple[str, Box | str]], problems: Iterable[str] = ()) -> Parsed:
    """(phrase, box or problem) pairs in the order of the answer -> what was read; equal neighbours are one phrase."""
    groups: list[tuple[str, list[Box]]] = []
    seen: list[str] = []
    for phrase, box in found:
        if isinstance(box, str):
            seen.append(box)
        elif groups and groups[-1][0] == phrase:
            groups[-1][1].append(box)
        else:
            groups.append((phrase, [box]))
    return Parsed(
        boxes=tuple(box for _, boxes in groups for box in boxes),
        problems=(*seen, *problems),
        phrases=tuple(GroundedPhrase(phrase, boxes) for phrase, boxes in groups),
    )
