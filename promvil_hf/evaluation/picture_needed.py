# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Was the picture needed? Answers with the picture and answers without it, to the same questions. No torch.

    report of the answers with the picture + reports of blind answers  --picture_needed-->  PictureNeeded

It holds the share of the accuracy that stays blind, and the rows that no blind run answers right. A blind run that chose
these rows has 0 on them by construction. So each blind run is also scored on the rows that the *other* blind runs leave,
beside what guessing gives there.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.metric_words import in_words
from promvil_hf.evaluation.report_files import plain
from promvil_hf.evaluation.results import Report
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.files import write_json
from promvil_hf.metrics.blind import blind_share, guessing_interval
from promvil_hf.metrics.intervals import Interval


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A blind run on the rows that no other blind run answers right. `guess_low` and `guess_high` bound the accuracy of one
    who guesses there, independently of the others; None where guessing has no chance that is known."""

    rows: int
    accuracy: Interval
    guess_low: float | None
    guess_high: float | None

    @property
    def beyond_guessing(self) -> bool | None:
        """Whether it is right more often than independent guessing explains."""
        return None if self.guess_high is None else self.accuracy.estimate > self.guess_high + 1e-9


@dataclass(frozen=True, slots=True)
class BlindRun:
    """One run without the picture: its accuracy on all rows, the share of the seen accuracy that it reaches."""

    name: str
    accuracy: Interval
    share: Interval
    held_out: HeldOut | None  # None where there is no other blind run
    faults: Mapping[str, Mapping] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PictureNeeded:
    """`chance` is the mean accuracy of guessing, None where it is not known for every row. `needed` are the ids of the rows
    that no blind run answers right, `left_by_guessing` is how many such rows there would be if every run only guessed.
    """

    rows: int
    images: int
    chance: float | None
    seen: Interval
    runs: tuple[BlindRun, ...]
    answered_blind: Interval  # the share of rows that at least one blind run answers right
    left_by_guessing: float | None
    seen_on_needed: Interval | None  # None where no row is left
    needed: tuple[str, ...]
    needed_answers: Mapping[str, int] = field(default_factory=dict)  # right ones on the needed rows, where they are a few words
    title: str = ""
    content_hash: str = ""
    row_metric: str = "accuracy"

    def save(self, path: str | os.PathLike) -> Path:
        return write_json(path, {"format": 1, "kind": "picture needed", **plain(asdict(self))})


def picture_needed(
    benchmark: Benchmark,
    seen: Report,
    blind: Mapping[str, Report],
    resampling: Resampling = Resampling(),  # noqa: B008
) -> PictureNeeded:
    """`blind` are the reports of the runs without the picture, by name. All are of the same rows, scored by the same rules.

    A row counts as answered by a blind run where that run has any credit for it. One that it left out is not answered.
    """
    if not blind:
        raise ValueError("You passed no blind run: ask the model without the picture first, or pass its answers.")
    for name, report in blind.items():
        if report.benchmark["content_hash"] != seen.benchmark["content_hash"]:
            raise ValueError(
                f"The blind run {name} is of other questions than {seen.title}: their content hashes are "
                f"{report.benchmark['content_hash'][:12]} and {seen.benchmark['content_hash'][:12]}."
            )
    scored = [row for row in seen.rows if row["score"] is not None]
    ids, by_id = [row["id"] for row in scored], {row.id: row for row in benchmark.rows}
    found = judged(
        ids,
        [by_id[row_id].image_id for row_id in ids],
        accuracies(seen, ids),
        {name: accuracies(report, ids) for name, report in blind.items()},
        [chance(by_id[row_id], benchmark.kind) for row_id in ids],
        resampling,
    )
    few = benchmark.kind in ("pope", "true_false", "one_word")
    return replace(
        found,
        title=seen.title,
        content_hash=seen.benchmark["content_hash"],
        row_metric=in_words(seen.headline.row_metric),
        runs=tuple(replace(run, faults=blind[run.name].faults) for run in found.runs),
        needed_answers=dict(Counter(by_id[row_id].answers[0] for row_id in found.needed)) if few else {},
    )


def judged(
    ids: Sequence[str],
    images: Sequence[str],
    seen: np.ndarray,
    blind: Mapping[str, np.ndarray],
    chances: Sequence[float | None],
    resampling: Resampling = Resampling(),  # noqa: B008
) -> PictureNeeded:
    """The same from the scores of rows: with the picture, and of each blind run."""
    known = None not in chances
    right = {name: scores > 0 for name, scores in blind.items()}
    needed = ~np.any(list(right.values()), axis=0)

    def mean(scores: np.ndarray, rows: np.ndarray | slice = slice(None)) -> Interval:
        return resampling.interval(scores[rows], np.array(images)[rows].tolist())

    def held_out(name: str) -> HeldOut | None:
        others = [hits for other, hits in right.items() if other != name]
        if not others:
            return None
        left = ~np.any(others, axis=0)
        bounds = guessing_interval(np.array(chances)[left].tolist()) if known and left.any() else (None, None)
        return HeldOut(int(left.sum()), mean(blind[name], left), *bounds)

    def run(name: str, scores: np.ndarray) -> BlindRun:
        share = blind_share(seen, scores, clusters=images, interval=resampling.interval)
        return BlindRun(name, mean(scores), share, held_out(name))

    return PictureNeeded(
        rows=len(ids),
        images=len(set(images)),
        chance=float(np.mean(chances)) if known else None,
        seen=mean(seen),
        runs=tuple(run(name, scores) for name, scores in blind.items()),
        answered_blind=mean((~needed).astype(float)),
        left_by_guessing=float(np.sum((1 - np.array(chances)) ** len(blind))) if known else None,
        seen_on_needed=mean(seen, needed) if needed.any() else None,
        needed=tuple(row_id for row_id, is_needed in zip(ids, needed.tolist(), strict=True) if is_needed),
    )


def chance(row: BenchmarkRow, kind: str) -> float | None:
    """How often one who guesses evenly among the possible answers is right; None where the answers are not listed."""
    if row.choices:
        return 1 / len(row.choices)
    if kind in ("pope", "true_false"):
        return 0.5
    return None


def accuracies(report: Report, ids: Sequence[str] | None = None) -> np.ndarray:
    """The score of each row in 0 .. 1, in this order or in that of the report: of boxes a hit counts."""
    found = {row["id"]: report.headline.of_row(row["score"] or 0.0) for row in report.rows}
    return np.array([found[row_id] for row_id in (found if ids is None else ids)], float)
