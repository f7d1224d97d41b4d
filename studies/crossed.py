# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Intervals of numbers that would differ with other scenes and with other trainings.

Every seed is measured on the same scenes, so scenes and seeds are crossed. The variance is taken from leaving out each seed in
turn, plus leaving out each scene in turn, less what both have counted (leaving out each scene of each seed). It works for
sums over sums, too. The degrees of freedom are those of the seeds wherever seeds matter, so five seeds give an honest,
wide interval where trainings disagree.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from promvil_hf.metrics.intervals import cluster_sums


Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Crossed:
    """An estimate, its standard error and the degrees of freedom that go with it. NaN where it is not defined."""

    estimate: float
    error: float
    freedom: float

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        reach = float(stdtrit(self.freedom, (1 + confidence) / 2)) * self.error
        return self.estimate - reach, self.estimate + reach

    def p_value(self) -> float:
        """Two-sided, against 0."""
        if self.error == 0:
            return float(self.estimate == 0)
        return float(2 * stdtr(self.freedom, -abs(self.estimate) / self.error))

    def within(self, margin: float) -> bool:
        """Whether two one-sided tests at 5 % show that the true value lies between -margin and margin."""
        low, high = self.interval(0.90)
        return -margin < low and high < margin


def crossed(columns: np.ndarray, seeds: Sequence[Hashable], scenes: Sequence[Hashable], statistic: Statistic) -> Crossed:
    """Rows of (n, k) columns whose sums the statistic takes; each row has a seed and a scene. Two or more of both."""
    columns = np.asarray(columns, dtype=float)
    if len(set(seeds)) < 2 or len(set(scenes)) < 2:
        raise ValueError(
            f"You passed {len(set(seeds))} seeds and {len(set(scenes))} scenes: an interval over both needs two of each."
        )
    whole = columns.sum(0)
    by_seed, of_seeds = _left_out(whole, columns, seeds, statistic)
    by_scene, of_scenes = _left_out(whole, columns, scenes, statistic)
    both, _ = _left_out(whole, columns, list(zip(seeds, scenes, strict=True)), statistic)
    variance = max(by_seed + by_scene - both, by_seed, by_scene)
    parts = by_seed**2 / of_seeds + by_scene**2 / of_scenes
    freedom = (by_seed + by_scene) ** 2 / parts if parts else float(of_seeds)
    return Crossed(float(statistic(whole)), math.sqrt(variance), max(freedom, 1.0))


def _left_out(whole, columns, clusters, statistic) -> tuple[float, int]:
    """The jackknife's variance over these clusters, and its degrees of freedom."""
    values = statistic(whole - cluster_sums(columns, clusters))
    count = len(values)
    return float((count - 1) / count * np.sum((values - values.mean()) ** 2)), count - 1
