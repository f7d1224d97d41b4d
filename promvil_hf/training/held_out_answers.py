# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A model's greedy answers to held-out prompts, scored with an interval over pictures: before and after a training by rewards."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from promvil_hf.backends.base import Decoding, GroundingBackend, Request
from promvil_hf.metrics.grounding import answer_iou
from promvil_hf.metrics.intervals import Interval, bootstrap_interval
from promvil_hf.training.reward_rows import WHOLE, PromptMaker


AT = 0.5  # IoU from which a box is right
AnswerScore = Callable[[str, Mapping[str, Any]], float]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One score a prompt, and the picture it is about."""

    scores: tuple[float, ...]
    pictures: tuple[int, ...]

    def interval(self, resamples: int = 9_999) -> Interval:
        return bootstrap_interval(np.array(self.scores), clusters=self.pictures, resamples=resamples)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self.interval())


def held_out_answers(
    backend: GroundingBackend,
    rows: Sequence[Mapping],
    maker: PromptMaker,
    score: AnswerScore,
    *,
    max_new_tokens: int = 64,
    batch_size: int = 64,
    progress: bool = True,
) -> HeldOut:
    """Ask about the pictures as they are; `score` judges an answer's text by the columns of its prompt."""
    prompts = [prompt for prompt in maker.of_rows(rows) if prompt.twin == WHOLE]
    decoding, scores = Decoding(max_new_tokens=max_new_tokens), []
    for at in tqdm(range(0, len(prompts), batch_size), "held-out answers", disable=not progress):
        part = prompts[at : at + batch_size]
        answers = backend.generate([Request(prompt.text, maker.shown(rows[prompt.row], prompt)) for prompt in part], decoding)
        scores += [score(answer.text, prompt.columns) for answer, prompt in zip(answers, part, strict=True)]
    return HeldOut(tuple(scores), tuple(prompt.row for prompt in prompts))


def box_score(dialect: Any, at: float = AT) -> AnswerScore:
    """1 where the answer's first box overlaps a gold box by `at`; a refusal is right where nothing is there."""

    def score(text: str, columns: Mapping[str, Any]) -> float:
        size = columns.get("image_size")
        parsed = dialect.parse(text, image_size=None if size is None else tuple(size))
        if not columns["boxes"]:
            return float(parsed.refused)
        return float(answer_iou([[box.xyxy for box in parsed.boxes]], [columns["boxes"]])[0] >= at)

    return score

