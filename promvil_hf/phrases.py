# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Phrases with boxes, chains of nested phrases, and PromViL's training rows, both ways.

A chain holds each phrase once, simple to complex, and says which earlier phrases describe it. PromViL's rows spell the
same thing out as alternating texts ("beards.", then "We can see in the image: beard. Base on that, we can detect: man
with beard."); `to_row` writes them and `from_row` reads them back. Floor 0: standard library only.
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
                    f"You passed anchors {step.anchors} for step {index} ({step.target.text!r}): a step can only lean on "
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
        """What step `index` may lean on, in its own wording."""
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

    leaned_on = {anchor for step in chain.steps for anchor in step.anchors}
    for index, (step, level) in enumerate(zip(chain.steps, chain.levels, strict=True)):
        target = step.target
        if step.anchors:
            evidence = chain.evidence(index)
            told = wording.with_evidence([_tagged(phrase.text) for phrase in evidence], _tagged(target.text))
            add(told, [*evidence, target])
        if not step.anchors or index in leaned_on:
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
    steps: list[PhraseStep] = []
    alone: list[str | None] = []  # the words each step was first seen with, while no mention has told its own
    for phrases in _phrases_by_text(row):
        *evidence, target = phrases
        if evidence:
            anchors = [_settle(steps, alone, mention, wording) for mention in evidence]
            steps.append(PhraseStep(target, anchors, [mention.text for mention in evidence]))
            alone.append(None)
        elif target not in (step.target for step in steps):
            own_level = 1 if wording.alone(target.text, 1) == target.text else 2
            steps.append(PhraseStep(target, own_level=own_level))
            alone.append(target.text)
    image_path = row["image_path"]
    chain = PhraseChain(PurePosixPath(image_path).stem, steps)
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
        out.append([GroundedPhrase(word, own) for word, own in zip(words, found, strict=True)])
    return out


def _settle(steps: list[PhraseStep], alone: list[str | None], mention: GroundedPhrase, wording: Wording) -> int:
    """The step a mention means. A step known only by its stand-alone words ("men") takes the mention's ("the man")."""
    for index, (step, words) in enumerate(zip(steps, alone, strict=True)):
        if step.target.boxes != mention.boxes:
            continue
        if words is not None and words in (wording.alone(mention.text, 1), mention.text):
            own_level = 1 if words == wording.alone(mention.text, 1) else 2
            steps[index] = replace(step, target=mention, own_level=own_level)
            alone[index] = None
            return index
        if step.target.text == mention.text or (
            step.own_level == 1 and wording.alone(step.target.text, 1) == wording.alone(mention.text, 1)
        ):
            return index
    raise ValueError(
        f"You passed a row whose evidence {mention.text!r} has boxes that no earlier text gives: each phrase must stand "
        "in the row before it serves as evidence."
    )
