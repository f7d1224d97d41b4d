# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Rows as prompts that a reward judges: `datasets.Dataset` with the columns that `promvil_hf.rewards` reads.

    phrases of chains, with the evidence in the prompt or without      prompt, image, boxes, evidence, image_size, level
    questions of FiVL rows, about the picture as it is or hidden in part      prompt, image, answers, twin, row

Pictures are opened, and parts of them hidden, when a prompt is asked for. `row` is the question as a `FivlRow` with its own key
expressions.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import datasets
import numpy as np
from PIL import Image

from promvil_hf.boxes import Box
from promvil_hf.dialects import GroundingDialect
from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.fivl.twins import FILLS, key_boxes, twins
from promvil_hf.frames import ImageSize
from promvil_hf.markup import escape
from promvil_hf.metrics.grounding import iou_matrix
from promvil_hf.training.chain_texts import chain_in, steps_to_train
from promvil_hf.training.row_pictures import needed_picture, opened


TASKS = ("phrases", "chains", "questions")
WHOLE = "original"
TWINS = (WHOLE, "key boxes", "random boxes")
CHAIN_PROMPT = "Locate each of these in the image, with its name and its box, one a line: {phrases}."


@dataclass(frozen=True, slots=True)
class RewardPrompt:
    """One prompt: the number of its row, its text, its columns, and which twin of the picture it is about."""

    row: int
    text: str
    columns: Mapping[str, Any]
    twin: str = WHOLE
    question: FivlRow | None = None


@dataclass(frozen=True)
class PromptMaker:
    """How rows become prompts.

    Args:
        task: "phrases" asks for each phrase of a chain, "chains" for all of them at once, "questions" for answers in words.
        dialect: The model's.
        evidence: Put the gold boxes of the phrases below a phrase into its prompt.
        twins: Of questions: also ask about the picture with the key boxes hidden, and with random boxes hidden.
        fill: What stands where something is hidden.
        prompt: Wording of a question; {text} stands for it.
        seed: Of the places of random boxes.
        image_root: Folder that relative image names start from.
    """

    task: str
    dialect: GroundingDialect
    evidence: bool = False
    twins: bool = False
    fill: str = "black"
    prompt: str = "{text}"
    seed: int = 0
    image_root: str = ""

    def __post_init__(self):
        if self.task not in TASKS:
            raise ValueError(f"You passed task={self.task!r}: it is one of {', '.join(TASKS)}.")
        if self.fill not in FILLS:
            raise ValueError(f"You passed fill={self.fill!r}: it is one of {', '.join(FILLS)}.")
        if "{text}" not in self.prompt:
            raise ValueError(f"You passed the prompt {self.prompt!r}: it needs {{text}}, where the question stands.")

    def of_rows(self, rows: Sequence[Mapping]) -> list[RewardPrompt]:
        """The prompts of all rows. A row of another kind than the task asks for gives none."""
        maker = {"phrases": self._phrases, "chains": self._chain, "questions": self._questions}[self.task]
        return [prompt for number, row in enumerate(rows) for prompt in maker(number, row)]

    def size_of(self, row: Mapping) -> ImageSize:
        if row.get("width") and row.get("height"):
            return row["width"], row["height"]
        return self.picture(row).size

    def picture(self, row: Mapping) -> Image.Image:
        return opened(needed_picture(row, self.image_root), self.image_root)

    def shown(self, row: Mapping, prompt: RewardPrompt) -> Image.Image:
        """The picture that this prompt is about."""
        picture = self.picture(row)
        if prompt.twin == WHOLE:
            return picture
        (twin,) = twins(prompt.question, picture, (prompt.twin,), self.fill, self.seed)
        return twin.image

    def _phrases(self, number: int, row: Mapping) -> Iterator[RewardPrompt]:
        if "phrase" in row:  # a phrase by itself; without boxes it is not in the picture
            size = self.size_of(row)
            columns = {"boxes": [list(box) for box in row["boxes"]], "evidence": [], "image_size": list(size), "level": 1}
            yield RewardPrompt(number, self.dialect.prompt(row["phrase"], image_size=size), columns)
            return
        chain = chain_in(row) if _has_chain(row) else None
        if chain is None:
            return
        size = self.size_of(row)
        for step, known, level in steps_to_train(chain, self.evidence):
            if step.target.boxes:
                text = self.dialect.prompt(step.target.text, known, level=level, image_size=size)
                columns = {
                    "boxes": _corners(step.target.boxes),
                    "evidence": [corners for phrase in known for corners in _corners(phrase.boxes)],
                    "image_size": list(size),
                    "level": level,
                }
                yield RewardPrompt(number, text, columns)

    def _chain(self, number: int, row: Mapping) -> Iterator[RewardPrompt]:
        chain = chain_in(row) if _has_chain(row) else None
        if chain is None:
            return
        steps = [
            {"text": step.target.text, "level": level, "boxes": _corners(step.target.boxes)}
            for step, level in zip(chain.steps, chain.levels, strict=True)
            if step.target.boxes
        ]
        if steps:
            text = CHAIN_PROMPT.replace("{phrases}", escape("; ".join(step["text"] for step in steps)))
            top = chain.steps[-1].target.boxes
            yield RewardPrompt(
                number, text, {"steps": steps, "boxes": _corners(top) or None, "image_size": list(self.size_of(row))}
            )

    def _questions(self, number: int, row: Mapping) -> Iterator[RewardPrompt]:
        for question in questions_of(row, number, self.size_of):
            turn = question.turns[0]
            columns = {"answers": list(question.answers or (turn.answer,)), "row": question}
            text = self.prompt.replace("{text}", escape(turn.question))
            for twin in TWINS if self.twins and key_boxes(question) else (WHOLE,):
                yield RewardPrompt(number, text, {**columns, "twin": twin}, twin, question)


def questions_of(row: Mapping, number: int, size_of: Callable[[Mapping], ImageSize]) -> Iterator[FivlRow]:
    """Each turn of a FiVL row as a row of its own, with the key expressions of that turn."""
    turns, keys = row.get("turns") or (), row.get("key_expressions") or ()
    if not turns:
        return
    width, height = size_of(row)
    for place, turn in enumerate(turns):
        yield FivlRow.from_dict({
            "row_id": f"{row.get('row_id', number)}/{place}", "source": str(row.get("source", "rows")),
            "source_id": str(row.get("source_id", number)), "image_path": str(row.get("image_path", number)),
            "width": width, "height": height, "turns": [{"question": turn["question"], "answer": turn["answer"]}],
            "answers": list(row.get("answers") or ()) if len(turns) == 1 else [],
            "key_expressions": [{**key, "turn": 0} for key in keys if key.get("turn", 0) == place],
        })  # fmt: skip


def prompt_rows(rows: Sequence[Mapping], maker: PromptMaker) -> datasets.Dataset:
    """The prompts of the rows as a data set whose pictures are made when they are asked for."""
    prompts = maker.of_rows(rows)
    if not prompts:
        columns = ", ".join(map(repr, rows[0])) if len(rows) else "nothing"
        needed = "`turns`" if maker.task == "questions" else "a chain (`steps`, `chain`, `bboxes`) or `phrase` and `boxes`"
        raise ValueError(f"None of the {len(rows):,} rows can be asked as {maker.task}: they need {needed}, and hold {columns}.")
    numbers = datasets.Dataset.from_dict({"number": list(range(len(prompts)))})
    return numbers.with_transform(_Show(rows, prompts, maker))


@dataclass
class _Show:
    """Numbers of prompts -> what trl reads of them."""

    rows: Sequence[Mapping]
    prompts: Sequence[RewardPrompt]
    maker: PromptMaker
    names: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.names = sorted({name for prompt in self.prompts for name in prompt.columns})

    def __call__(self, batch: Mapping[str, list]) -> dict[str, list]:
        prompts = [self.prompts[number] for number in batch["number"]]
        return {
            "prompt": [[{"role": "user", "content": prompt.text}] for prompt in prompts],
            "image": [self.maker.shown(self.rows[prompt.row], prompt) for prompt in prompts],
            **{name: [prompt.columns.get(name) for prompt in prompts] for name in self.names},
        }


def commonest_box(prompts: Sequence[RewardPrompt], cells: int = 10) -> tuple[float, float, float, float] | None:
    """Of all boxes with corners on a grid, the one with the best mean IoU with the gold boxes: what pays most without looking."""
    gold = [Box(*prompt.columns["boxes"][0]) for prompt in prompts if prompt.columns.get("boxes")]
    if not gold:
        return None
    edges = [number / cells for number in range(cells + 1)]
    spans = [(low, high) for low in edges for high in edges if low < high]
    boxes = [(x0, y0, x1, y1) for x0, x1 in spans for y0, y1 in spans]
    found = iou_matrix(np.array(boxes), np.array([box.xyxy for box in gold])).mean(1)
    return boxes[int(found.argmax())]


def _has_chain(row: Mapping) -> bool:
    return "chain" in row or row.get("steps") is not None or row.get("bboxes") is not None


def _corners(boxes: Sequence[Box]) -> list[list[float]]:
    return [list(box.xyxy) for box in boxes]
