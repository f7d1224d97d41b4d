# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Phrases with boxes, chains of nested phrases, and PromViL's training rows, both ways.

A chain holds each phrase once, simple to complex, and says which earlier phrases describe it. PromViL's rows spell the
same thing out as alternating texts ("beards.", then "We can see in the image: beard. Base on that, we can detect: man
with beard."); `to_row` writes them and `from_row` reads them back.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from promvil_hf.boxes import Box
from promvil_hf.inflection import plural
from promvil_hf.markup import escape, unescape


@dataclass(frozen=True, slots=True)
class GroundedPhrase:
    """A phrase and every box it names; no boxes means that they are not known."""

    text: str
    boxes: tuple[Box, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "boxes", tuple(self.boxes))


@dataclass(frozen=True, slots=True)
class GroundedSpan:
    """Characters `start` to `end` of a text, with their boxes."""

    start: int
    end: int
    boxes: tuple[Box, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "boxes", tuple(self.boxes))


@dataclass(frozen=True, slots=True)
class GroundedText:
    """Plain text and the places in it that point at the image, in reading order, not overlapping."""

    text: str
    spans: tuple[GroundedSpan, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "spans", tuple(self.spans))
        end = 0
        for span in self.spans:
            if not end <= span.start <= span.end <= len(self.text):
                raise ValueError(
                    f"You passed the span {span.start}..{span.end} for a text of {len(self.text)} characters after one "
                    f"that ends at {end}: spans must lie inside the text, in order, without overlap."
                )
            end = span.end

    @property
    def phrases(self) -> tuple[GroundedPhrase, ...]:
        return tuple(GroundedPhrase(self.text[span.start : span.end], span.boxes) for span in self.spans)


@dataclass(frozen=True, slots=True)
class PhraseStep:
    """One rung: a phrase, the earlier rungs that describe it, and how it words each of them.

    `own_level` is the depth of the phrase by itself. It matters only without anchors: "the man standing" is a composed
    phrase (2) whose one part is its own head, while "the man" is simple (1).
    """

    target: GroundedPhrase
    anchors: tuple[int, ...] = ()
    mentions: tuple[str, ...] = ()
    own_level: int = 1

    def __post_init__(self):
        object.__setattr__(self, "anchors", tuple(self.anchors))
        object.__setattr__(self, "mentions", tuple(self.mentions))
        if not self.target.text.strip():
            raise ValueError("You passed a blank phrase to PhraseStep: each step of a chain must name something.")
        if len(self.mentions) != len(self.anchors):
            raise ValueError(
                f"You passed {len(self.anchors)} anchors and {len(self.mentions)} mentions for {self.target.text!r}: "
                "give one mention, the wording inside this phrase, for each anchor."
            )


@dataclass(frozen=True, slots=True)
class PhraseChain:
    """The nested phrases of one expression in one image, each once, simple to complex."""

    image_id: str
    steps: tuple[PhraseStep, ...]

    def __post_init__(self):
        object.__setattr__(self, "steps", tuple(self.steps))
        if not self.steps:
            raise ValueError(f"You passed a chain without steps for image {self.image_id!r}: it needs at least one.")
        for index, step in enumerate(self.steps):
            if any(not 0 <= anchor < index for anchor in step.anchors):
                raise ValueError(
                    f"You passed anchors {step.anchors} for step {index} ({step.target.text!r}): a step can only refer to "
                    "earlier steps. Order the chain from simple to complex."
                )

    @property
    def levels(self) -> tuple[int, ...]:
        """1 for a simple phrase, else one more than the highest anchor."""
        levels: list[int] = []
        for step in self.steps:
            levels.append(1 + max((levels[anchor] for anchor in step.anchors), default=step.own_level - 1))
        return tuple(levels)

    def evidence(self, index: int) -> tuple[GroundedPhrase, ...]:
        """What step `index` may refer to, in its own wording."""
        step = self.steps[index]
        return tuple(
            GroundedPhrase(mention, self.steps[anchor].target.boxes)
            for anchor, mention in zip(step.anchors, step.mentions, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Wording:
    """The rules by which PromViL words its prompts and rows. The defaults are the reference's."""

    evidence_lead: str = "We can see in the image: "
    evidence_joint: str = ", "
    target_lead: str = ". Base on that, we can detect: "
    ending: str = "."
    plural_first_level: bool = True  # "the man" stands alone as "men"
    tag_every_text: bool = True  # False: only the first text of a row opens with <grounding>

    def alone(self, phrase: str, level: int) -> str:
        """How a phrase of this level reads without evidence."""
        return plural(phrase) if self.plural_first_level and level == 1 else phrase

    def with_evidence(self, evidence: Sequence[str], target: str) -> str:
        return self.evidence_lead + self.evidence_joint.join(evidence) + self.target_lead + target


PROMVIL = Wording()
PROMVIL_VSR = Wording(ending="", tag_every_text=False)  # the published spatial-relation row differs in both


def to_row(
    chain: PhraseChain,
    image_path: str,
    dataset: str = "vg",
    relation: str | None = None,
    wording: Wording = PROMVIL,
) -> dict:
    """PromViL's training row: texts with `<phrase>` tags, and beside each the boxes of its phrases in order."""
    texts, boxes, matches = [], [], []

    def add(text: str, phrases: Sequence[GroundedPhrase]):
        tag = "<grounding>" if wording.tag_every_text or not texts else ""
        texts.append(tag + text + wording.ending)
        boxes.append([list(box.xyxy) for phrase in phrases for box in phrase.boxes])
        matches.append([position for position, phrase in enumerate(phrases) for _ in phrase.boxes])

    anchors = {anchor for step in chain.steps for anchor in step.anchors}
    for index, (step, level) in enumerate(zip(chain.steps, chain.levels, strict=True)):
        target = step.target
        if step.anchors:
            evidence = chain.evidence(index)
            prompt = wording.with_evidence([_tagged(phrase.text) for phrase in evidence], _tagged(target.text))
            add(prompt, [*evidence, target])
        if not step.anchors or index in anchors:
            add(_tagged(wording.alone(target.text, level)), [target])
    return {
        "dataset": dataset,
        "text": texts,
        "bboxes": boxes,
        "box_obj_match": matches,
        "image_path": image_path,
        "relation": relation,
    }


def from_row(row: Mapping, wording: Wording = PROMVIL) -> PhraseChain:
    """The chain that a PromViL row spells out. A row that another wording wrote is refused, never bent."""
    if not row.get("bboxes"):
        raise ValueError(
            f"You passed a {row.get('dataset')!r} row without boxes: only rows of nested phrases become chains. "
            "Question-answer rows (llava, vg_qa) stay as they are."
        )
    reading = _Reading(wording)
    lines = _phrases_by_text(row)
    for place, (*evidence, target) in enumerate(lines):
        later = [mention for *mentions, _ in lines[place + 1 :] for mention in mentions]
        reading.add(evidence, target, later)
    image_path = row.get("image_path")
    if not isinstance(image_path, str):
        raise ValueError(f"You passed a row with the `image_path` {image_path!r:.80}: it is the name of its picture, a text.")
    chain = PhraseChain(PurePosixPath(image_path).stem, reading.steps)
    again = to_row(chain, image_path, row.get("dataset"), row.get("relation"), wording)
    for position, (given, ours) in enumerate(zip(row["text"], again["text"], strict=False)):
        if given != ours:
            raise ValueError(
                f"You passed a row whose text {position} is {given!r}, where this wording writes {ours!r}. "
                "Pass the `Wording` the row was made with."
            )
    if any(list(row[key]) != again[key] for key in ("text", "bboxes", "box_obj_match")):
        raise ValueError(
            "You passed a row whose boxes or number of texts do not follow from its phrases: a phrase must have the same "
            "boxes wherever it stands, and each step without evidence its own text."
        )
    return chain


_PHRASE = re.compile(r"<phrase>(.*?)</phrase>", re.DOTALL)


def _tagged(phrase: str) -> str:
    return f"<phrase>{escape(phrase)}</phrase>"


def _phrases_by_text(row: Mapping) -> list[list[GroundedPhrase]]:
    try:
        return _of_texts(row)
    except (KeyError, TypeError) as error:
        problem = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise ValueError(
            f"You passed a row that cannot be read ({problem}): it has `text`, `bboxes` (lists of boxes of four numbers) and "
            "`box_obj_match` (lists of whole numbers), one entry a text."
        ) from error


def _of_texts(row: Mapping) -> list[list[GroundedPhrase]]:
    if not len(row["text"]) == len(row["bboxes"]) == len(row["box_obj_match"]):
        raise ValueError(
            "You passed a row whose `text`, `bboxes` and `box_obj_match` differ in length: one entry a text."
        )
    out = []
    for text, boxes, match in zip(row["text"], row["bboxes"], row["box_obj_match"], strict=True):
        words = [unescape(phrase) for phrase in _PHRASE.findall(text)]
        if not words or len(boxes) != len(match) or any(not 0 <= position < len(words) for position in match):
            raise ValueError(
                f"You passed the text {text!r} with {len(boxes)} boxes matched to phrases {list(match)}: it has "
                f"{len(words)} phrases, and each box must name one of them."
            )
        found: list[list[Box]] = [[] for _ in words]
        for corners, position in zip(boxes, match, strict=True):
            found[position].append(Box(*corners))
        out.append([GroundedPhrase(word, word_boxes) for word, word_boxes in zip(words, found, strict=True)])
    return out


class _Reading:
    """The steps of a row so far. Which of several equal steps a mention means is chosen so that the row is written again."""

    def __init__(self, wording: Wording):
        self.wording = wording
        self.steps: list[PhraseStep] = []
        self.alone: list[str | None] = []  # the words each step was first seen with, until a mention gives its own
        self.evidence_for: set[int] = set()  # steps that serve as evidence for a later one
        self.stands_alone: set[int] = set()  # steps with a text of their own, which mentions may mean

    def add(self, evidence: Sequence[GroundedPhrase], target: GroundedPhrase, later: Sequence[GroundedPhrase]) -> None:
        """One text of the row. `later` holds what the texts after it mention."""
        if evidence:
            anchors = [self._settled(mention) for mention in evidence]
            self.steps.append(PhraseStep(target, anchors, [mention.text for mention in evidence]))
            self.alone.append(None)
        elif self._repeats_the_last(target) and any(self._means(len(self.steps) - 1, mention) for mention in later):
            self.stands_alone.add(len(self.steps) - 1)
        else:
            self.stands_alone.add(len(self.steps))
            own_level = 1 if self.wording.alone(target.text, 1) == target.text else 2
            self.steps.append(PhraseStep(target, own_level=own_level))
            self.alone.append(target.text)

    def _repeats_the_last(self, target: GroundedPhrase) -> bool:
        """Whether this is the text of a composed phrase by itself, which follows the one with its evidence."""
        last = len(self.steps) - 1
        if not self.steps or not self.steps[last].anchors or last in self.stands_alone:
            return False
        return self.steps[last].target == target

    def _means(self, index: int, mention: GroundedPhrase) -> bool:
        step, words = self.steps[index], self.alone[index]
        if step.target.boxes != mention.boxes:
            return False
        alike = self.wording.alone(mention.text, 1)
        if words is not None and words in (alike, mention.text):
            return True
        return step.target.text == mention.text or step.own_level == 1 and self.wording.alone(step.target.text, 1) == alike

    def _settled(self, mention: GroundedPhrase) -> int:
        """The step a mention means. A step known only by its stand-alone words ("men") takes the mention's ("the man")."""
        found = [index for index in sorted(self.stands_alone) if self._means(index, mention)]
        if not found:
            raise ValueError(
                f"You passed a row whose evidence {mention.text!r} has boxes that no earlier text gives: each phrase must "
                "stand by itself in the row before it serves as evidence."
            )
        # A composed phrase stands alone only because a later text has it as evidence, so those come first.
        owed = (index for index in found if self.steps[index].anchors and index not in self.evidence_for)
        index = next(owed, found[0])
        self.evidence_for.add(index)
        words = self.alone[index]
        if words is not None:
            own_level = 1 if words == self.wording.alone(mention.text, 1) else 2
            self.steps[index] = replace(self.steps[index], target=mention, own_level=own_level)
            self.alone[index] = None
        return index
