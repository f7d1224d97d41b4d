# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""P-values of many scores against shuffles, and their corrections for being many."""

from collections.abc import Sequence

import numpy as np


def p_values(observed: np.ndarray, null: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One-sided p-values of heads (heads,) against shuffles (shuffles, heads): of each head alone, and of the family.

    The observed row counts as one more shuffle everywhere, as it would if nothing were to be found: so no p-value is 0,
    and the family's error is exact. A head that no shuffle moves has p = 1. A head without a score, in the
    observation or in a shuffle, has NaN.
    """
    rows = np.concatenate([observed[None], null])
    known = np.isfinite(rows).all(0)
    safe = np.where(known, rows, 0.0)
    spread = safe.std(0)
    moving = known & (spread > 1e-12)
    units = np.divide(safe - safe.mean(0), spread, out=np.full(rows.shape, -np.inf), where=moving)
    most = units.max(1)
    slack = 1e-9
    still = np.where(known, 1.0, np.nan)
    alone = np.where(moving, (units >= units[0] - slack).mean(0), still)
    family = np.where(moving, (most[:, None] >= units[0] - slack).mean(0), still)
    return alone, family


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """q-values: the false discovery rate at which each of these p-values would just be let through. A NaN is no test.

    NaN where a p-value is NaN; the others are corrected for being as many as they are.
    """
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]  # NaNs are sorted to the end
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    q = np.full(len(p), np.nan)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q


def holm(p: Sequence[float]) -> np.ndarray:
    """P-values corrected for being several: the chance of one false finding among all of them stays below the level.

    NaN where a p-value is NaN; the others are corrected for being as many as they are.

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, float)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]  # NaNs are sorted to the end
    corrected = np.full(len(p), np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return corrected
