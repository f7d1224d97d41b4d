# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Reward functions for TRL's `GRPOTrainer` and its like: box overlap, well-formed boxes, whole chains by level.

    GRPOTrainer(model, reward_funcs=[iou_reward("qwen_json"), parse_reward("qwen_json")], train_dataset=rows, ...)

Columns of the data set arrive by name: `boxes` (gold boxes in fractions of the image; an empty list says that what is asked
for is not there), `steps` for chains, and `image_size` where a dialect needs it. A row whose column is None gets no reward
(None), so that data sets can be mixed. Only the first box of an answer counts, and none in its thinking: listing many gains
nothing. Where nothing is there a refusal earns all, and an answer without a box that is no refusal earns nothing. No torch.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from promvil_hf.boxes import Box
from promvil_hf.conventions import dialect as named_dialect
from promvil_hf.dialects import GroundingDialect, Parsed, PointDialect
from promvil_hf.metrics.answers import read_boxes
from promvil_hf.metrics.grounding import iou_matrix


Reward = Callable[..., list[float | None]]


def iou_reward(
    dialect: str | GroundingDialect, *, threshold: float | None = None, tokenizer: Any = None, name: str = "iou_reward"
) -> Reward:
    """IoU of the answer's first box with the best gold box, 0 without a box; with a `threshold`, 1 from there on, else 0.
    Without gold boxes 1 for a refusal, else 0.

    `tokenizer` decodes the answers again from their ids, for families whose boxes are special tokens that TRL drops.
    """

    def score(parsed: Parsed, gold: Any) -> float | None:
        if gold is None:
            return None
        if len(gold) == 0:
            return float(parsed.refused)
        iou = _best_iou(parsed.boxes[:1], gold)
        return iou if threshold is None else float(iou >= threshold)

    return _reward(score, "boxes", dialect, tokenizer, name)


def point_reward(dialect: str | GroundingDialect, *, tokenizer: Any = None, name: str = "point_reward") -> Reward:
    """For dialects that point: 1 if the answer's first point lies in a gold box, else 0; without gold boxes 1 for a
    refusal."""

    def score(parsed: Parsed, gold: Any) -> float | None:
        if gold is None:
            return None
        if len(gold) == 0:
            return float(parsed.refused)
        truth = _gold_boxes(gold)
        return float(any(point.is_in(Box(*row)) for point in parsed.points[:1] for row in truth.tolist()))

    return _reward(score, "boxes", dialect, tokenizer, name, points=True)


def parse_reward(dialect: str | GroundingDialect, *, tokenizer: Any = None, name: str = "parse_reward") -> Reward:
    """1 for exactly one well-formed box or point and nothing malformed, 0 without any, 1/2 for all in between. A refusal is
    well-formed where the row's `boxes` are empty, and counts 0 where they are not known."""

    def score(parsed: Parsed, gold: Any) -> float:
        if parsed.refused:
            return float(gold is not None and len(gold) == 0)
        count = len(parsed.boxes or parsed.points)
        return 0.0 if not count else 1.0 if count == 1 and not parsed.problems else 0.5

    return _reward(score, "boxes", dialect, tokenizer, name, points=None)


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


def _reward(
    score: Callable, column: str, dialect: str | GroundingDialect, tokenizer: Any, name: str, points: bool | None = False
) -> Reward:
    """The function that TRL calls: `score` of each parsed answer and the row's value of `column`. `points` says whether the
    dialect must point; None: it may do either, and the column may be missing."""
    spoken = named_dialect(dialect)
    if points is not None and points is not isinstance(spoken, PointDialect):
        kind = type(spoken).__name__
        raise ValueError(
            f"{kind} writes boxes: use `iou_reward`."
            if points
            else f"{kind} writes points, which have no IoU: use `point_reward`."
        )

    def reward(completions, image_size=None, completion_ids=None, **columns) -> list[float | None]:
        texts = _texts(completions, completion_ids, tokenizer)
        sizes = [None] * len(texts) if image_size is None else image_size
        values = columns[column] if points is not None or column in columns else [None] * len(texts)
        return [
            score(spoken.parse(text, image_size=None if size is None else tuple(size)), value)
            for text, size, value in zip(texts, sizes, values, strict=True)
        ]

    reward.__name__ = name
    return reward


def _best_iou(said: Sequence, gold: Any) -> float:
    truth = _gold_boxes(gold)
    if not said:
        return 0.0
    return float(iou_matrix(np.array([box.xyxy for box in said]), truth).max())


def _gold_boxes(gold: Any) -> np.ndarray:
    truth = read_boxes([gold])
    if truth.problems:
        raise ValueError(
            f"You passed gold boxes {gold!r}: each must be x0, y0, x1, y1 with x0 < x1 and y0 < y1, in fractions of the "
            "image. Rows without gold boxes hold None."
        )
    return truth.xyxy


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
