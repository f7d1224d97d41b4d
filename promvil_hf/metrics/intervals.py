# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Intervals and a paired test that know that rows of one image belong together.

Intervals come from the bootstrap, and from `share_intervals` where it fails: few images, or few with anything right.

Every score here is a function of column sums over rows (hits and rows; true and false positives; correct before and
after masking). So an image enters only by its own sums, and a resample is a vector of how often each image was
drawn. Images with the same sums are interchangeable: one multinomial draw over the few distinct kinds replaces one
draw per image, with exactly the same distribution. Where kinds are many (real-valued scores), images are drawn one
by one.
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from promvil_hf.metrics.share_intervals import change_interval, few_changes, few_of_a_kind, is_share, share_interval


METHODS = ("bca", "percentile")  # asked for; an interval of a share may say "wilson" instead
ONE_CLUSTER = "one cluster only: nothing to resample"
_BLOCK = 1_000_000  # numbers drawn at a time: bounds memory, not results


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval. `note` says what a reader must know, or why the bounds are NaN. `method` is what made
    the bounds: the bootstrap that was asked for, or "wilson", without resamples.
    """

    estimate: float
    low: float
    high: float
    confidence: float
    method: str
    rows: int
    clusters: int
    resamples: int
    seed: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Mean of `a - b` over the same rows, its interval, and the two-sided p-value of "which is which does not
    matter". Where a score is NaN or infinite, the p-value is NaN and the interval's note says so.
    """

    difference: Interval
    p_value: float
    exact: bool  # every assignment was tried, not a sample of them
    rows: int
    clusters: int
    changed_rows: int


def ratio(totals: np.ndarray) -> np.ndarray:
    """The first column sum over the second: the mean of a score whose second column is all ones."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return totals[..., 0] / totals[..., 1]


def cluster_sums(columns: np.ndarray, clusters: Sequence[Hashable] | None) -> np.ndarray:
    """(rows, k) columns -> (clusters, k) sums, one row for each image. None: each row is its own cluster."""
    columns = np.asarray(columns, dtype=float)
    if clusters is None:
        return columns
    if len(clusters) != len(columns):
        raise ValueError(f"You passed {len(columns)} rows and {len(clusters)} cluster ids: pass one id for each row.")
    if not len(columns):
        return columns
    if isinstance(clusters, np.ndarray):
        index = np.unique(clusters, return_inverse=True)[1]
    else:
        names = {name: k for k, name in enumerate(dict.fromkeys(clusters))}
        index = np.array([names[name] for name in clusters])
    return np.stack([np.bincount(index, column) for column in columns.T], 1)


def resample(sums: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """(resamples, k) column sums of as many clusters drawn with replacement."""
    rng = np.random.default_rng(seed)
    clusters = len(sums)
    kinds, counts = _kinds(sums)
    if 8 * len(kinds) <= clusters:
        drawn = [
            rng.multinomial(clusters, counts / clusters, size=block) @ kinds
            for block in _blocks(resamples, len(kinds))
        ]
    else:
        ordered = np.ascontiguousarray(np.repeat(kinds, counts, axis=0).T)  # so that the order of rows cannot matter
        drawn = []
        for block in _blocks(resamples, clusters):
            places = rng.integers(clusters, size=(block, clusters))
            drawn.append(np.stack([column.take(places).sum(1) for column in ordered], 1))
    return np.concatenate(drawn)


def bootstrap_interval(
    columns: np.ndarray,
    *,
    clusters: Sequence[Hashable] | None = None,
    statistic: Callable[[np.ndarray], np.ndarray] = ratio,
    confidence: float = 0.95,
    resamples: int = 9_999,
    method: str = "bca",
    seed: int = 0,
) -> Interval:
    """Interval of `statistic(column sums)`; clusters (images) are drawn with replacement, whole.

    `columns` is (rows, k), or (rows,) for the mean of one score. `statistic` maps (…, k) sums to (…) values. The
    default method is the bias-corrected and accelerated bootstrap, which keeps its coverage near 0 and 1, where
    accuracies live and percentile intervals are too short; the acceleration is the jackknife's, over clusters.

    A share (parts of wholes, such as right answers of all) over fewer than 20 clusters, or with fewer than 10 clusters
    that have something right or something wrong, gets Wilson's interval on the effective number of rows instead:
    see `share_intervals`. Any other statistic that is the same in every resample has a width of 0, and a note.
    """
    if method not in METHODS:
        raise ValueError(f"You passed method={method!r}: it is one of {', '.join(METHODS)}.")
    if not 0 < confidence < 1 or resamples < 1:
        raise ValueError(
            f"You passed confidence={confidence}, resamples={resamples}: confidence lies between 0 and 1, and at "
            "least one resample is drawn."
        )
    columns = np.asarray(columns, dtype=float)
    if columns.ndim == 1:
        columns = np.stack([columns, np.ones(len(columns))], 1)
    sums = cluster_sums(columns, clusters)
    estimate = float(statistic(sums.sum(0))) if len(sums) else math.nan
    made = {
        "estimate": estimate, "confidence": confidence, "method": method, "rows": len(columns), "clusters": len(sums),
        "resamples": resamples, "seed": seed,
    }  # fmt: skip
    if not len(sums):
        return Interval(low=math.nan, high=math.nan, note="no rows", **made)
    broken = int((~np.isfinite(columns)).any(1).sum())
    if broken:
        note = f"{broken} of {len(columns)} rows are NaN or infinite"
        return Interval(low=math.nan, high=math.nan, note=note, **made | {"estimate": math.nan})
    if not math.isfinite(estimate):
        return Interval(low=math.nan, high=math.nan, note="the estimate itself is undefined", **made)
    if len(sums) == 1:
        return Interval(low=math.nan, high=math.nan, note=ONE_CLUSTER, **made)
    of_share = statistic is ratio and is_share(columns)
    if of_share and few_of_a_kind(sums):
        return _by_wilson(columns, sums, made)
    values = statistic(resample(sums, resamples, seed))
    defined = values[np.isfinite(values)]
    notes = []
    if len(defined) < len(values):
        notes.append(f"{len(values) - len(defined)} of {len(values)} resamples left out: undefined there")
    if not len(defined):
        return Interval(low=math.nan, high=math.nan, note=notes[0], **made)
    if np.ptp(defined) == 0 and of_share:
        return _by_wilson(columns, sums, made)
    if np.ptp(defined) == 0:
        notes.append("no variation between clusters: an interval of width 0 is no proof of certainty")
        return Interval(low=float(defined[0]), high=float(defined[0]), note="; ".join(notes), **made)
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    if method == "bca":
        tails = _bca_tails(tails, defined, estimate, sums, statistic)
    low, high = np.quantile(defined, tails)
    return Interval(low=float(low), high=float(high), note="; ".join(notes), **made)


def paired_test(
    a: np.ndarray,
    b: np.ndarray,
    *,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    resamples: int = 9_999,
    method: str = "bca",
    seed: int = 0,
) -> PairedTest:
    """Did `a` score better than `b` on the same rows? Swaps the two systems image by image, at random or in every way.

    The p-value is two-sided. With up to `resamples` possible assignments all of them are tried; else it is
    (1 + extreme) / (1 + resamples), which is never 0.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(
            f"You passed scores of shapes {a.shape} and {b.shape}: a paired test needs one score per row of each "
            "system, for the same rows in the same order."
        )
    with np.errstate(invalid="ignore"):  # infinite less infinite is NaN, which the interval shows
        change = a - b
    interval = bootstrap_interval(
        change, clusters=clusters, confidence=confidence, resamples=resamples, method=method, seed=seed
    )
    sums = cluster_sums(change[:, None], clusters)[:, 0]
    rows = np.ones(len(change))
    gain, loss = (cluster_sums(np.stack([part, rows], 1), clusters) for part in (np.maximum(change, 0), np.maximum(-change, 0)))
    if len(sums) > 1 and _are_shares(a) and _are_shares(b) and few_changes(sums / gain[:, 1]):
        low, high = change_interval(gain, loss, confidence, binary=_whole(np.stack([np.abs(change), rows], 1)))
        interval = replace(interval, low=low, high=high, method="wilson", resamples=0, note="")
    moved = np.abs(sums[sums != 0])
    seen = abs(sums.sum())
    slack = 1e-12 * max(1.0, moved.sum())  # sums of the same numbers in another order are still the same
    exact = 2 ** min(len(moved), 63) <= resamples
    if not len(change) or not np.isfinite(change).all():
        p_value = math.nan  # the interval's note says why
    elif exact:
        signs = 1 - 2 * (np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved)) & 1)
        p_value = float(np.mean(np.abs(signs @ moved) >= seen - slack))
    else:
        rng = np.random.default_rng(seed)
        kinds, counts = _kinds(moved[:, None])
        extreme = 0
        for block in _blocks(resamples, len(kinds)):
            swapped = rng.binomial(counts, 0.5, size=(block, len(kinds)))
            extreme += int(np.sum(np.abs((counts - 2 * swapped) @ kinds[:, 0]) >= seen - slack))
        p_value = (1 + extreme) / (1 + resamples)
    return PairedTest(interval, p_value, exact, len(change), len(sums), int(np.count_nonzero(change)))


def _by_wilson(columns: np.ndarray, sums: np.ndarray, made: Mapping[str, Any]) -> Interval:
    low, high = share_interval(sums, made["confidence"], binary=_whole(columns))
    return Interval(low=low, high=high, **{**made, "method": "wilson", "resamples": 0})


def _whole(columns: np.ndarray) -> bool:
    """Whether each row counts as a whole or not at all."""
    return bool(((columns[:, 0] == 0) | (columns[:, 0] == columns[:, 1])).all())


def _are_shares(scores: np.ndarray) -> bool:
    return bool(((scores >= 0) & (scores <= 1)).all())


def _kinds(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows and how often each occurs."""
    if not len(sums):
        return sums, np.empty(0, np.int64)
    order = np.lexsort(sums.T)
    ordered = sums[order]
    begin = np.flatnonzero(np.r_[True, (ordered[1:] != ordered[:-1]).any(1)])
    return ordered[begin], np.diff(begin, append=len(ordered))


def _blocks(resamples: int, width: int) -> list[int]:
    size = max(1, _BLOCK // max(width, 1))
    return [min(size, resamples - start) for start in range(0, resamples, size)]


def _bca_tails(tails, values, estimate, sums, statistic) -> np.ndarray:
    """The percentiles to read off instead of `tails`: corrected for bias and for skewness (Efron 1987)."""
    below = (np.mean(values < estimate) + np.mean(values <= estimate)) / 2  # ties are split, as accuracies have many
    share = np.clip(below, 0.5 / len(values), 1 - 0.5 / len(values))
    kinds, counts = _kinds(sums)
    left_out = statistic(sums.sum(0) - kinds)
    known = np.isfinite(left_out)
    left_out, counts = left_out[known], counts[known]
    if not counts.sum():
        return tails
    pull = np.average(left_out, weights=counts) - left_out
    spread = (counts * pull**2).sum()
    acceleration = (counts * pull**3).sum() / (6 * spread**1.5) if spread > 0 else 0.0
    bias = ndtri(share)
    shifted = bias + ndtri(tails)
    return ndtr(bias + shifted / (1 - acceleration * shifted))
