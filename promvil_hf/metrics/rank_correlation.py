# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Spearman's rho and the area under the ROC curve, for many rows at once, ties included.

Raw rho against a mask confounds how well a head looks with how large the mask is: with a binary mask that covers
the share p of n cells, and no ties among the values, rho = sqrt(3 p (1 - p)) * (2 AUROC - 1) * sqrt(n^2 / (n^2 -
1)). So rho is reported with AUROC or with rho / `spearman_ceiling`. A row that has no answer (constant values, one
class only, a NaN) gives NaN, never 0: average with `numpy.nanmean` and report the count. Floor 1: numpy, scipy.
"""

import numpy as np
from scipy.stats import rankdata


def spearman_rows(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's rho along the last axis; the leading axes of `a` and `b` broadcast: (…, n), (…, n) -> (…)."""
    a, b = _same_length(a, b)
    if not a.shape[-1]:
        return np.full(np.broadcast_shapes(a.shape[:-1], b.shape[:-1]), np.nan)
    rank_a, rank_b = _centred_ranks(a), _centred_ranks(b)
    together = np.einsum("...n,...n->...", rank_a, rank_b)
    scale = np.sqrt((rank_a**2).sum(-1) * (rank_b**2).sum(-1))
    return np.divide(together, scale, out=np.full(scale.shape, np.nan), where=scale > 0)


def auroc_rows(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The chance that a value inside the mask exceeds one outside (ties count half): (…, n), bool (…, n) -> (…)."""
    values, inside = _same_length(values, np.asarray(inside, dtype=bool))
    shape = np.broadcast_shapes(values.shape[:-1], inside.shape[:-1])
    n = values.shape[-1]
    if not n:
        return np.full(shape, np.nan)
    ranks = rankdata(values, axis=-1)  # a NaN makes the whole row NaN
    ranked = np.einsum("...n,...n->...", ranks, inside.astype(float))
    within = inside.sum(-1) + np.zeros(shape)
    pairs = within * (n - within)
    return np.divide(ranked - within * (within + 1) / 2, pairs, out=np.full(shape, np.nan), where=pairs > 0)


def spearman_ceiling(share: np.ndarray, n: int) -> np.ndarray:
    """The largest rho that values without ties can reach against a binary mask covering `share` of `n` cells."""
    share = np.asarray(share, dtype=float)
    return np.sqrt(3 * share * (1 - share)) * np.sqrt(n**2 / (n**2 - 1))


def _same_length(a, b) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a), np.asarray(b)
    if not a.ndim or not b.ndim or a.shape[-1] != b.shape[-1]:
        raise ValueError(
            f"You passed arrays of shapes {a.shape} and {b.shape}: their last axes hold the values to compare and "
            "must be equally long."
        )
    return a, b


def _centred_ranks(values: np.ndarray) -> np.ndarray:
    ranks = rankdata(values, axis=-1)  # average ranks; a NaN makes the whole row NaN
    return ranks - (values.shape[-1] + 1) / 2
