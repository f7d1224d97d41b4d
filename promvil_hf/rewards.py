# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Reward functions for TRL's `GRPOTrainer` and its like: box overlap, well-formed boxes, whole chains by level.

    GRPOTrainer(model, reward_funcs=[iou_reward("qwen_json"), parse_reward("qwen_json")], train_dataset=rows, ...)

Columns of the data set arrive by name: `boxes` (gold boxes in fractions of the image), `steps` for chains, and
`image_size` where a dialect needs it. A row whose column is None gets no reward (None), so that data sets can be mixed.
Only the first box of an answer counts: listing many gains nothing. No torch. Floor 5.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from promvil_hf.conventions import dialect as named_dialect
from promvil_hf.dialects import GroundingDialect
from promvil_hf.metrics.answers import read_boxes
from promvil_hf.metrics.grounding import iou_matrix


Reward = Callable[..., list[float | None]]


def iou_reward(
    dialect: str | GroundingDialect, *, threshold: float | None = None, tokenizer: Any = None, name: str = "iou_reward"
) -> Reward:
    """IoU of the answer's first box with the best gold box, 0 without a box; with a `threshold`, 1 from there on, else 0.

    `tokenizer` decodes the answers again from their ids, for families whose boxes are special tokens that TRL drops.
    """
    spoken = named_dialect(dialect)

    def reward(completions, boxes, image_size=None, completion_ids=None, **_) -> list[float | None]:
        texts = _texts(completions, completion_ids, tokenizer)
        sizes = _sizes(image_size, len(texts))
        scores: list[float | None] = []
        for text, gold, size in zip(texts, boxes, sizes, strict=True):
            if gold is None:
                scores.append(None)
                continue
            parsed = spoken.parse(text, image_size=size)
            iou = _best_iou(parsed.boxes[:1], gold)
            scores.append(iou if threshold is None else float(iou >= threshold))
        return scores

    reward.__name__ = name
    return reward


def parse_reward(dialect: str | GroundingDialect, *, tokenizer: Any = None, name: str = "parse_reward") -> Reward:
    """1 for exactly one well-formed box and nothing malformed, 0 without a well-formed box, 1/2 for all in between."""
    spoken = named_dialect(dialect)

    def reward(completions, image_size=None, completion_ids=None, **_) -> list[float | None]:
        texts = _texts(completions, completion_ids, tokenizer)
        read = [
            spoken.parse(text, image_size=size)
            for text, size in zip(texts, _sizes(image_size, len(texts)), strict=True)
        ]
        return [
            0.0 if not parsed.ok else 1.0 if len(parsed.boxes) == 1 and not parsed.problems else 0.5 for parsed in read
        ]

    reward.__name__ = name
    return reward


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
    spoken = named_dialect(dialect)

    def reward(completions, steps, image_size=None, completion_ids=None, **_) -> list[float | None]:
        texts = _texts(completions, completion_ids, tokenizer)
        scores: list[float | None] = []
        for text, wanted, size in zip(texts, steps, _sizes(image_size, len(texts)), strict=True):
            if not wanted:
                scores.append(None)
                continue
            found: dict[str, Sequence] = {}
            for phrase in spoken.parse(text, image_size=size).phrases:
                found.setdefault(_plain(phrase.text), phrase.boxes[:1])
            weights = np.array([weight(step["level"]) for step in wanted], float)
            if not (weights >= 0).all() or not weights.sum() > 0:
                raise ValueError(
                    f"You passed a weight that gives {weights.tolist()}: weights are at least 0, not all 0."
                )
            ious = [_best_iou(found.get(_plain(step["text"]), ()), step["boxes"]) for step in wanted]
            scores.append(float(np.average(ious, weights=weights)))
        return scores

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


def _sizes(image_size: Sequence | None, rows: int) -> list:
    return [None] * rows if image_size is None else [None if size is None else tuple(size) for size in image_size]


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).strip(" .,;:")
