# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a benchmark's questions give away without the picture: the share of the accuracy that stays, and what guessing gives."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from scipy.special import bdtr  # scipy.stats would take more than a second to load

from promvil_hf.metrics.intervals import Interval, bootstrap_interval


def blind_share(
    seen: Sequence[float],
    blind: Sequence[float],
    *,
    clusters: Sequence[Hashable] | None = None,
    interval: Callable[..., Interval] = bootstrap_interval,
) -> Interval:
    """Accuracy without the picture over accuracy with it, both over the same rows; intervals come from resampling images.

    It can exceed 1, where the picture does harm. Where nothing is right with the picture it is NaN, and the note says so.

    >>> round(blind_share([1, 1, 1, 0], [1, 0, 1, 0]).estimate, 3)
    0.667
    """
    seen, blind = np.asarray(seen, float), np.asarray(blind, float)
    if seen.shape != blind.shape or seen.ndim != 1:
        raise ValueError(
            f"You passed scores of shapes {seen.shape} and {blind.shape}: pass one score per row with the picture and one "
            "without it, for the same rows in the same order."
        )
    return interval(np.stack([blind, seen], 1), clusters=clusters, statistic=_share)


def guessing_interval(chances: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Where the accuracy of one who guesses lies: the middle `confidence` of its distribution, exactly.

    `chances` are the chances of each row, such as 1/4 for four choices. Both ends are values that an accuracy can take.

    >>> guessing_interval([0.5] * 20)
    (0.3, 0.7)
    """
    if not len(chances) or not all(0 <= chance <= 1 for chance in chances):
        raise ValueError("You passed no chances, or one that is none: pass a number from 0 to 1 for each row.")
    sums = np.ones(1)  # of how many rows are right
    for chance, count in Counter(chances).items():
        sums = np.convolve(sums, np.diff(bdtr(np.arange(count + 1.0), count, chance), prepend=0))
    below = sums.cumsum()
    tail = (1 - confidence) / 2
    low, high = np.searchsorted(below, [tail - 1e-12, 1 - tail - 1e-12])
    return float(low / len(chances)), float(min(high, len(chances)) / len(chances))


def _share(totals: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(totals[..., 1] > 0, totals[..., 0] / totals[..., 1], np.nan)
