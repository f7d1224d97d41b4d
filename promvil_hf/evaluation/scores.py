# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Scores: the number of a task together with what makes it comparable, over `promvil_hf.metrics`.

`box_scores` and `text_scores` make them. A `Scores` carries the score of every row as well, because intervals, best and worst
cases and paired tests all start from those. Nothing here reads files or loads torch.
"""

import dataclasses
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from promvil_hf.metrics.intervals import Interval, bootstrap_interval
from promvil_hf.metrics.size_strata import is_ordered, ordered


Table = dict[str, dict[str, Any]]  # label -> column -> number
TABLE_RESAMPLES = 1_999  # for the lines of a table, at most: they are many, and the headline is the one that is quoted
_NUMBER = re.compile(r"\d+(?=$|[-–+])")  # that a label begins with


@dataclass(frozen=True, slots=True)
class Scores:
    """`value` is what `metric` names; `numbers` stand beside it, `settings` say how they were made.

    `rows` are counted with those that have no answer: they score 0. `row_scores` has one number per row.
    """

    metric: str
    value: float
    interval: Interval
    rows: int
    numbers: dict[str, float | int | None]
    settings: dict[str, Any]
    tables: dict[str, Table]
    problems: dict[str, int]
    row_scores: np.ndarray
    notes: tuple[str, ...] = ()
    row_notes: dict[int, str] = field(default_factory=dict)  # what was wrong with the answer of a row

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without the rows."""
        return {
            "metric": self.metric,
            "value": self.value,
            "interval": dataclasses.asdict(self.interval),
            "rows": self.rows,
            **self.numbers,
            "settings": self.settings,
            "tables": self.tables,
            "problems": self.problems,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made: whole images (or what `clusters` names) are drawn."""

    confidence: float = 0.95
    resamples: int = 9_999
    method: str = "bca"
    seed: int = 0

    def interval(self, columns, clusters=None, statistic: Callable | None = None) -> Interval:
        extra = {} if statistic is None else {"statistic": statistic}
        return bootstrap_interval(
            columns, clusters=clusters, confidence=self.confidence, resamples=self.resamples, method=self.method,
            seed=self.seed, **extra,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Grouping:
    """What each row belongs to: its image, which is the unit of resampling, and its line in the tables. None: nothing."""

    images: Sequence[Hashable] | None = None
    groups: Sequence[Hashable] | None = None  # the benchmark's own division
    levels: Sequence[Hashable] | None = None  # of phrases
    strata: Mapping[str, Sequence[Hashable | None]] = field(default_factory=dict)  # further divisions; None: in no part
    resampling: Resampling = Resampling()

    def interval(self, columns) -> Interval:
        return self.resampling.interval(columns, self.images)

    def labels(self) -> dict[str, Sequence[Hashable]]:
        """Table title -> labels, of the divisions that have more than one part."""
        groups = self.groups if self.groups is not None and len(set(self.groups)) > 1 else None
        strata = {title: of for title, of in self.strata.items() if len(set(of) - {None}) > 1}
        return {title: of for title, of in (("level", self.levels), ("group", groups)) if of is not None} | strata

    def table(
        self, labels: Sequence[Hashable | None], row_scores: np.ndarray, columns: Callable[[np.ndarray], dict] | None = None
    ) -> Table:
        """One line a label: its mean with interval, then what `columns` gives for its rows. Levels stand in order."""
        places: dict[Hashable, list[int]] = {}
        for place, label in enumerate(labels):
            if label is not None:
                places.setdefault(label, []).append(place)
        names = in_order(list(places))
        few = dataclasses.replace(self.resampling, resamples=min(self.resampling.resamples, TABLE_RESAMPLES))
        table = {}
        for name in names:
            part = places[name]
            images = None if self.images is None else [self.images[place] for place in part]
            spread = few.interval(row_scores[part], images)
            found = {"accuracy": spread.estimate, "low": spread.low, "high": spread.high, "rows": len(part)}
            table[str(name)] = found | (columns(np.array(part)) if columns is not None else {})
        return table


def in_order(labels: Sequence[Hashable]) -> list[Hashable]:
    """The labels of a table: numbers, ranges ("2-3", "7+") and sizes from small to large, others as they came."""
    first = [_NUMBER.match(str(name)) for name in labels]
    if all(first):
        numbers = (int(found[0]) for found in first)
        return [name for _, name in sorted(zip(numbers, labels, strict=True), key=lambda pair: pair[0])]
    return ordered(labels) if is_ordered(labels) else list(labels)
