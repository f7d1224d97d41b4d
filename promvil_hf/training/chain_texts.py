# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a row says to the model, and which characters of it are trained.

A chain becomes PromViL's texts: a step with its evidence, and alone where nothing describes it or a higher step refers to
it. The characters that are supervised are known because the text is laid out here, never found again by looking
for token ids. Needs neither torch nor transformers.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from promvil_hf.compovl.chains import chain_of
from promvil_hf.dialects import GroundingDialect, Kosmos2
from promvil_hf.frames import ImageSize
from promvil_hf.markup import escape
from promvil_hf.phrases import PROMVIL, PROMVIL_VSR, GroundedPhrase, PhraseChain, PhraseStep, from_row
from promvil_hf.training.curriculum import NO_LEVEL


SPANS = ("phrase", "boxes")

# A question-answer row, as published: one turn, or several in one text. Only answers are trained.
_ANSWER = re.compile(r"(?:\A|\s)Question:.*?Answer:(.*?)(?=\sQuestion:|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TrainingText:
    """A text about an image. Characters in `spans` are trained; `level` is that of its step, 0 for a question."""

    text: str
    spans: tuple[tuple[int, int], ...]
    level: int = NO_LEVEL


@dataclass(frozen=True, slots=True)
class Texts:
    """How rows are laid out. The defaults are the reference's.

    Args:
        dialect: Kosmos-2's. `force_object` only says where the prompt ends; the full text is the same.
        span: `"phrase"` trains from the last `<phrase>` on, `"boxes"` only what follows the last `<object>`.
        close: Also train `</object>` and what ends the text.
        evidence: Put the phrases below a step before it. False trains each phrase alone (the paper's ablation).
    """

    dialect: Kosmos2 = Kosmos2()
    span: str = "phrase"
    close: bool = True
    evidence: bool = True

    def __post_init__(self):
        if self.span not in SPANS:
            raise ValueError(f"You passed span={self.span!r}: it is one of {', '.join(SPANS)}.")

    def of_row(self, row: Mapping) -> list[TrainingText]:
        """The texts of a CompoVL row, of a PromViL row, or of {"chain": PhraseChain}."""
        chain = chain_in(row)
        if chain is None:
            return [_question(text, row) for text in row["text"]]
        return list(self.of_chain(chain, PROMVIL_VSR if row.get("dataset") == "vsr" else self.dialect.wording))

    def of_chain(self, chain: PhraseChain, wording=PROMVIL) -> Iterator[TrainingText]:
        """Steps without boxes are evidence at most: there is nothing to answer."""
        _refuse_no_boxes(chain)
        dialect = replace(self.dialect, wording=wording, force_object=True)
        for number, (step, known, level) in enumerate(steps_to_train(chain, self.evidence)):
            if step.target.boxes:
                text = self._text(dialect, step.target, known, level)
                yield text if wording.tag_every_text or not number else _untagged(text)

    def _text(self, dialect, target, evidence, level) -> TrainingText:
        prompt = dialect.prompt(target.text, evidence, level=level)
        answer = dialect.target(target)
        start = len(prompt)
        if self.span == "phrase":  # the prompt ends in what it would be without evidence, less its <grounding>
            asked_for = dialect.prompt(target.text, (), level=None if evidence else level)
            start -= len(asked_for) - len("<grounding>")
        end = len(prompt) + len(answer) - (0 if self.close else len("</object>" + dialect.wording.ending))
        return TrainingText(prompt + answer, ((start, end),), level)


@dataclass(frozen=True, slots=True)
class ChatText:
    """Questions and answers about an image, for models with a chat format. `step` is what a chain's answer grounds."""

    turns: tuple[tuple[str, str], ...]
    level: int = NO_LEVEL
    step: PhraseStep | None = None


@dataclass(frozen=True, slots=True)
class ChatTexts:
    """How rows become conversations, in the dialect of a model. Only answers are trained, so evidence never is.

    Args:
        dialect: The model's.
        evidence: Put the phrases below a step before it. False trains each phrase alone (the paper's ablation).
    """

    dialect: GroundingDialect
    evidence: bool = True

    def of_row(self, row: Mapping, image_size: ImageSize) -> list[ChatText]:
        """The texts of a CompoVL row, of a PromViL row, or of {"chain": PhraseChain}."""
        chain = chain_in(row)
        if chain is None:
            return [ChatText(tuple(_turns(text, row))) for text in row["text"]]
        _refuse_no_boxes(chain)
        return [
            ChatText(
                (
                    (
                        self.dialect.prompt(step.target.text, known, level=level, image_size=image_size),
                        self.dialect.target(step.target, image_size=image_size),
                    ),
                ),
                level,
                step,
            )
            for step, known, level in steps_to_train(chain, self.evidence)
            if step.target.boxes
        ]


def steps_to_train(
    chain: PhraseChain, evidence: bool = True
) -> Iterator[tuple[PhraseStep, Sequence[GroundedPhrase], int]]:
    """(step, evidence in its prompt, level): each step with its evidence, if it has any. A step is also trained alone where it
    has none, or where it is itself evidence of a higher step."""
    leaned_on = {anchor for step in chain.steps for anchor in step.anchors}
    for index, (step, level) in enumerate(zip(chain.steps, chain.levels, strict=True)):
        known = chain.evidence(index) if evidence else ()
        if known:
            yield step, known, level
        if not known or index in leaned_on:
            yield step, (), level


def chain_in(row: Mapping) -> PhraseChain | None:
    """The chain of a row, or None where the row is a question with an answer."""
    if "chain" in row:
        return row["chain"]
    if row.get("steps") is not None:
        return chain_of(row)
    if row.get("bboxes") is not None:
        return from_row(row, PROMVIL_VSR if row.get("dataset") == "vsr" else PROMVIL)
    if not row.get("text"):
        raise ValueError(
            f"You passed a row with the columns {', '.join(map(repr, row))}: it needs `steps` (CompoVL), or `text` with "
            "`bboxes` and `box_obj_match` (PromViL; None for questions), or `chain` (a PhraseChain)."
        )
    return None


def row_levels(row: Mapping) -> tuple[int, ...]:
    """The levels that a row can train, as the curriculum takes them."""
    chain = chain_in(row)
    if chain is None:
        return (NO_LEVEL,)
    return tuple(sorted({level for step, level in zip(chain.steps, chain.levels, strict=True) if step.target.boxes}))


def _refuse_no_boxes(chain: PhraseChain) -> None:
    if not any(step.target.boxes for step in chain.steps):
        raise ValueError(
            f"The chain about {chain.steps[-1].target.text!r} (image {chain.image_id}) has no boxes, so there is "
            "nothing to learn from it: leave it out, or give its phrases their boxes."
        )


def _turns(text: str, row: Mapping) -> Iterator[tuple[str, str]]:
    """Question and answer of each turn of a published text: the words "Question:" and "Answer:" are the chat's own."""
    end = 0
    for start, stop in _question(text, row).spans:
        question = text[end:start].strip().removeprefix("Question:").removesuffix("Answer:")
        yield escape(question.removesuffix("Short ").strip()), escape(text[start:stop].strip())
        end = stop


def _question(text: str, row: Mapping) -> TrainingText:
    spans = tuple(found.span(1) for found in _ANSWER.finditer(text))
    if not any(text[start:end].strip() for start, end in spans):
        raise ValueError(
            f"You passed the {row.get('dataset')!r} text {text[:80]!r} without boxes: it must read 'Question: … Answer: …' "
            "or 'Question: … Short Answer: …', so that the answer can be trained."
        )
    return TrainingText(text, spans)


def _untagged(text: TrainingText) -> TrainingText:
    cut = len("<grounding>")
    return TrainingText(text.text[cut:], tuple((start - cut, end - cut) for start, end in text.spans), text.level)
