# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The one number of a benchmark that is quoted first, and how it is made of rows: reports and comparisons share this."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from promvil_hf.metrics.units import linked, unit_scores


PARTS = ("all", "present")


@dataclass(frozen=True, slots=True)
class Headline:
    """`hit`: a row is right if it scores at least this; None: its own score counts. `unit`: rows count together under this
    name of `BenchmarkRow.units`. `part` "present": only rows whose thing is in the image. `metric` names the score of what is
    counted, rows or units.
    """

    metric: str
    hit: float | None = None
    unit: str | None = None
    part: str = PARTS[0]

    @property
    def row_metric(self) -> str:
        """The name of a single row's score."""
        return self.metric if self.unit is None else "accuracy"

    def of_row(self, score: float) -> float:
        return score if self.hit is None else float(score >= self.hit)


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """What a headline counts: rows, or units. `clusters` says which belong together: they are resampled together."""

    ids: tuple[str, ...]
    values: np.ndarray
    clusters: np.ndarray


UNITS = {"naturalbench": "group", "mmvp": "pair", "hallusionbench": "question"}  # of the sets that count so
ONLY_PRESENT = ("finecops",)  # its negatives are reported beside it


def counted(headline: Headline, rows: Sequence[Mapping[str, Any]]) -> Counted:
    """From the rows of a report. Rows without a score (GQA's that are not balanced) are left out."""
    rows = [
        row for row in rows if row["score"] is not None and not (headline.part == "present" and row.get("absent", False))
    ]
    scores = np.array([headline.of_row(row["score"]) for row in rows], float)
    ids, clusters = [row["id"] for row in rows], clusters_of(rows)
    if headline.unit is None:
        return Counted(tuple(ids), scores, clusters)
    units = [row.get("units", {}).get(headline.unit) for row in rows]
    names, values = unit_scores(scores, units)
    cluster_of = {unit: cluster for unit, cluster in zip(units, clusters.tolist(), strict=True) if unit is not None}
    return Counted(tuple(map(str, names)), values, np.array([cluster_of[name] for name in names], int))


def clusters_of(rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Which rows are resampled together, because they share an image or a unit, (rows,). A row without an image shares none."""
    names = sorted({name for row in rows for name in row.get("units", {})})
    return linked([row["image"] or None for row in rows], *([row.get("units", {}).get(name) for row in rows] for name in names))
