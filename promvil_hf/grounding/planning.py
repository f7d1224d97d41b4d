# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""From a query to its steps, and from the steps that are done to the prompt of the next one.

This module decides which earlier phrases go into which prompt. Which phrases an expression has comes from
`promvil_hf.nesting`, how a prompt is worded from the dialect. It handles text only and does not load torch.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from promvil_hf.boxes import Box
from promvil_hf.dialects import GroundingDialect, Kosmos2
from promvil_hf.frames import ImageSize
from promvil_hf.grounding.options import GroundingOptions
from promvil_hf.grounding.trace import Query
from promvil_hf.markup import escape
from promvil_hf.nesting import Decomposer, Nesting
from promvil_hf.phrases import PROMVIL, GroundedPhrase, GroundedSpan, GroundedText, PhraseChain


@dataclass(frozen=True, slots=True)
class Planned:
    """A step before it is asked. `given` are the oracle's boxes; `chars` is where a question has these words."""

    phrase: str
    level: int
    anchors: tuple[int, ...] = ()
    mentions: tuple[str, ...] = ()
    evidence: tuple[int, ...] = ()  # the steps whose boxes go into the prompt, if they have any
    given: tuple[Box, ...] | None = None
    chars: tuple[int, int] | None = None
    is_question: bool = False


class Refused(Exception):
    """A query that cannot be asked, with the reason. It never leaves this package."""


def plan(query: Query, options: GroundingOptions, decompose: Decomposer) -> tuple[Planned, ...]:
    """The steps of a query, simple to complex."""
    parts = _parts(query, decompose)
    top = len(parts) - 1
    if query.task == "answer":
        parts[top] = dataclasses.replace(parts[top], is_question=True)
    if options.mode == "one_shot":
        return (dataclasses.replace(parts[top], anchors=(), mentions=(), given=None),)
    return tuple(
        dataclasses.replace(
            part,
            evidence=_evidence(parts, index, options.mode),
            given=part.given if options.mode == "oracle" and index < top else None,
        )
        for index, part in enumerate(parts)
    )


def text_of(query: Query) -> str:
    """The words of a query; a `Refused` for what has none."""
    text = query.text
    if isinstance(text, PhraseChain):
        text = text.steps[-1].target.text
    elif isinstance(text, Nesting):
        text = text.text
    if not isinstance(text, str):
        raise Refused(f"not text: {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused("not Unicode text") from None
    if not text.strip():
        raise Refused("blank text")
    return text.strip()


def prompt_of(
    parts: Sequence[Planned],
    index: int,
    found: Sequence[Sequence[Box]],
    dialect: GroundingDialect,
    options: GroundingOptions,
    size: ImageSize,
) -> tuple[str, tuple[int, ...]]:
    """The prompt of step `index`, and the steps whose boxes it gives; `found` holds the boxes of all steps before it."""
    part = parts[index]
    known = [tuple(box for box in boxes if _small_enough(box, options.largest_evidence)) for boxes in found]
    if part.is_question:
        return _question(parts, index, known, dialect, options, size)
    fed = tuple(step for step in part.evidence if known[step])
    words = dict(zip(part.anchors, part.mentions, strict=True))
    evidence = [GroundedPhrase(words.get(step, parts[step].phrase), known[step]) for step in fed]
    if options.second_level_joint is not None and part.level == 2:
        wording = dataclasses.replace(dialect.wording, evidence_joint=options.second_level_joint)
        dialect = dataclasses.replace(dialect, wording=wording)
    is_top = index == len(parts) - 1
    plural = options.mode != "one_shot" and (options.plural_top if is_top else options.plural_parts)
    return dialect.prompt(part.phrase, evidence, level=part.level if plural else None, image_size=size), fed


def insert_boxes(question: str, phrases: Sequence[tuple[tuple[int, int], Sequence[Box]]]) -> GroundedText:
    """The question with boxes at its phrases: the longest phrases that have some, none inside another."""
    taken: list[GroundedSpan] = []
    for (start, end), boxes in sorted(phrases, key=lambda found: (found[0][0] - found[0][1], found[0])):
        if boxes and all(end <= span.start or span.end <= start for span in taken):
            taken.append(GroundedSpan(start, end, tuple(boxes)))
    return GroundedText(question, sorted(taken, key=lambda span: span.start))


def _parts(query: Query, decompose: Decomposer) -> list[Planned]:
    text = query.text
    if isinstance(text, PhraseChain):
        return [
            Planned(step.target.text, level, step.anchors, step.mentions, given=step.target.boxes)
            for step, level in zip(text.steps, text.levels, strict=True)
        ]
    if not isinstance(text, Nesting):
        try:
            text = decompose(text_of(query))
        except ValueError as error:
            raise Refused(f"not decomposed: {error}") from error
    texts = [phrase.text for phrase in text.phrases]
    return [
        Planned(
            phrase.text,
            phrase.level,
            phrase.anchors,
            tuple(texts[anchor] for anchor in phrase.anchors),
            given=tuple(query.boxes.get(phrase.text, ())),
            chars=phrase.chars,
        )
        for phrase in text.phrases
    ]


def _evidence(parts: Sequence[Planned], index: int, mode: str) -> tuple[int, ...]:
    part = parts[index]
    if mode == "all":
        inside, stack = set(), list(part.anchors)
        while stack:
            anchor = stack.pop()
            if anchor not in inside:
                inside.add(anchor)
                stack += parts[anchor].anchors
        return tuple(sorted(inside))
    if mode == "progressive":
        return tuple(anchor for anchor in part.anchors if parts[anchor].level == part.level - 1)
    return part.anchors


def _small_enough(box: Box, largest: float | None) -> bool:
    return largest is None or box.area <= largest


def _question(
    parts: Sequence[Planned],
    index: int,
    known: Sequence[Sequence[Box]],
    dialect: GroundingDialect,
    options: GroundingOptions,
    size: ImageSize,
) -> tuple[str, tuple[int, ...]]:
    question = parts[index].phrase
    lead, _, tail = options.question.partition("{question}")
    places = [part.chars for part in parts[: len(known)]]
    grounded = insert_boxes(question, [(place, boxes) for place, boxes in zip(places, known, strict=True) if place])
    spans = {(span.start, span.end) for span in grounded.spans}
    fed = tuple(step for step, place in enumerate(places) if place in spans and known[step])
    if isinstance(dialect, Kosmos2):
        moved = [GroundedSpan(len(lead) + span.start, len(lead) + span.end, span.boxes) for span in grounded.spans]
        return dialect.annotate(GroundedText(lead + question + tail, moved)), fed
    wording = getattr(dialect, "wording", PROMVIL)
    phrases_with_boxes = [
        f"{escape(phrase.text)}: {' '.join(dialect.target(phrase, image_size=size).split())}"
        for phrase in grounded.phrases
    ]
    evidence = f"{wording.evidence_lead}{wording.evidence_joint.join(phrases_with_boxes)}. " if phrases_with_boxes else ""
    return evidence + lead + escape(question) + tail, fed
