# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Intervals of shares where the bootstrap fails: few images, or few of them with anything right or anything wrong.

The bootstrap draws from what was seen. Where 0 of 20 answers are right it draws zeros only, and its interval of width 0
claims that no later answer can be right. Wilson's score interval solves for the true shares that make the observed one
likely, so it has a width at 0 and at 1. Rows of one image are no independent draws, so it is given the effective number of
rows instead of their number: as many independent rows as would vary like these images do, lowered by Student's t because
that variation is itself estimated from few images (Korn and Graubard, Survey Methodology 24, 1998). Where the images
do not vary at all, nothing shows how much the rows of one image depend on each other: each image then counts as one row.

`python -m benchmarks.interval_coverage` simulates how often these intervals hold the truth.
"""

import numpy as np
from scipy.special import ndtri, stdtrit


ENOUGH_IMAGES = 20  # for the bootstrap; fewer do not show how images vary
ENOUGH_OF_EACH = 10  # images with something right, and images with something wrong


def is_share(columns: np.ndarray) -> bool:
    """Whether (rows, 2) columns are parts of wholes, none of them negative and no part larger than its whole."""
    return columns.shape[1] == 2 and bool(((columns[:, 0] >= 0) & (columns[:, 0] <= columns[:, 1])).all())


def few_of_a_kind(sums: np.ndarray) -> bool:
    """Whether too few clusters have something right, or something wrong, for the bootstrap. `sums` are part and whole."""
    part, whole = sums.T
    return len(sums) < ENOUGH_IMAGES or min((part > 0).sum(), (part < whole).sum()) < ENOUGH_OF_EACH


def few_changes(change: np.ndarray) -> bool:
    """Whether too few clusters changed otherwise than most did for the bootstrap. `change` is the mean of each cluster."""
    return len(change) < ENOUGH_IMAGES or len(change) - np.unique(change, return_counts=True)[1].max() < ENOUGH_OF_EACH


def effective_rows(sums: np.ndarray, confidence: float = 0.95, *, binary: bool = True) -> float:
    """How many independent rows vary as much as these clusters do. `binary`: each row is right or wrong as a whole."""
    part, whole = sums.T
    share, clusters, rows = part.sum() / whole.sum(), int(np.count_nonzero(whole)), whole.sum()
    residuals = (part - share * whole) / rows
    variance = clusters / max(clusters - 1, 1) * (residuals**2).sum()
    if clusters < 2 or not variance > 1e-15 * share:
        return float(clusters)
    tail = (1 - confidence) / 2
    strict = (stdtrit(max(rows - 1, clusters - 1), tail) / stdtrit(clusters - 1, tail)) ** 2
    found = share * (1 - share) / variance * strict
    return float(min(found, rows) if binary else found)


def wilson(share: float, rows: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share among this many independent rows.

    >>> [round(bound, 3) for bound in wilson(0.0, 20)]
    [0.0, 0.161]
    """
    z2 = float(ndtri((1 + confidence) / 2)) ** 2
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    reach = np.sqrt(z2 * (share * (1 - share) / rows + z2 / (4 * rows**2))) / (1 + z2 / rows)
    return min(max(float(middle - reach), 0.0), share), max(min(float(middle + reach), 1.0), share)


def share_interval(sums: np.ndarray, confidence: float = 0.95, *, binary: bool = True) -> tuple[float, float]:
    """Wilson's interval of a share over clusters, (clusters, 2) sums of parts and wholes."""
    return wilson(float(sums[:, 0].sum() / sums[:, 1].sum()), effective_rows(sums, confidence, binary=binary), confidence)


def change_interval(gain: np.ndarray, loss: np.ndarray, confidence: float = 0.95, *, binary: bool = True) -> tuple[float, float]:
    """The interval of a mean change between -1 and 1, from the shares gained and lost: (clusters, 2) sums of each.

    Newcombe's method (Statistics in Medicine 17, 1998): the distances of both shares to their own bounds, squared and
    added, with their correlation where it is negative, as it is when a row can gain or lose. A positive one, from few images
    with both, would make the interval narrow for a poor reason.
    """
    (won, won_low, won_high), (lost, lost_low, lost_high) = (
        (sums[:, 0].sum() / sums[:, 1].sum(), *share_interval(sums, confidence, binary=binary)) for sums in (gain, loss)
    )
    a, b = gain[:, 0] - won * gain[:, 1], loss[:, 0] - lost * loss[:, 1]
    spread = np.sqrt((a**2).sum() * (b**2).sum())
    together = min(float((a * b).sum() / spread), 0.0) if spread > 0 else 0.0

    def reach(one: float, other: float) -> float:
        return float(np.sqrt(max(one**2 + other**2 - 2 * together * one * other, 0.0)))

    change = float(won - lost)
    low = change - reach(won - won_low, lost_high - lost)
    high = change + reach(won_high - won, lost - lost_low)
    return max(low, -1.0), min(high, 1.0)
