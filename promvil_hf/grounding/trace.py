# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What goes into progressive grounding and what comes out: `Query`, `Step`, `GroundingTrace`.

A trace holds everything that was asked and answered, so a picture, a table or a correction needs no second run.
Whatever goes wrong (a broken picture, a blank expression, an answer without a box) is a `reason`, never an exception and
never a missing trace. No torch.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

from PIL import Image

from promvil_hf.boxes import Box, Point
from promvil_hf.dialects.base import REFUSED
from promvil_hf.frames import ImageSize
from promvil_hf.json_documents import typed
from promvil_hf.key_expressions import Rle
from promvil_hf.nesting import Nesting
from promvil_hf.phrases import GroundedPhrase, PhraseChain, PhraseStep


ImageSource = Image.Image | str | os.PathLike | bytes
Task = Literal["ground", "answer"]


@dataclass(frozen=True, slots=True)
class Query:
    """A picture (as Pillow's, a path, or the bytes of a file) and what is asked about it.

    `text` is an expression to ground, or for the task "answer" a question. A `Nesting` or a `PhraseChain` brings its own
    decomposition. The mode "oracle" takes the boxes of lower phrases from `boxes` (by the phrase's words) or from the
    chain.
    """

    image: ImageSource
    text: str | Nesting | PhraseChain
    task: Task = "ground"
    id: str = ""
    boxes: Mapping[str, Sequence[Box]] = field(default_factory=dict)

    def __post_init__(self):
        if self.task not in ("ground", "answer"):
            raise ValueError(f'You passed task={self.task!r}: a query is to "ground" an expression or to "answer".')


@dataclass(frozen=True, slots=True)
class Step:
    """One phrase of the expression: what was asked, with which evidence, and what came back.

    `reason` says why there is no box: "refused" where the model says that there is no such thing, "no box" where it says
    neither, else what made the answer unreadable. `points` are what a dialect that points writes instead of boxes.
    `masks` are those of the boxes, in their order, where a detector or a segmenter made any (None for a box without).
    `anchors` are the steps whose phrases lie directly inside this one, `fed` those whose boxes stood in the prompt.
    `score` is the mean log-probability of the tokens that write the first box (of the whole answer in families that
    write boxes as text, None where the model shows no tokens); with constrained decoding it is measured among the
    tokens that were allowed. `seconds` is this step's share of its batch. `source` is "model", "memory" for a prompt
    that another step about the same picture had asked already, "given" for boxes of the query, "" where nothing was
    asked.
    """

    phrase: str
    level: int
    anchors: tuple[int, ...] = ()
    mentions: tuple[str, ...] = ()
    fed: tuple[int, ...] = ()
    prompt: str = ""
    answer: str = ""
    ended: str = ""
    boxes: tuple[Box, ...] = ()
    masks: tuple[Rle | None, ...] = ()
    points: tuple[Point, ...] = ()
    reason: str | None = None
    problems: tuple[str, ...] = ()
    score: float | None = None
    seconds: float = 0.0
    source: str = "model"
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class GroundingTrace:
    """A query, step by step, simple to complex; the last step is the whole expression, or the question.

    `reason` says why the query as a whole has no result: the picture could not be read, the text was blank, or the last
    step's own reason. `answer` is the reply to a question, None for an expression.
    """

    text: str
    mode: str
    task: Task = "ground"
    id: str = ""
    image_size: ImageSize | None = None
    steps: tuple[Step, ...] = ()
    reason: str | None = None
    answer: str | None = None

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The boxes of the whole expression, the likeliest reading first."""
        return self.steps[-1].boxes if self.steps and self.task == "ground" else ()

    @property
    def score(self) -> float | None:
        return self.steps[-1].score if self.steps else None

    @property
    def seconds(self) -> float:
        return sum(step.seconds for step in self.steps)

    @property
    def refused(self) -> bool:
        """The model says that what was asked for is not in the picture."""
        return bool(self.steps) and self.reason == self.steps[-1].reason == REFUSED

    @property
    def ok(self) -> bool:
        """There is an answer; a refusal is one."""
        return self.reason is None or self.refused

    def grounded(self) -> tuple[GroundedPhrase, ...]:
        """Every phrase that has boxes, simple to complex."""
        return tuple(GroundedPhrase(step.phrase, step.boxes) for step in self.steps if step.boxes)

    def chain(self) -> PhraseChain:
        """The steps as a chain, for pages and training rows: each refers to the steps whose boxes were in its prompt."""
        if not self.steps:
            raise ValueError(f"The query {self.text!r} has no steps to draw: {self.reason}.")
        mentions = [dict(zip(step.anchors, step.mentions, strict=True)) for step in self.steps]
        return PhraseChain(
            self.id,
            [
                PhraseStep(
                    GroundedPhrase(step.phrase, step.boxes),
                    step.fed,
                    [wordings.get(fed, self.steps[fed].phrase) for fed in step.fed],
                    step.level,
                )
                for step, wordings in zip(self.steps, mentions, strict=True)
            ],
        )

    def __str__(self) -> str:
        lines = [f"{self.text!r} ({self.mode})"]
        for step in self.steps:
            found = " ".join("[" + ", ".join(f"{edge:.3f}" for edge in box.xyxy) + "]" for box in step.boxes[:4])
            found += " ".join(f"({point.x:.3f}, {point.y:.3f})" for point in step.points[:4])
            if len(step.boxes) > 4:
                found += f" and {len(step.boxes) - 4} more"
            evidence = ", ".join(self.steps[fed].phrase for fed in step.fed)
            score = "" if step.score is None or not step.boxes else f"  score {step.score:.2f}"
            lines.append(
                f"{step.level}  {step.phrase}  {found or step.reason or ''}{score}" + (f"   <- {evidence}" if evidence else "")
            )
        if self.answer is not None:
            lines.append(f"=> {self.answer}")
        if self.reason is not None and (not self.steps or self.reason != self.steps[-1].reason):
            lines.append(f"no result: {self.reason}")
        return "\n".join(lines)

    def to_dict(self, times: bool = True) -> dict:
        """Plain JSON values; boxes are [x0, y0, x1, y1]. Without `times`, equal runs give equal values."""
        return {
            **{name: getattr(self, name) for name in ("id", "text", "task", "mode", "answer", "reason")},
            "image_size": None if self.image_size is None else list(self.image_size),
            "boxes": [list(box.xyxy) for box in self.boxes],
            "steps": [_step_to_dict(step, times) for step in self.steps],
        }

    @classmethod
    def from_dict(cls, row: Mapping) -> "GroundingTrace":
        try:
            steps = [
                {
                    **step,
                    "boxes": [Box(*edges) for edges in step["boxes"]],
                    "points": [Point(*xy) for xy in step.get("points", ())],
                    "masks": [mask and Rle(tuple(mask["size"]), mask["counts"]) for mask in step.get("masks", ())],
                }
                for step in row["steps"]
            ]
            values = {name: row[name] for name in ("id", "text", "task", "mode", "answer", "reason", "image_size")}
        except (KeyError, TypeError, AttributeError) as error:
            fault = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise ValueError(f"This is not a trace, or it is damaged: {fault}.") from error
        trace = typed({**values, "steps": steps}, cls, "This", "a trace")
        if any(not 0 <= place < number for number, step in enumerate(trace.steps) for place in (*step.fed, *step.anchors)):
            raise ValueError("This is not a trace, or it is damaged: a step names evidence that does not come before it.")
        return trace


_UNWRITTEN = ("tokens",)  # ids mean nothing without their tokenizer; the answer holds the same as text


def _step_to_dict(step: Step, times: bool) -> dict:
    row = {entry.name: getattr(step, entry.name) for entry in fields(step) if entry.name not in _UNWRITTEN}
    row |= {name: list(value) for name, value in row.items() if isinstance(value, tuple)}
    row["boxes"] = [list(box.xyxy) for box in step.boxes]
    if step.masks:
        row["masks"] = [mask and {"size": list(mask.size), "counts": mask.counts} for mask in step.masks]
    else:
        del row["masks"]
    row["points"] = [list(point.xy) for point in step.points]
    row["score"] = None if step.score is None else round(step.score, 4)
    if times:
        row["seconds"] = round(step.seconds, 6)
    else:
        del row["seconds"]
    return row
