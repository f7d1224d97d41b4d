# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Two reports of the same questions, compared by a paired test over their rows. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from promvil_hf.evaluation.headlines import clusters_of, counted
from promvil_hf.evaluation.metric_words import in_words
from promvil_hf.evaluation.results import Report
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.metrics.intervals import PairedTest, paired_test
from promvil_hf.metrics.significance import holm


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed from `before` to `after`: the mean score of a row, tested in pairs, and for each level by itself where
    rows have several."""

    before: Report
    after: Report
    row_metric: str
    test: PairedTest  # of after - before
    better: tuple[str, ...]  # ids, the largest gain first
    worse: tuple[str, ...]
    levels: Mapping[int, PairedTest] = field(default_factory=dict)

    @property
    def corrected(self) -> dict[int, float]:
        """The p-value of each level, corrected by Holm for there being several."""
        return dict(zip(self.levels, holm([test.p_value for test in self.levels.values()]).tolist(), strict=True))

    def __str__(self) -> str:
        change, unit = self.test.difference, self.after.headline.unit
        rows = f"{self.test.rows:,} {'rows' if unit is None else f'{unit}s'} of {self.test.clusters:,} images"
        whole = (
            f"{self.after.title}: {in_words(self.row_metric)} changed by {change.estimate:+.4f} "
            f"[{change.low:+.4f}, {change.high:+.4f}], p = {self.test.p_value:.4g} "
            f"({'exact' if self.test.exact else 'sampled'} paired permutation test, {rows}); "
            f"{len(self.better):,} rows better, {len(self.worse):,} worse."
        )
        levels = (f"  level {level}: {_change(test, self.corrected[level])}" for level, test in self.levels.items())
        return "\n".join([whole, *levels])


def compare(before: Report, after: Report, resampling: Resampling = Resampling()) -> Comparison:  # noqa: B008
    """A paired test over the rows of one benchmark, matched by id. Positive means that `after` is better."""
    if before.benchmark["content_hash"] != after.benchmark["content_hash"]:
        raise ValueError(
            f"The reports are of different questions: {before.title} with content hash "
            f"{before.benchmark['content_hash'][:12]} and {after.title} with {after.benchmark['content_hash'][:12]}. A "
            "paired test needs the same rows with the same truth."
        )
    rules, others = before.scores["settings"], after.scores["settings"]
    differ = {
        name: (rules[name], others[name])
        for name in rules.keys() & others.keys() - {"dialect", "frame", "chance"}
        if rules[name] != others[name]
    }
    if before.scores["metric"] != after.scores["metric"]:
        differ["metric"] = (before.scores["metric"], after.scores["metric"])
    if differ:
        listed = ", ".join(f"{name} {was!r} and {now!r}" for name, (was, now) in sorted(differ.items()))
        raise ValueError(f"The reports were scored by different rules ({listed}): score both answers by the same ones.")
    first, second = ({row["id"]: row for row in report.rows} for report in (before, after))
    if first.keys() != second.keys():
        raise ValueError(f"The two reports of {after.title} hold other rows than their content hash says: one is damaged.")
    ids = [row_id for row_id in sorted(second) if None not in (first[row_id]["score"], second[row_id]["score"])]
    headline = after.headline
    of_row = headline.of_row
    whole = [counted(headline, [rows[row_id] for row_id in ids]) for rows in (first, second)]
    was, now = (np.array([of_row(rows[row_id]["score"]) for row_id in ids], float) for rows in (first, second))
    clusters = clusters_of([second[row_id] for row_id in ids])
    level_of = [second[row_id]["level"] for row_id in ids]
    levels = sorted({level for level in level_of if level is not None})

    def tested(now: np.ndarray, was: np.ndarray, clusters: np.ndarray) -> PairedTest:
        return paired_test(
            now, was, clusters=clusters.tolist(), confidence=resampling.confidence, resamples=resampling.resamples,
            method=resampling.method, seed=resampling.seed,
        )  # fmt: skip

    def of_level(level: int) -> PairedTest:
        at_level = np.array([name == level for name in level_of])
        return tested(now[at_level], was[at_level], clusters[at_level])

    by_level = {level: of_level(level) for level in levels}
    gain = {
        row_id: (a - b, second[row_id]["score"] - first[row_id]["score"])
        for row_id, a, b in zip(ids, now.tolist(), was.tolist(), strict=True)
        if a != b
    }
    ordered = sorted(gain, key=lambda row_id: (tuple(-step for step in gain[row_id]), row_id))
    better = tuple(row_id for row_id in ordered if gain[row_id][0] > 0)
    worse = tuple(row_id for row_id in reversed(ordered) if gain[row_id][0] < 0)
    test = tested(whole[1].values, whole[0].values, whole[1].clusters)
    return Comparison(before, after, headline.metric, test, better, worse, by_level if len(levels) > 1 else {})


def _change(test: PairedTest, corrected: float) -> str:
    change = test.difference
    return (
        f"{change.estimate:+.4f} [{change.low:+.4f}, {change.high:+.4f}], p = {test.p_value:.4g}, corrected {corrected:.4g} "
        f"({test.rows:,} rows, {test.changed_rows:,} changed)"
    )
