# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Pointing accuracy: whether an answer's point lies in what was asked for, a box or a mask, under a declared policy.

    first   the first point of the answer counts (the default)
    mean    the share of the answer's points that lie inside (RefSpatial-Bench's and PointBench's way)
    all     every point must lie inside

An answer without a point scores 0 and counts. Why an answer has no point is counted as for boxes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from promvil_hf.metrics.answers import Answers, outcome_rates, read_boxes


POINT_POLICIES = ("first", "mean", "all")


@dataclass(frozen=True, slots=True)
class PointingScore:
    """Accuracy and what makes it comparable."""

    accuracy: float
    policy: str
    rows: int
    points_per_answer: float
    point_precision: float  # share of all points that lie inside
    rates: dict[str, float]  # outcome of an answer -> its share, see `metrics.answers.OUTCOMES`
    problems: dict[str, int]


def points_inside(answers: Answers, gold: Answers | Iterable | None = None, masks: Sequence | None = None) -> np.ndarray:
    """Whether each point lies in its row's mask, else in one of its row's boxes: (points,).

    `answers` come from `read_texts` with a dialect that points. Masks are (H, W) of booleans of the original image, or None
    where a row has boxes only.
    """
    if gold is None and masks is None:
        raise ValueError("You passed neither boxes nor masks: a point is scored in one of them.")
    for truth in (masks, gold := None if gold is None else _boxes(gold)):
        if truth is not None:
            _check(answers, truth.rows if isinstance(truth, Answers) else len(truth))
    inside = np.zeros(len(answers.row), bool)
    for place, (row, (x, y)) in enumerate(zip(answers.row.tolist(), answers.xyxy.tolist(), strict=True)):
        mask = None if masks is None else masks[row]
        if mask is not None:
            inside[place] = _in_mask(mask, x, y)
        elif gold is not None:
            boxes = gold.xyxy[np.searchsorted(gold.row, row) : np.searchsorted(gold.row, row, side="right")]
            inside[place] = ((boxes[:, :2] <= (x, y)) & ((x, y) <= boxes[:, 2:])).all(1).any()
    return inside


def answer_hits(answers: Answers, inside: np.ndarray, policy: str = "first") -> np.ndarray:
    """What each answer scores, (rows,), from `points_inside`."""
    if policy not in POINT_POLICIES:
        raise ValueError(f"You passed policy={policy!r}: it is one of {', '.join(POINT_POLICIES)}.")
    hits, counts = np.zeros(answers.rows), answers.counts
    begin = np.flatnonzero(np.diff(answers.row, prepend=-1))
    if policy == "first":
        hits[answers.row[begin]] = inside[begin]
    else:
        total = np.bincount(answers.row, inside, answers.rows)
        share = np.divide(total, counts, out=np.zeros(answers.rows), where=counts > 0)
        hits[:] = share if policy == "mean" else share == 1
    return hits


def pointing_score(
    answers: Answers, gold: Answers | Iterable | None = None, masks: Sequence | None = None, *, policy: str = "first"
) -> PointingScore:
    """Accuracy of points (from `read_texts`) in gold boxes or masks."""
    inside = points_inside(answers, gold, masks)
    hits = answer_hits(answers, inside, policy)
    return PointingScore(
        accuracy=float(hits.mean()) if answers.rows else np.nan,
        policy=policy,
        rows=answers.rows,
        points_per_answer=len(inside) / answers.rows if answers.rows else np.nan,
        point_precision=float(inside.mean()) if len(inside) else np.nan,
        rates=outcome_rates(answers),
        problems={reason: len(where) for reason, where in sorted(answers.problems.items())},
    )


def _boxes(gold: Answers | Iterable) -> Answers:
    return gold if isinstance(gold, Answers) else read_boxes(gold)


def _check(answers: Answers, rows: int) -> None:
    if answers.xyxy.shape[1] != 2:
        raise ValueError("You passed answers with boxes: read them by a dialect that points, or use `grounding_score`.")
    if answers.rows != rows:
        raise ValueError(f"You passed {answers.rows} answers and the truth of {rows} rows: match them by id first.")


def _in_mask(mask: np.ndarray, x: float, y: float) -> bool:
    mask = np.asarray(mask, bool)
    height, width = mask.shape
    return bool(mask[min(int(y * height), height - 1), min(int(x * width), width - 1)])
