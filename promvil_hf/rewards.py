# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Reward functions for TRL's `GRPOTrainer` and its like: box overlap, well-formed boxes, whole chains by level.

    GRPOTrainer(model, reward_funcs=[iou_reward("qwen_json"), parse_reward("qwen_json")], train_dataset=rows, ...)

Columns of the data set arrive by name: `boxes` (gold boxes in fractions of the image), `steps` for chains, and
`image_size` where a dialect needs it. A row whose column is None gets no reward (None), so that data sets can be mixed.
Only the first box of an answer counts: listing many gains nothing. No torch.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from promvil_hf.conventions import dialect as named_dialect
from promvil_hf.dialects import GroundingDialect, Parsed
from promvil_hf.metrics.answers import read_boxes
from promvil_hf.metrics.grounding import iou_matrix


Reward = Callable[..., list[float | None]]


def iou_reward(
    dialect: str | GroundingDialect, *, threshold: float | None = None, tokenizer: Any = None, name: str = "iou_reward"
) -> Reward:
    """IoU of the answer's first box with the best gold box, 0 without a box; with a `threshold`, 1 from there on, else 0.

    `tokenizer` decodes the answers again from their ids, for families whose boxes are special tokens that TRL drops.
    """

    def score(parsed: Parsed, gold: Any) -> float | None:
        if gold is None:
            return None
        iou = _best_iou(parsed.boxes[:1], gold)
        return iou if threshold is None else float(iou >= threshold)

    return _reward(score, "boxes", dialect, tokenizer, name)


def parse_reward(dialect: str | GroundingDialect, *, tokenizer: Any = None, name: str = "parse_reward") -> Reward:
    """1 for exactly one well-formed box and nothing malformed, 0 without a well-formed box, 1/2 for all in between."""

    def score(parsed: Parsed, _) -> float:
        return 0.0 if not parsed.ok else 1.0 if len(parsed.boxes) == 1 and not parsed.problems else 0.5

    return _reward(score, None, dialect, tokenizer, name)


def chain_reward(
    dialect: str | GroundingDialect,
    *,
    weight: Callable[[int], float] = float,
    tokenizer: Any = None,
    name: str = "chain_reward",
) -> Reward:
    """For answers that ground a chain of nested phrases: the mean IoU of its steps, weighted by level.

    The column `steps` holds, for each row, its steps as {"text", "level", "boxes"}. A step counts by the first box of the
    answer's phrase of the same words; one that the answer does not ground counts 0. `weight` maps a level to its weight;
    by default deeper steps count more, so that skipping them does not pay.
    """

    def score(parsed: Parsed, steps: Sequence[Mapping[str, Any]] | None) -> float | None:
        if not steps:
            return None
        found: dict[str, Sequence] = {}
        for phrase in parsed.phrases:
            found.setdefault(_plain(phrase.text), phrase.boxes[:1])
        weights = np.array([weight(step["level"]) for step in steps], float)
        if not (weights >= 0).all() or not weights.sum() > 0:
            raise ValueError(f"You passed a weight that gives {weights.tolist()}: weights are at least 0, not all 0.")
        ious = [_best_iou(found.get(_plain(step["text"]), ()), step["boxes"]) for step in steps]
        return float(np.average(ious, weights=weights))

    return _reward(score, "steps", dialect, tokenizer, name)


def _reward(score: Callable, column: str | None, dialect: str | GroundingDialect, tokenizer: Any, name: str) -> Reward:
    """The function that TRL calls: `score` of each parsed answer and the row's value of `column`."""
    spoken = named_dialect(dialect)

    def reward(completions, image_size=None, completion_ids=None, **columns) -> list[float | None]:
        texts = _texts(completions, completion_ids, tokenizer)
        sizes = [None] * len(texts) if image_size is None else image_size
        values = [None] * len(texts) if column is None else columns[column]
        return [
            score(spoken.parse(text, image_size=None if size is None else tuple(size)), value)
            for text, size, value in zip(texts, sizes, values, strict=True)
        ]

    reward.__name__ = name
    return reward


def _best_iou(said: Sequence, gold: Any) -> float:
    truth = read_boxes([gold])
    if truth.problems:
        raise ValueError(
            f"You passed gold boxes {gold!r}: each must be x0, y0, x1, y1 with x0 < x1 and y0 < y1, in fractions of the "
            "image. Rows without gold boxes hold None."
        )
    if not said:
        return 0.0
    return float(iou_matrix(np.array([box.xyxy for box in said]), truth.xyxy).max())


def _texts(completions: Sequence, completion_ids: Sequence | None, tokenizer: Any) -> list[str]:
    """Answers as text: strings, or conversations whose last message is the answer."""
    if tokenizer is not None:
        if completion_ids is None:
            raise ValueError("You passed a tokenizer, but the trainer passed no `completion_ids` to decode.")
        return [tokenizer.decode(ids, skip_special_tokens=False) for ids in completion_ids]
    return [completion if isinstance(completion, str) else _content(completion) for completion in completions]


def _content(messages: Sequence[Mapping[str, Any]]) -> str:
    content = messages[-1]["content"] if messages else ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content or () if part.get("type", "text") == "text")


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).strip(" .,;:")
