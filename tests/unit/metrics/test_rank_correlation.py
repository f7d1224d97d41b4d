# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Batched ranks and correlations are scipy's, and rho and AUROC obey their identity."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, rankdata, spearmanr

from promvil_hf.metrics.rank_correlation import Ranked


rows_with_ties = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.lists(st.integers(-3, 3).map(float), min_size=n, max_size=n), min_size=1, max_size=4),
        st.lists(st.floats(0, 1, width=16), min_size=n, max_size=n),
    )
)


def spearman(values, mask):
    return Ranked.of(values).spearman(Ranked.of(mask))[:, 0]


def auroc(values, inside):
    return Ranked.of(values).auroc(inside)[:, 0]


def pairwise_auroc(values, inside):
    positive, negative = values[inside], values[~inside]
    wins = (positive[:, None] > negative).sum() + 0.5 * (positive[:, None] == negative).sum()
    return wins / (len(positive) * len(negative))


def ceiling_of_a_share(p, n):
    """The largest rho against a binary mask that covers the share p of n cells, in closed form."""
    return np.sqrt(3 * p * (1 - p)) * np.sqrt(n**2 / (n**2 - 1))


def test_the_vector_of_another_project(shared_data):
    (case,) = json.loads((shared_data / "peer_vectors" / "spearman.json").read_text())
    assert spearman(case["x"], case["y"])[0] == pytest.approx(case["rho"], abs=1e-12)


@given(rows_with_ties)
def test_ranks_and_rho_equal_scipy_on_ties_and_constant_rows(case):
    values, mask = np.array(case[0]), np.array(case[1])
    ranked = Ranked.of(values)
    mean_rank = (values.shape[1] + 1) / 2
    np.testing.assert_array_equal(ranked.centred + mean_rank, rankdata(values, axis=-1))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = np.array([spearmanr(row, mask).statistic for row in values])
    np.testing.assert_allclose(spearman(values, mask), theirs, atol=1e-12, equal_nan=True)


def test_rows_without_an_answer_are_nan_alone_and_without_a_warning():
    rows = np.array([[1.0, 1, 1, 1], [1, np.nan, 2, 3], [1, 2, 3, 4]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rho, area = spearman(rows, [0, 0, 1, 1]), auroc(rows, [False, False, True, True])
        assert np.isnan(spearman(rows, np.ones(4))).all() and np.isnan(spearman(rows, [0, np.nan, 1, 2])).all()
        assert np.isnan(auroc(rows, np.ones(4))).all() and np.isnan(auroc(rows, np.zeros(4))).all()
    assert np.isnan(rho[:2]).all() and rho[2] == pytest.approx(0.8944271909999159)
    assert area[0] == 0.5 and np.isnan(area[1]) and area[2] == 1


@given(st.integers(2, 200), st.data())
def test_rho_is_auroc_stretched_by_the_size_of_the_mask(n, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    values = rng.permutation(n).astype(np.float32)[None]  # no ties
    inside = np.zeros(n, bool)
    inside[rng.choice(n, data.draw(st.integers(1, n - 1)), replace=False)] = True
    ceiling = ceiling_of_a_share(inside.mean(), n)
    assert spearman(values, inside)[0] == pytest.approx(ceiling * (2 * auroc(values, inside)[0] - 1), abs=1e-12)
    assert Ranked.of(inside).ceiling[0] == pytest.approx(ceiling, abs=1e-12)


def test_auroc_equals_counting_pairs_and_mann_whitney_with_ties_and_degenerate_masks():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 5, (20, 30)).astype(float)
    inside = np.concatenate([rng.random((3, 30)) < 0.3, np.zeros((1, 30), bool), np.ones((1, 30), bool)])
    found = Ranked.of(values).auroc(inside)
    for row, areas in zip(values, found):
        for mask, area in zip(inside[:3], areas):
            assert area == pytest.approx(pairwise_auroc(row, mask), abs=1e-12)
            assert area == pytest.approx(
                mannwhitneyu(row[mask], row[~mask]).statistic / (mask.sum() * (~mask).sum())
            )
    assert np.isnan(found[:, 3:]).all()


def test_no_mask_can_be_met_better_than_its_ceiling():
    rng = np.random.default_rng(1)
    mask = np.maximum(rng.random(100) - 0.7, 0)
    ideal = np.argsort(np.argsort(mask + 1e-9 * rng.random(100)))[None]
    assert spearman(ideal, mask)[0] == pytest.approx(Ranked.of(mask).ceiling[0])
    shares = []
    for covered in (6, 29, 58, 115, 173):
        inside = np.arange(576) >= 576 - covered
        assert spearman(np.arange(576), inside)[0] == pytest.approx(Ranked.of(inside).ceiling[0])
        assert auroc(np.arange(576), inside)[0] == 1
        shares.append(round(float(Ranked.of(inside).ceiling[0]), 2))
    assert shares == [0.18, 0.38, 0.52, 0.69, 0.79]


def test_rows_without_values_are_refused():
    with pytest.raises(ValueError, match="rows without values"):
        Ranked.of(np.empty((3, 0)))
