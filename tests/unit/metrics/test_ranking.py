# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FineCops-Ref's scores of boxes that have scores: by hand, and against scipy and plain loops."""

import numpy as np
import pytest
from scipy import stats

from promvil_hf.metrics.ranking import precision_at_k, recall_at_k, separation


def test_auroc_is_scipys_and_the_others_are_plain_loops():
    rng = np.random.default_rng(0)
    for trial in range(20):
        scores, positive = rng.integers(0, 12, 60) / 10, rng.random(60) < 0.4
        found = separation(scores, positive)
        u = stats.mannwhitneyu(scores[positive], scores[~positive]).statistic
        assert found.auroc == pytest.approx(u / (positive.sum() * (~positive).sum())), trial
        points = [((scores[positive] >= cut).mean(), (scores[~positive] >= cut).mean(), positive[scores >= cut].mean())
                  for cut in sorted(set(scores), reverse=True)]  # fmt: skip
        assert found.fpr95 == pytest.approx(min(fpr for recall, fpr, _ in points if recall >= 0.95))
        recalls = [0.0, *(recall for recall, _, _ in points)]
        area = sum((new - old) * precision for old, new, (_, _, precision) in zip(recalls, recalls[1:], points, strict=False))
        assert found.aupr == pytest.approx(area)


def test_chance_and_one_kind_only():
    same = separation([0.5] * 10, [True] * 4 + [False] * 6)
    assert (same.auroc, same.fpr95, same.aupr) == (0.5, 1, 0.4)
    assert np.isnan(separation([0.1, 0.2], [True, True]).auroc) and np.isnan(separation([np.nan, 0.2], [True, False]).auroc)
    with pytest.raises(ValueError, match="one of each for every row"):
        separation([0.5], [True, False])


def test_precision_at_k_looks_at_the_k_best():
    right, scores = [[False, True], [True, False], []], [[0.9, 0.8], [0.1, 0.2], []]
    assert precision_at_k(right, scores, 1).tolist() == [0, 0, 0]
    assert precision_at_k(right, scores, 2).tolist() == [1, 1, 0]


def test_recall_at_k_by_hand():
    """Positives a, b, c; b's negative scores above it; a has two negatives; c has none and is left out."""
    positive, negative_of = ["a", "b", "c", "x", "y", "z"], [None, None, None, "a", "a", "b"]
    right = [[False, True], [True], [True], [False], [False], [False]]
    scores = [[0.9, 0.5], [0.3], [0.2], [0.6], [0.1], [0.4]]
    names, hits = recall_at_k(right, scores, positive, negative_of, 1)
    assert (names, hits.tolist()) == (["a", "b"], [0, 0])  # a's best box is wrong; b's negative is ahead
    assert recall_at_k(right, scores, positive, negative_of, 2)[1].tolist() == [0, 1]  # of a: 0.9 and x's 0.6
    assert recall_at_k(right, scores, positive, negative_of, 3)[1].tolist() == [1, 1]


def test_scores_that_equal_the_last_of_the_best_count_too():
    names, hits = recall_at_k([[True], []], [[0.5], [0.5]], ["a", "n"], [None, "a"], 1)
    assert (names, hits.tolist()) == (["a"], [1])
    names, hits = recall_at_k([[], []], [[], []], ["a", "n"], [None, "a"], 1)
    assert (names, hits.tolist()) == (["a"], [0])
