# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from promvil_hf.metrics.rank_correlation import auroc_rows, spearman_ceiling, spearman_rows


def pairwise_auroc(values, inside):
    positive, negative = values[inside], values[~inside]
    wins = (positive[:, None] > negative).sum() + 0.5 * (positive[:, None] == negative).sum()
    return wins / (len(positive) * len(negative))


def test_the_vector_of_another_project(shared_data):
    (case,) = json.loads((shared_data / "peer_vectors" / "spearman.json").read_text())
    assert spearman_rows(case["x"], case["y"]) == pytest.approx(case["rho"], abs=1e-12)


@pytest.mark.parametrize("levels", [3, 10_000])
def test_every_row_equals_scipy_with_and_without_ties(levels):
    rng = np.random.default_rng(0)
    a, mask = rng.integers(0, levels, (4, 8, 64)), rng.random(64).round(1)
    ours = spearman_rows(a, mask)
    assert ours.shape == (4, 8)
    peer = [[stats.spearmanr(row, mask).statistic for row in layer] for layer in a]
    assert np.abs(ours - peer).max() < 1e-14


def test_auroc_equals_counting_pairs_and_mann_whitney():
    rng = np.random.default_rng(1)
    values, inside = rng.integers(0, 12, (20, 50)), rng.random(50) < 0.3
    ours = auroc_rows(values, inside)
    for row, value in zip(values, ours):
        assert value == pytest.approx(pairwise_auroc(row, inside), abs=1e-14)
        u = stats.mannwhitneyu(row[inside], row[~inside]).statistic
        assert value == pytest.approx(u / (inside.sum() * (~inside).sum()))


@given(st.integers(2, 60), st.data())
def test_rho_is_auroc_stretched_by_the_size_of_the_mask(n, data):
    covered = data.draw(st.integers(1, n - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    values, inside = rng.permutation(n) * 1.0, rng.permutation(np.arange(n) < covered)
    expected = spearman_ceiling(covered / n, n) * (2 * auroc_rows(values, inside) - 1)
    assert spearman_rows(values, inside) == pytest.approx(expected, abs=1e-12)


def test_the_ceiling_is_reached_by_a_perfect_head():
    for covered in (6, 29, 58, 115):
        inside = np.arange(576) >= 576 - covered
        assert spearman_rows(np.arange(576), inside) == pytest.approx(spearman_ceiling(covered / 576, 576))
        assert auroc_rows(np.arange(576), inside) == 1
    assert spearman_ceiling(np.array([0.01, 0.05, 0.1, 0.2, 0.3]), 576).round(3).tolist() == [
        0.172,
        0.377,
        0.520,
        0.693,
        0.794,
    ]


def test_rows_without_an_answer_are_nan_without_a_warning():
    rows = np.array([[1.0, 1, 1, 1], [1, np.nan, 2, 3], [1, 2, 3, 4]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rho, area = spearman_rows(rows, [0, 0, 1, 1]), auroc_rows(rows, [False, False, True, True])
        assert np.isnan(spearman_rows(rows, np.ones(4))).all()
        assert np.isnan(auroc_rows(rows, np.ones(4))).all() and np.isnan(auroc_rows(rows, np.zeros(4))).all()
        assert np.isnan(spearman_rows(np.zeros((2, 0)), np.zeros(0))).all()
    assert np.isnan(rho[:2]).all() and rho[2] == pytest.approx(0.8944271909999159)
    assert area[0] == 0.5 and np.isnan(area[1]) and area[2] == 1


def test_rows_of_different_length_are_refused():
    with pytest.raises(ValueError, match="must be equally long"):
        spearman_rows(np.zeros((2, 3)), np.zeros(4))
