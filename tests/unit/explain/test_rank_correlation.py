# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Batched ranks and correlations are scipy's, and rho and AUROC obey their identity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from promvil_hf.explain.rank_correlation import Ranked
from promvil_hf.metrics.rank_correlation import auroc_rows, spearman_ceiling, spearman_rows


rows_with_ties = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.lists(st.integers(-3, 3).map(float), min_size=n, max_size=n), min_size=1, max_size=4),
        st.lists(st.floats(0, 1, width=16), min_size=n, max_size=n),
    )
)


@settings(max_examples=80, deadline=None)
@given(rows_with_ties)
def test_ranks_and_rho_equal_scipy_on_ties_and_constant_rows(case):
    values, mask = np.array(case[0]), np.array(case[1])
    ranked = Ranked.of(values)
    mean_rank = (values.shape[1] + 1) / 2
    np.testing.assert_array_equal(ranked.centred + mean_rank, rankdata(values, axis=-1))
    found = ranked.spearman(Ranked.of(mask))[:, 0]
    with np.errstate(all="ignore"):
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = np.array([spearmanr(row, mask).statistic for row in values])
    np.testing.assert_allclose(found, theirs, atol=1e-12, equal_nan=True)
    np.testing.assert_allclose(found, spearman_rows(values, mask), atol=1e-12, equal_nan=True)


def test_a_nan_gives_no_answer_for_its_row_alone():
    values = np.arange(12.0).reshape(3, 4)
    values[1, 2] = np.nan
    mask = np.array([0, 1, 1, 0.5])
    found = Ranked.of(values).spearman(Ranked.of(mask))[:, 0]
    assert np.isnan(found).tolist() == [False, True, False]
    assert np.isnan(Ranked.of(values).auroc(mask > 0)[:, 0]).tolist() == [False, True, False]
    assert np.isnan(Ranked.of(values).spearman(Ranked.of(np.array([0, np.nan, 1, 2])))).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 200), st.data())
def test_rho_of_a_binary_mask_is_its_ceiling_times_auroc(n, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    values = rng.permutation(n).astype(np.float32)[None]  # no ties
    inside = np.zeros(n, bool)
    inside[rng.choice(n, data.draw(st.integers(1, n - 1)), replace=False)] = True
    ranked, p = Ranked.of(values), inside.mean()
    rho, auroc = ranked.spearman(Ranked.of(inside))[0, 0], ranked.auroc(inside)[0, 0]
    assert rho == pytest.approx(np.sqrt(3 * p * (1 - p)) * (2 * auroc - 1) * np.sqrt(n**2 / (n**2 - 1)), abs=1e-12)
    assert Ranked.of(inside).ceiling[0] == pytest.approx(spearman_ceiling(p, n), abs=1e-12)


def test_auroc_equals_the_plain_form_with_ties_and_degenerate_masks():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 5, (20, 30)).astype(float)
    inside = np.concatenate([rng.random((3, 30)) < 0.3, np.zeros((1, 30), bool), np.ones((1, 30), bool)])
    found = Ranked.of(values).auroc(inside)
    np.testing.assert_allclose(found, auroc_rows(values[:, None], inside[None]), atol=1e-12, equal_nan=True)
    assert np.isnan(found[:, 3:]).all()


def test_no_soft_mask_can_be_met_better_than_its_ceiling():
    rng = np.random.default_rng(1)
    mask = np.maximum(rng.random(100) - 0.7, 0)
    ideal = np.argsort(np.argsort(mask + 1e-9 * rng.random(100)))[None]
    assert Ranked.of(ideal).spearman(Ranked.of(mask))[0, 0] == pytest.approx(Ranked.of(mask).ceiling[0])


def test_rows_without_values_are_refused():
    with pytest.raises(ValueError, match="rows without values"):
        Ranked.of(np.empty((3, 0)))
