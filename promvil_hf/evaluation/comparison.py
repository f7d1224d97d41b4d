# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Two reports of the same questions, compared by a paired test over their rows. No torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from promvil_hf.evaluation.results import Report
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.metrics.intervals import PairedTest, paired_test


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

    def __str__(self) -> str:
        change = self.test.difference
        whole = (
            f"{self.after.title}: {self.row_metric} changed by {change.estimate:+.4f} "
            f"[{change.low:+.4f}, {change.high:+.4f}], p = {self.test.p_value:.4g} "
            f"({'exact' if self.test.exact else 'sampled'} paired permutation test, {self.test.rows:,} rows of "
            f"{self.test.clusters:,} images); {len(self.better):,} rows better, {len(self.worse):,} worse."
        )
        return "\n".join([whole, *(f"  level {level}: {_change(test)}" for level, test in self.levels.items())])


def compare(before: Report, after: Report, resampling: Resampling = Resampling()) -> Comparison:  # noqa: B008
    """A paired test over the rows of one benchmark, matched by id. Positive means that `after` is better."""
    if before.benchmark["content_hash"] != after.benchmark["content_hash"]:
        raise ValueError(
            f"The reports are of different questions: {before.title} with content hash "
            f"{before.benchmark['content_hash'][:12]} and {after.title} with {after.benchmark['content_hash'][:12]}. A "
            "paired test needs the same rows with the same truth."
        )
    differ = {
        name: (before.scores["settings"].get(name), after.scores["settings"].get(name))
        for name in before.scores["settings"]
        if name not in ("dialect", "frame") and before.scores["settings"][name] != after.scores["settings"].get(name)
    }
    if differ:
        told = ", ".join(f"{name} {was!r} and {now!r}" for name, (was, now) in differ.items())
        raise ValueError(f"The reports were scored by different rules ({told}): score both answers by the same ones.")
    first, second = ({row["id"]: row for row in report.rows} for report in (before, after))
    if first.keys() != second.keys():
        raise ValueError(f"The two reports of {after.title} hold other rows than their content hash says: one is damaged.")
    ids = [row_id for row_id in sorted(second) if None not in (first[row_id]["score"], second[row_id]["score"])]
    metric, of_row = _row_metric(after)
    was = np.array([of_row(first[row_id]["score"]) for row_id in ids], float)
    now = np.array([of_row(second[row_id]["score"]) for row_id in ids], float)
    images = np.array([second[row_id]["image"] for row_id in ids])
    level_of = [second[row_id]["level"] for row_id in ids]
    levels = sorted({level for level in level_of if level is not None})

    def tested(rows: np.ndarray | slice) -> PairedTest:
        return paired_test(
            now[rows], was[rows], clusters=images[rows].tolist(), confidence=resampling.confidence,
            resamples=resampling.resamples, method=resampling.method, seed=resampling.seed,
        )  # fmt: skip

    by_level = {level: tested(np.array([own == level for own in level_of])) for level in levels}
    gain = {
        row_id: (a - b, second[row_id]["score"] - first[row_id]["score"])
        for row_id, a, b in zip(ids, now.tolist(), was.tolist(), strict=True)
        if a != b
    }
    ordered = sorted(gain, key=lambda row_id: (tuple(-step for step in gain[row_id]), row_id))
    better = tuple(row_id for row_id in ordered if gain[row_id][0] > 0)
    worse = tuple(row_id for row_id in reversed(ordered) if gain[row_id][0] < 0)
    return Comparison(before, after, metric, tested(slice(None)), better, worse, by_level if len(levels) > 1 else {})


def _change(test: PairedTest) -> str:
    change = test.difference
    return (
        f"{change.estimate:+.4f} [{change.low:+.4f}, {change.high:+.4f}], p = {test.p_value:.4g} "
        f"({test.rows:,} rows, {test.changed_rows:,} changed)"
    )


def _row_metric(report: Report) -> tuple[str, Callable[[float], float]]:
    """Grounding rows hold an IoU and count as hits; POPE's F1 is no mean of rows, so its rows count as right or wrong."""
    if report.benchmark["kind"] == "grounding":
        threshold = report.scores["settings"]["iou_thresholds"][0]
        return report.scores["metric"], lambda score: float(score >= threshold)
    return "accuracy", float
