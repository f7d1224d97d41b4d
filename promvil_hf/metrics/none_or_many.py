# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Phrases that name nothing, one thing or several: gRefCOCO's N-acc, T-acc and F1, and what came of answers where nothing is.

Its code matches boxes by the *generalised* IoU, its paper speaks of the IoU, and their numbers differ; so the overlap is an
argument, and reports name it. Where nothing is there, its code counts every answer without a box as right. Here only a
refusal is: an answer that cannot be read is no answer, so a model that prints nonsense rejects nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from promvil_hf.dialects.base import NO_ANSWER, NO_BOX, REFUSED
from promvil_hf.metrics.answers import OUTCOMES, Answers
from promvil_hf.metrics.grounding import iou_matrix


@dataclass(frozen=True, slots=True)
class Rejection:
    """What came of the rows in which there is nothing, as shares that sum to 1, and the refusals where something is."""

    rows: int
    refused: float  # the only right answer
    wrong_box: float
    no_box: float  # neither a box nor a refusal
    unreadable: float
    missing: float
    falsely_refused: float  # of the rows in which there is something


@dataclass(frozen=True, slots=True, eq=False)
class NoneOrMany:
    """gRefCOCO's numbers. `f1` is that of each row; the number published as F1 is the share of rows with an F1 of 1."""

    perfect: float
    n_acc: float
    t_acc: float
    mean_f1: float
    overlap: str
    f1: np.ndarray  # (rows,)


def generalised_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Generalised IoU of every box of `a` (n, 4) with every box of `b` (m, 4): the IoU, less the share of the box around both
    that neither covers. From -1 to 1: (n, m).

    >>> generalised_iou([[0, 0, 1, 1]], [[0, 0, 1, 1], [1, 0, 2, 1], [3, 0, 4, 1]]).tolist()
    [[1.0, 0.0, -0.5]]
    """
    a, b = (np.asarray(boxes, float).reshape(-1, 4) for boxes in (a, b))
    iou = iou_matrix(a, b)
    around = np.prod(np.maximum(a[:, None, 2:], b[None, :, 2:]) - np.minimum(a[:, None, :2], b[None, :, :2]), axis=-1)
    areas = np.prod(a[:, 2:] - a[:, :2], axis=-1)[:, None] + np.prod(b[:, 2:] - b[:, :2], axis=-1)[None]
    union = areas / (1 + iou)
    return iou - (around - union) / around


OVERLAPS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {"giou": generalised_iou, "iou": iou_matrix}


def matches(overlap: np.ndarray, threshold: float = 0.5) -> int:
    """How many pairs are made one to one, the largest overlap first, until it falls below the threshold.

    >>> matches(np.array([[0.9, 0.8], [0.7, 0.1]]))
    1
    """
    left, made = np.array(overlap, float), 0
    while left.size and left.max() >= threshold:
        row, column = np.unravel_index(left.argmax(), left.shape)
        left[row], left[:, column] = -np.inf, -np.inf
        made += 1
    return made


def row_f1(answers: Answers, gold: Answers, *, overlap: str = "giou", threshold: float = 0.5) -> np.ndarray:
    """F1 of each row's boxes, (rows,). Where nothing is there it is 1 for a refusal and 0 for everything else."""
    if overlap not in OVERLAPS:
        raise ValueError(f"You passed overlap={overlap!r}: it is one of {', '.join(OVERLAPS)}.")
    _check(answers, gold)
    f1 = np.zeros(answers.rows)
    said, wanted = answers.counts, gold.counts
    f1[(wanted == 0) & (answers.outcomes == OUTCOMES.index(REFUSED))] = 1
    first, begin = np.cumsum(said) - said, np.cumsum(wanted) - wanted
    for row in np.flatnonzero((said > 0) & (wanted > 0)).tolist():
        boxes = answers.xyxy[first[row] : first[row] + said[row]]
        truth = gold.xyxy[begin[row] : begin[row] + wanted[row]]
        f1[row] = 2 * matches(OVERLAPS[overlap](boxes, truth), threshold) / (said[row] + wanted[row])
    return f1


def none_or_many(answers: Answers, gold: Answers, *, overlap: str = "giou", threshold: float = 0.5) -> NoneOrMany:
    """gRefCOCO's numbers. Rows of `gold` without a box are those in which there is nothing."""
    f1 = row_f1(answers, gold, overlap=overlap, threshold=threshold)
    nothing = gold.counts == 0
    return NoneOrMany(
        perfect=_mean(f1 == 1),
        n_acc=_mean(f1[nothing]),
        t_acc=_mean(answers.counts[~nothing] > 0),
        mean_f1=_mean(f1),
        overlap=overlap,
        f1=f1,
    )


def rejection(answers: Answers, absent: np.ndarray) -> Rejection:
    """What came of the rows in which there is nothing, (rows,) of booleans, each outcome by itself."""
    absent = np.asarray(absent, bool)
    if absent.shape != (answers.rows,):
        raise ValueError(f"You passed {answers.rows} answers and marks of shape {absent.shape}: pass one mark per answer.")
    kinds = answers.outcomes
    share = {name: _mean(kinds[absent] == place) for place, name in enumerate(OUTCOMES)}
    return Rejection(
        rows=int(absent.sum()),
        refused=share[REFUSED],
        wrong_box=share["box"],
        no_box=share[NO_BOX],
        unreadable=share["unreadable"],
        missing=share[NO_ANSWER],
        falsely_refused=_mean(kinds[~absent] == OUTCOMES.index(REFUSED)),
    )


def _check(answers: Answers, gold: Answers) -> None:
    if answers.rows != gold.rows:
        raise ValueError(f"You passed {answers.rows} answers and gold boxes of {gold.rows} rows: match them by id first.")


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else np.nan
