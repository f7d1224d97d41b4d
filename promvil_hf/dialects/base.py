# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What every dialect promises, what the dialects here have in common, and the value that parsing gives."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from promvil_hf.boxes import Box
from promvil_hf.frames import Frame, ImageSize
from promvil_hf.markup import escape
from promvil_hf.phrases import GroundedPhrase, Wording


NO_BOX = "no box"
OUT_OF_RANGE = "out of range"
EMPTY_BOX = "empty box"
TRUNCATED = "truncated"
MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A model's answer, read. Either `boxes`, or the `reason` why there is none.

    `problems` names, one by one, what was dropped on the way even if boxes remain. `phrases` are all phrases the answer
    grounds, where the family names them; `boxes` answers the phrase that was asked for.
    """

    boxes: tuple[Box, ...] = ()
    problems: tuple[str, ...] = ()
    phrases: tuple[GroundedPhrase, ...] = ()

    @property
    def reason(self) -> str | None:
        if self.boxes:
            return None
        return self.problems[0] if self.problems else NO_BOX

    @property
    def ok(self) -> bool:
        """Counts towards `parse_rate`: at least one well-formed box."""
        return bool(self.boxes)


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


class BoxDialect:
    """Prompts and targets of a dialect whose class says how it asks for words (`_question`) and writes boxes (`_answer`).

    A phrase that is asked for without evidence may be put in the plural by the dialect's `wording`.
    """

    __slots__ = ()
    wording: Wording

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

    def _with_evidence(self, told: Sequence[str], question: str) -> str:
        """For families that take a sentence: what is known, then the question."""
        lead, joint = self.wording.evidence_lead, self.wording.evidence_joint
        return f"{lead}{joint.join(told)}. {question}" if told else question


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
