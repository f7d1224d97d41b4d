# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Reward functions for TRL's `GRPOTrainer` and its like: box overlap, form, refusals, chains by level, answers, reliance.

    GRPOTrainer(model, reward_funcs=[iou_reward("qwen_json"), parse_reward("qwen_json")], train_dataset=rows, ...)

Columns of the data set arrive by name: `boxes` (gold boxes in fractions of the image; an empty list says that what is asked
for is not there), `evidence` (boxes that stand in the prompt), `steps` for chains, `answers` and `twin` for questions, and
`image_size` where a dialect needs it. A row whose column is None gets no reward (None), so that data sets can be mixed. Only
the first box of an answer counts, and none in its thinking: listing many gains nothing. Where nothing is there a refusal earns
all, and an answer without a box that is no refusal earns nothing. No torch.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from promvil_hf.boxes import Box
from promvil_hf.conventions import dialect as named_dialect
from promvil_hf.dialects import GroundingDialect, Parsed, PointDialect
from promvil_hf.dialects.reasoning import answer_of
from promvil_hf.evaluation.twin_answers import METRICS
from promvil_hf.metrics.answers import read_boxes
from promvil_hf.metrics.gqa import exact_matches
from promvil_hf.metrics.grounding import iou_matrix
from promvil_hf.metrics.pope import strict_yes_no
from promvil_hf.metrics.vqa import soft_accuracies


WHOLE_PICTURE = (0.0, 0.0, 1.0, 1.0)
SAME_BOX = 0.99  # IoU from which a box that can be said without looking leaves nothing to earn
KEY_HIDDEN = "key boxes"  # the twin of a question about which only a guess can be right
Reward = Callable[..., list[float | None]]


def iou_reward(
    dialect: str | GroundingDialect,
    *,
    threshold: float | None = None,
    beyond: Sequence[Sequence[float]] | None = None,
    tokenizer: Any = None,
    name: str = "iou_reward",
) -> Reward:
    """IoU of the answer's first box with the best gold box, 0 without a box; with a `threshold`, 1 from there on, else 0.
    Without gold boxes 1 for a refusal, else 0.

    `beyond` are boxes that can be said without looking, such as the whole picture and the commonest box. These, and the boxes
    of the row's column `evidence`, which stand in the prompt, then earn 0, and other answers what they have beyond the best of
    them: (IoU - e) / (1 - e), at least 0, where e is its IoU. `[]` takes the evidence alone; None is plain IoU. A row where
    such a box is the gold box gets no reward.

    `tokenizer` decodes the answers again from their ids, for families whose boxes are special tokens that TRL drops.
    """

    def score(parsed: Parsed, gold: Any, evidence: Any = None) -> float | None:
        if gold is None:
            return None
        if len(gold) == 0:
            return float(parsed.refused)
        iou = _best_iou(parsed.boxes[:1], gold)
        if beyond is not None:
            free = [Box(*box) for box in (*beyond, *(evidence or ()))]
            easy = _best_iou(free, gold)
            if easy >= SAME_BOX:
                return None
            if threshold is None or iou <= easy:
                iou = max(0.0, (iou - easy) / (1 - easy))
        return iou if threshold is None else float(iou >= threshold)

    return _reward(score, "boxes", dialect, tokenizer, name, also="evidence" if beyond is not None else None)


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


def refusal_reward(
    dialect: str | GroundingDialect, *, absent: float = 0.5, tokenizer: Any = None, name: str = "refusal_reward"
) -> Reward:
    """1 for a refusal where nothing is there; where something is, a refusal costs; any other answer earns 0.

    `absent` is the share of rows where nothing is there. A wrong refusal costs absent / (1 - absent), so that refusing always
    earns 0 on average, as refusing never does.
    """
    if not 0 < absent < 1:
        raise ValueError(f"You passed absent={absent}: it is the share of rows where nothing is there, between 0 and 1.")

    def score(parsed: Parsed, gold: Any) -> float | None:
        if gold is None:
            return None
        return 0.0 if not parsed.refused else 1.0 if len(gold) == 0 else -absent / (1 - absent)

    return _reward(score, "boxes", dialect, tokenizer, name)


def chain_reward(
    dialect: str | GroundingDialect,
    *,
    weight: Callable[[int], float] = float,
    beyond: Sequence[Sequence[float]] | None = None,
    tokenizer: Any = None,
    name: str = "chain_reward",
) -> Reward:
    """For answers that ground a chain of nested phrases: the mean IoU of its steps, weighted by level.

    The column `steps` holds, for each row, its steps as {"text", "level", "boxes"}. A step counts by the first box of the
    answer's phrase of the same words; one that the answer does not ground counts 0. `weight` maps a level to its weight;
    by default deeper steps count more, so that skipping them does not pay. With `beyond`, a step counts by what it has beyond
    these boxes and the gold boxes of the steps below it, as in `iou_reward`: a box copied from a step below earns 0.
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
        ious = np.array([_best_iou(found.get(_plain(step["text"]), ()), step["boxes"]) for step in steps])
        if beyond is not None:
            easy = np.array([_best_iou([Box(*box) for box in (*beyond, *_below(step, steps))], step["boxes"]) for step in steps])
            weights = np.where(easy < SAME_BOX, weights, 0.0)
            if not weights.sum() > 0:
                return None
            ious = np.maximum(0.0, (ious - easy) / np.maximum(1 - easy, 1 - SAME_BOX))
        return float(np.average(ious, weights=weights))

    return _reward(score, "steps", dialect, tokenizer, name)


def answer_reward(metric: str = "gqa", *, name: str = "answer_reward") -> Reward:
    """For questions: the answer's score in the data set's own way, 0 to 1, against the right answers in the column `answers`.

    `metric` is "gqa" (the whole answer is right), "vqa" (soft accuracy) or "pope" (yes or no). What was thought is no answer.
    """
    _check_metric(metric)

    def reward(completions, answers, **columns) -> list[float | None]:
        return [
            None if right is None else _answer_score(text, right, metric)
            for text, right in zip(_texts(completions, None, None), answers, strict=True)
        ]

    reward.__name__ = name
    return reward


def twin_reward(metric: str = "gqa", *, name: str = "twin_reward") -> Reward:
    """For questions asked about the picture as it is and with parts hidden, which the column `twin` says.

    A right answer earns 1 about the picture as it is and with random boxes hidden, and costs 1 with the key boxes hidden, where
    only a guess can be right. Over the three twins of a question this sums up to accuracy plus what hiding the key boxes costs
    beyond hiding others: always guessing right earns no more than once being right, and a model that fails as soon as anything
    is hidden earns no more either.
    """
    right_alone = answer_reward(metric)

    def reward(completions, answers, twin, **columns) -> list[float | None]:
        scores = right_alone(completions=completions, answers=answers)
        return [score if score is None or kind != KEY_HIDDEN else -score for score, kind in zip(scores, twin, strict=True)]

    reward.__name__ = name
    return reward


Probabilities = Callable[..., list[tuple[float, float, float] | None]]


def reliance_reward(probabilities: Probabilities, metric: str = "gqa", *, name: str = "reliance_reward") -> Reward:
    """For questions: what share of its probability a right answer loses as the key boxes are hidden, less what share it loses as
    as many boxes of the same sizes are hidden elsewhere. A wrong answer earns 0.

    `probabilities(completions=…, rows=…, …)` gives for each answer how likely it is about the picture as it is, with the key
    boxes hidden, and with boxes hidden elsewhere (`promvil_hf.training.answer_probabilities` asks the model in training), None
    where a row has nothing to hide. It is asked about right answers alone; columns that it takes arrive by name.
    """
    _check_metric(metric)
    right_alone = answer_reward(metric)

    def reward(completions, answers, **columns) -> list[float | None]:
        scores = right_alone(completions=completions, answers=answers)
        rewards: list[float | None] = [None if score is None else 0.0 for score in scores]
        right = [place for place, score in enumerate(scores) if score]
        taken = {column: [values[place] for place in right] for column, values in columns.items()
                 if isinstance(values, Sequence) and not isinstance(values, str) and len(values) == len(completions)}  # fmt: skip
        texts = _texts(completions, None, None)
        for place, found in zip(right, probabilities(completions=[texts[place] for place in right], **taken), strict=True):
            rewards[place] = None if found is None else scores[place] * reliance_of(*found)
        return rewards

    reward.__name__ = name
    return reward


def reliance_of(whole: float, key_hidden: float, elsewhere_hidden: float) -> float:
    """From -1 to 1: the share of an answer's probability that is lost with the key boxes, less that lost with others."""
    if not whole > 0:
        return 0.0
    return max(0.0, 1 - key_hidden / whole) - max(0.0, 1 - elsewhere_hidden / whole)


def _check_metric(metric: str) -> None:
    if metric not in METRICS:
        raise ValueError(f"You passed metric={metric!r}: it is one of {', '.join(METRICS)}.")


def _answer_score(text: str, right: Sequence[str], metric: str) -> float:
    said, is_cut = answer_of(text)
    said = said.strip()
    if is_cut or not said or not right:
        return 0.0
    if metric == "vqa":
        return float(soft_accuracies([said], [list(right)])[0])
    if metric == "gqa":
        return float(exact_matches([said], [right[0].lower()])[0])
    return float(strict_yes_no(said) is (right[0].strip().lower() == "yes"))


def _below(step: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> list:
    """The gold boxes of the steps of lower levels."""
    return [box for other in steps if other["level"] < step["level"] for box in _gold_boxes(other["boxes"]).tolist()]


def _reward(
    score: Callable,
    column: str,
    dialect: str | GroundingDialect,
    tokenizer: Any,
    name: str,
    points: bool | None = False,
    also: str | None = None,
) -> Reward:
    """The function that TRL calls: `score` of each parsed answer and the row's value of `column`, and of the column `also`, which
    may be missing. `points` says whether the dialect must point; None: it may do either, and the column may be missing."""
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
        more = [()] * len(texts) if also is None else [(value,) for value in columns.get(also) or [None] * len(texts)]
        return [
            score(spoken.parse(text, image_size=None if size is None else tuple(size)), value, *other)
            for text, size, value, other in zip(texts, sizes, values, more, strict=True)
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
