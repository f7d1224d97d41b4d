# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Grounding accuracy: box IoU and the share of answers whose box is right, under a declared box policy.

Published numbers disagree because nobody says which of several boxes counts. Here every score carries its policy:

    first   the first well-formed box of the answer counts (the reference's P@1; the default)
    mean    the mean of the answer's boxes counts, coordinate by coordinate
    all     the worst box counts: every box must be right
    any     the best box counts (the reference's "upper bound"): an answer gains by dumping boxes

Under `first` a model that always prints the same long list of boxes scores exactly what its first box scores alone, in
whatever order it prints them; under `any` it scores without looking. An answer without a well-formed box has IoU 0 and
counts. Where several gold boxes are right, `gold_policy="any"` takes the best of them for each box and "merged" the
smallest box around all.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from promvil_hf.dialects.base import NO_ANSWER, NO_BOX, REFUSED
from promvil_hf.metrics.answers import OUTCOMES, Answers, grid_boxes, grid_cells, read_boxes


POLICIES = ("first", "mean", "all", "any")
GOLD_POLICIES = ("any", "merged")
SIDES = (1 / 32, 2 / 32, 3 / 32, 1 / 4)  # one, two and three cells of Kosmos-2's grid, a quarter of the image


@dataclass(frozen=True, slots=True)
class GroundingScore:
    """Accuracy and what makes it comparable."""

    accuracy: float  # at the first threshold
    accuracy_at: dict[float, float]
    mean_iou: float
    policy: str
    gold_policy: str
    rows: int
    parse_rate: float  # share of answers with a well-formed box
    refused_rate: float  # share that says there is no such thing
    no_box_rate: float  # share in which there is neither a box nor a refusal
    unreadable_rate: float  # share in which what should be a box cannot be read
    missing_rate: float  # share of rows that have no answer; the five sum to 1
    boxes_per_answer: float  # over all answers, those without a box included
    most_boxes: int
    box_precision: float  # share of all boxes that are right on their own, at the first threshold
    problems: dict[str, int]


def iou_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of every box of `a` (n, 4) with every box of `b` (m, 4), as xyxy: (n, m). Disjoint boxes give 0."""
    a, b = _boxes(a), _boxes(b)
    return _overlap(a[:, None], b[None])


def paired_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of the i-th box of `a` with the i-th of `b`: (n,). Boxes without an area give 0, as do those with a NaN."""
    a, b = _boxes(a), _boxes(b)
    if len(a) != len(b):
        raise ValueError(f"You passed {len(a)} and {len(b)} boxes to pair: use `iou_matrix` to compare all with all.")
    return _overlap(a, b)


def answer_iou(
    answers: Answers | Iterable, gold: Answers | Iterable, *, policy: str = "first", gold_policy: str = "any"
) -> np.ndarray:
    """One IoU per answer under the policy, (rows,): what thresholds, tables, intervals and paired tests start from."""
    answers, gold = answers if isinstance(answers, Answers) else read_boxes(answers), _gold(gold)
    _check(answers, gold, policy, gold_policy)
    row, xyxy, begin = answers.row, answers.xyxy, _starts(answers.row)
    score = np.zeros(answers.rows)
    if not begin.size:
        return score
    if policy == "first":
        row, xyxy = row[begin], xyxy[begin]
    elif policy == "mean":
        sizes = np.diff(begin, append=len(row))
        row, xyxy = row[begin], np.add.reduceat(xyxy, begin) / sizes[:, None]
    iou = _box_iou(row, xyxy, gold, gold_policy)
    if policy in ("any", "all"):
        iou = (np.maximum if policy == "any" else np.minimum).reduceat(iou, begin)
        row = row[begin]
    score[row] = iou
    return score


def grounding_score(
    answers: Answers | Iterable,
    gold: Answers | Iterable,
    *,
    policy: str = "first",
    thresholds: Sequence[float] = (0.5,),
    gold_policy: str = "any",
) -> GroundingScore:
    """Accuracy of answers (from `read_texts`, or boxes) against gold boxes of the same frame. A hit: IoU >= threshold."""
    table = grounding_table(answers, gold, None, policy=policy, thresholds=thresholds, gold_policy=gold_policy)
    return table[None]


def grounding_table(
    answers: Answers | Iterable,
    gold: Answers | Iterable,
    labels: Sequence[Hashable] | None,
    *,
    policy: str = "first",
    thresholds: Sequence[float] = (0.5,),
    gold_policy: str = "any",
) -> dict[Hashable, GroundingScore]:
    """A score per label, in the order of first appearance: labels are levels, sizes (`size_labels`), data sets …"""
    answers, gold = answers if isinstance(answers, Answers) else read_boxes(answers), _gold(gold)
    thresholds = tuple(float(threshold) for threshold in thresholds)
    if not thresholds or not all(0 < threshold <= 1 for threshold in thresholds):
        raise ValueError(f"You passed thresholds={thresholds}: pass at least one IoU above 0 and at most 1.")
    _check(answers, gold, policy, gold_policy)
    if labels is None:
        names, group = {None: 0}, np.zeros(answers.rows, np.int64)
    else:
        names = {label: k for k, label in enumerate(dict.fromkeys(labels))}
        group = np.array([names[label] for label in labels], np.int64)
    if len(group) != answers.rows:
        raise ValueError(f"You passed {answers.rows} answers and {len(group)} labels: pass one label per answer.")

    iou = answer_iou(answers, gold, policy=policy, gold_policy=gold_policy)
    counts = answers.counts
    right = _box_iou(answers.row, answers.xyxy, gold, gold_policy) >= thresholds[0]

    def total(values, where=group):
        return np.bincount(where, values, len(names)) if len(where) else np.zeros(len(names))

    rows, boxes = total(np.ones(len(group))), total(counts)
    box_group = group[answers.row]
    most = np.zeros(len(names), np.int64)
    np.maximum.at(most, group, counts)
    with np.errstate(invalid="ignore"):  # no rows, or no boxes: NaN
        hits = np.stack([total(iou >= threshold) for threshold in thresholds], 1) / rows[:, None]
        mean_iou, per_answer = total(iou) / rows, boxes / rows
        precise = total(right, box_group) / boxes
        kinds = answers.outcomes
        outcomes = {name: total(kinds == place) / rows for place, name in enumerate(OUTCOMES)}
    problems = {
        reason: np.bincount(group[where], minlength=len(names)) for reason, where in sorted(answers.problems.items())
    }
    return {
        name: GroundingScore(
            accuracy=float(hits[k, 0]),
            accuracy_at=dict(zip(thresholds, hits[k].tolist(), strict=True)),
            mean_iou=float(mean_iou[k]),
            policy=policy,
            gold_policy=gold_policy,
            rows=int(rows[k]),
            parse_rate=float(outcomes["box"][k]),
            refused_rate=float(outcomes[REFUSED][k]),
            no_box_rate=float(outcomes[NO_BOX][k]),
            unreadable_rate=float(outcomes["unreadable"][k]),
            missing_rate=float(outcomes[NO_ANSWER][k]),
            boxes_per_answer=float(per_answer[k]),
            most_boxes=int(most[k]),
            box_precision=float(precise[k]),
            problems={reason: int(count[k]) for reason, count in problems.items() if count[k]},
        )
        for name, k in names.items()
    }


def size_labels(gold: Answers | Iterable, sides: Sequence[float] = SIDES) -> list[str]:
    """The size band of each row, for `grounding_table`: root of the mean area of its gold boxes, in fractions."""
    gold = _gold(gold)
    area = np.bincount(gold.row, _area(gold.xyxy), gold.rows) / np.maximum(gold.counts, 1)
    edges = [0.0, *sides]
    names = [f"side {low:.3f} to {high:.3f}" for low, high in pairwise(edges)] + [f"side from {edges[-1]:.3f}"]
    return [names[band] for band in np.searchsorted(sides, np.sqrt(area), side="right")]


def quantisation_ceiling(
    gold: Answers | Iterable,
    round_trip: Callable[[np.ndarray], np.ndarray],
    thresholds: Sequence[float] = (0.5,),
) -> dict[float, float]:
    """The accuracy of a model that makes no mistake, where boxes are written in steps: the share of gold rows still
    hit.

    `round_trip` writes and reads (n, 4) boxes the way the model must, e.g. `kosmos2_round_trip`. A row with several
    gold boxes can be hit if any of them can.
    """
    gold = _gold(gold)
    iou = np.zeros(gold.rows)
    np.maximum.at(iou, gold.row, paired_iou(round_trip(gold.xyxy), gold.xyxy))
    return {float(threshold): float(np.mean(iou >= threshold)) if gold.rows else np.nan for threshold in thresholds}


def kosmos2_round_trip(xyxy: np.ndarray, side: int = 32) -> np.ndarray:
    """Boxes in fractions as Kosmos-2's grid leaves them."""
    return grid_boxes(grid_cells(xyxy, side), side)


def _boxes(boxes) -> np.ndarray:
    boxes = np.asarray(boxes, dtype=float)
    if boxes.size == 0 and boxes.ndim < 3:
        return boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"You passed boxes of shape {boxes.shape}: pass an (n, 4) array of x0, y0, x1, y1.")
    return boxes


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.maximum(boxes[..., 2] - boxes[..., 0], 0) * np.maximum(boxes[..., 3] - boxes[..., 1], 0)


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    inside = np.maximum(width, 0) * np.maximum(height, 0)
    with np.errstate(invalid="ignore"):  # infinite boxes: no number, so no overlap
        union = _area(a) + _area(b) - inside
    return np.divide(inside, union, out=np.zeros_like(inside), where=(inside > 0) & np.isfinite(union))


def _starts(row: np.ndarray) -> np.ndarray:
    """Where each answer that has boxes begins in the flat arrays."""
    return np.flatnonzero(np.diff(row, prepend=-1))


def _box_iou(row: np.ndarray, xyxy: np.ndarray, gold: Answers, gold_policy: str) -> np.ndarray:
    """Each box with the gold of its row, (boxes,)."""
    begin = _starts(gold.row)
    if len(begin) == len(gold.row):
        return _overlap(xyxy, gold.xyxy[row])
    if gold_policy == "merged":
        return _overlap(xyxy, merged_gold(gold).xyxy[row])
    choices = gold.counts[row]  # at least 1 each
    first = np.cumsum(choices) - choices
    pair = np.arange(choices.sum()) + np.repeat(begin[row] - first, choices)
    iou = _overlap(np.repeat(xyxy, choices, axis=0), gold.xyxy[pair])
    return np.maximum.reduceat(iou, first) if iou.size else iou


def merged_gold(gold: Answers) -> Answers:
    """The smallest box around all gold boxes of each row that has any."""
    begin = _starts(gold.row)
    if not len(begin):
        return gold
    low = np.minimum.reduceat(gold.xyxy[:, :2], begin)
    high = np.maximum.reduceat(gold.xyxy[:, 2:], begin)
    return Answers(gold.rows, gold.row[begin], np.concatenate([low, high], 1), gold.problems)


def _gold(gold: Answers | Iterable) -> Answers:
    gold = gold if isinstance(gold, Answers) else read_boxes(gold)
    if gold.problems:
        reason, where = next(iter(gold.problems.items()))
        reason = NO_BOX if reason in (REFUSED, NO_ANSWER) else reason
        raise ValueError(
            f"Row {where[0]} has no good gold box ({reason}): every row needs gold boxes as x0, y0, x1, y1 with x0 < "
            "x1 and y0 < y1. Leave rows without them out of answers and gold alike."
        )
    return gold


def _check(answers: Answers, gold: Answers, policy: str, gold_policy: str) -> None:
    if policy not in POLICIES or gold_policy not in GOLD_POLICIES:
        raise ValueError(
            f"You passed policy={policy!r}, gold_policy={gold_policy!r}: policy is one of {', '.join(POLICIES)}, "
            f"gold_policy one of {', '.join(GOLD_POLICIES)}."
        )
    if answers.rows != gold.rows:
        raise ValueError(
            f"You passed {answers.rows} answers and gold boxes of {gold.rows} rows: match them by id first."
        )
