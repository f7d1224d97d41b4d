# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the scores of boxes are worth: whether the best ones lie right, and whether they are higher where the thing is there.

FineCops-Ref scores detectors so. An answer holds boxes with a score each; a row without any has none. All functions take
plain arrays, one entry a row; a box is right if its IoU with the truth reaches the threshold.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from promvil_hf.metrics.rank_correlation import Ranked


@dataclass(frozen=True, slots=True)
class Separation:
    """How well one score separates two kinds of rows."""

    auroc: float  # the chance that a row in which the thing is there scores higher, ties half; 0.5 is chance
    fpr95: float  # the share of rows without the thing that pass where 95 % of those with it do; 0.95 is chance
    aupr: float  # average precision; the share of rows with the thing is chance
    positives: int
    negatives: int


def separation(scores: Sequence[float], positive: Sequence[bool]) -> Separation:
    """AUROC, FPR at 95 % recall and area under precision and recall (as average precision), of rows' best scores.

    >>> separation([0.9, 0.8, 0.7, 0.1], [True, True, False, False]).auroc
    1.0
    """
    scores, positive = np.asarray(scores, float), np.asarray(positive, bool)
    if scores.shape != positive.shape or scores.ndim != 1:
        raise ValueError(f"You passed {scores.shape} scores and {positive.shape} kinds of rows: pass one of each for every row.")
    good, bad = int(positive.sum()), int((~positive).sum())
    if np.isnan(scores).any() or not good or not bad:
        return Separation(np.nan, np.nan, np.nan, good, bad)
    auroc = float(Ranked.of(scores).auroc(positive)[0, 0])
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # equal scores pass together
    passed, right = last + 1, positive[order].cumsum()[last]
    recall = right / good
    precision = right / passed
    fpr95 = (passed - right)[np.argmax(recall >= 0.95 - 1e-12)] / bad
    return Separation(auroc, float(fpr95), float((np.diff(recall, prepend=0) * precision).sum()), good, bad)


def precision_at_k(right: Sequence[np.ndarray], scores: Sequence[np.ndarray], k: int) -> np.ndarray:
    """Whether one of the k best boxes of each row is right, (rows,). `right` and `scores` hold the boxes of each row."""
    hits = np.zeros(len(right))
    for row, (is_right, by) in enumerate(zip(right, scores, strict=True)):
        best = np.argsort(-np.asarray(by, float), kind="stable")[:k]
        hits[row] = bool(np.asarray(is_right, bool)[best].any())
    return hits


def recall_at_k(
    right: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
    positive: Sequence[Hashable],
    negative_of: Sequence[Hashable | None],
    k: int,
) -> tuple[list[Hashable], np.ndarray]:
    """FineCops-Ref's recall: the boxes of a positive compete with those of its negatives. The positives, and their hits.

    `positive` names each row, `negative_of` the positive that a negative row belongs to (None for a positive). Of the pooled
    scores the k best count, with all that equal the last of them. If n > 0 of them belong to the positive, one of its n best
    boxes must be right. Positives without negatives are left out.

    >>> recall_at_k([[True], [False]], [[0.9], [0.8]], ["a", "b"], [None, "a"], 1)
    (['a'], array([1.]))
    """
    negatives: dict[Hashable, list[int]] = {}
    for row, of in enumerate(negative_of):
        if of is not None:
            negatives.setdefault(of, []).append(row)
    names, hits = [], []
    for row, (name, of) in enumerate(zip(positive, negative_of, strict=True)):
        if of is not None or name not in negatives:
            continue
        positive_scores = np.asarray(scores[row], float)
        pool = np.sort(np.concatenate([positive_scores, *(np.asarray(scores[other], float) for other in negatives[name])]))[::-1]
        inside = int((positive_scores >= pool[:k][-1]).sum()) if len(pool) else 0
        best = np.argsort(-positive_scores, kind="stable")[:inside]
        names.append(name)
        hits.append(bool(np.asarray(right[row], bool)[best].any()))
    return names, np.array(hits, float)
