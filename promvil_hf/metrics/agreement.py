# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Cohen's kappa of two judges who say yes or no, with its interval."""

from collections.abc import Hashable, Sequence

import numpy as np

from promvil_hf.metrics.intervals import Interval, bootstrap_interval


def kappa(first: Sequence[bool], second: Sequence[bool], clusters: Sequence[Hashable] | None = None, seed: int = 0) -> Interval:
    """0 is chance, 1 is always the same; NaN where both say always the same one thing."""
    a, b = np.asarray(first, float), np.asarray(second, float)
    return bootstrap_interval(np.stack([a == b, a, b, np.ones(len(a))], 1), clusters=clusters, statistic=_kappa, seed=seed)


def _kappa(sums: np.ndarray) -> np.ndarray:
    same, a, b = (sums[..., k] / sums[..., 3] for k in range(3))
    expected = a * b + (1 - a) * (1 - b)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(expected < 1, (same - expected) / (1 - expected), np.nan)
