# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Visual Reliance Score: how much of the accuracy is lost when the boxes of the key expressions are masked.

    score = (A_original - A_masked) / A_original

The relative drop alone proves little, since masking anything hurts. So beside it always stand the absolute drop,
the same score under controls (random boxes of the same size, the whole image, no image at all), the difference to
each control, and intervals over images. Rows are paired: the same questions in the same order, scored by the data
set's own accuracy (0 or 1, or VQAv2's soft one). Where the score is undefined it is NaN with the reason.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from promvil_hf.metrics.intervals import Interval, bootstrap_interval


@dataclass(frozen=True, slots=True)
class Drop:
    """What one perturbation costs."""

    accuracy: float
    relative: Interval
    absolute: Interval


@dataclass(frozen=True, slots=True)
class RelianceScore:
    """`score` is `masked.relative.estimate`; `beyond` is the score minus the same score under each control."""

    score: float
    absolute_drop: float
    original_accuracy: float
    masked: Drop
    controls: dict[str, Drop]
    beyond: dict[str, Interval]
    rows: int
    reason: str = ""  # why the score is NaN


def visual_reliance(
    original: Sequence[float],
    masked: Sequence[float],
    controls: Mapping[str, Sequence[float]] | None = None,
    *,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    resamples: int = 9_999,
    method: str = "bca",
    seed: int = 0,
) -> RelianceScore:
    """Per-row accuracies before and after masking, and under each control: {"random boxes": …, "whole image": …}.

    `clusters` names the image of each row, so that intervals come from resampling images.
    """
    columns = {"original": original, "masked": masked, **(controls or {})}
    if len(columns) < 2 + len(controls or {}):
        raise ValueError("You named a control 'original' or 'masked': give controls names of their own.")
    scores = {name: np.asarray(values, dtype=float) for name, values in columns.items()}
    rows = len(scores["original"])
    for name, values in scores.items():
        if values.shape != (rows,):
            raise ValueError(
                f"You passed {rows} original scores and {name} scores of shape {values.shape}: reliance is paired, "
                "pass one score per row, for the same rows in the same order."
            )
        if not np.isfinite(values).all() or (values < 0).any() or (values > 1).any():
            row = int(np.flatnonzero(~((values >= 0) & (values <= 1)))[0])
            raise ValueError(f"The {name} score of row {row} is {values[row]}: accuracies lie between 0 and 1.")
    stacked = np.stack(list(scores.values()), 1)

    def interval(statistic, *names) -> Interval:
        places = [list(scores).index(name) for name in names]
        return bootstrap_interval(
            np.concatenate([stacked[:, places], np.ones((rows, 1))], 1), clusters=clusters, statistic=statistic,
            confidence=confidence, resamples=resamples, method=method, seed=seed,
        )  # fmt: skip

    drops = {
        name: Drop(
            accuracy=float(values.mean()) if rows else math.nan,
            relative=interval(_relative, "original", name),
            absolute=interval(_absolute, "original", name),
        )
        for name, values in scores.items()
        if name != "original"
    }
    hit = drops.pop("masked")
    return RelianceScore(
        score=hit.relative.estimate,
        absolute_drop=hit.absolute.estimate,
        original_accuracy=float(scores["original"].mean()) if rows else math.nan,
        masked=hit,
        controls=drops,
        beyond={name: interval(_beyond, "original", "masked", name) for name in drops},
        rows=rows,
        reason="no rows" if not rows else "" if scores["original"].any() else "nothing right on the original images",
    )


def reliance_table(
    original: Sequence[float],
    masked: Sequence[float],
    labels: Sequence[Hashable],
    controls: Mapping[str, Sequence[float]] | None = None,
    *,
    clusters: Sequence[Hashable] | None = None,
    **options,
) -> dict[Hashable, RelianceScore]:
    """A score per label (data set, question type, size of the masked area …), in the order of first appearance."""
    if len(labels) != len(original):
        raise ValueError(f"You passed {len(original)} rows and {len(labels)} labels: pass one label for each row.")
    groups: dict[Hashable, list[int]] = {}
    for row, label in enumerate(labels):
        groups.setdefault(label, []).append(row)

    def part(values, rows):
        return [values[row] for row in rows]

    return {
        label: visual_reliance(
            part(original, rows), part(masked, rows), {name: part(v, rows) for name, v in (controls or {}).items()},
            clusters=None if clusters is None else part(clusters, rows), **options,
        )
        for label, rows in groups.items()
    }  # fmt: skip


def average_reliance(scores: Sequence[float]) -> float:
    """A model's score over several benchmarks, each weighing the same, as FiVL prints it. NaN if one of them is."""
    return math.fsum(scores) / len(scores) if scores else math.nan


def _relative(totals: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(totals[..., 0] > 0, (totals[..., 0] - totals[..., 1]) / totals[..., 0], np.nan)


def _absolute(totals: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return (totals[..., 0] - totals[..., 1]) / totals[..., -1]


def _beyond(totals: np.ndarray) -> np.ndarray:
    """Relative drop by the masked region minus that by the control: the original accuracy they share stands below."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(totals[..., 0] > 0, (totals[..., 2] - totals[..., 1]) / totals[..., 0], np.nan)
