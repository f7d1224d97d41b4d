# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Numbers with intervals, the result.json they are written to, and what must be true of it.

Each seed has its own training scenes and its own held-out scenes. The interval of a score draws whole scenes of
all seeds with replacement, so it says what other scenes would give with these very models; `over_seeds` is Student's
interval from one number a seed, wide with three of them, and says what other trainings would give. A difference draws the
scenes of both sides together.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from scipy.special import stdtrit

from promvil_hf.metrics.intervals import bootstrap_interval
from studies.crossed import Crossed, crossed
from studies.protocol import Conduct


CONFIDENCE = 0.95
FEWEST_SEEDS = 3


class Score(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One number: `setting` and `measure` say of what. None stands for a number that is not defined."""

    setting: dict[str, str]
    measure: str
    estimate: float | None
    low: float | None
    high: float | None
    over_seeds: tuple[float | None, float | None]
    by_seed: dict[str, float | None]
    rows: int
    scenes: int


class Difference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`what` is in words: a less b."""

    what: str
    a: dict[str, str]
    b: dict[str, str]
    estimate: float | None
    low: float | None
    high: float | None
    over_seeds: tuple[float | None, float | None]
    by_seed: dict[str, float | None]
    scenes: int

    @property
    def excludes_zero(self) -> bool:
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


class Base(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    key: str  # hash of its files


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """result.json."""

    study: str
    question: str
    command: str
    base: Base
    seeds: list[int]
    settings: dict[str, Any]
    interval: str
    scores: list[Score]
    differences: list[Difference]
    versions: dict[str, str]
    machine: dict[str, str]
    seconds: dict[str, float]
    cells: dict[str, int]
    conduct: Conduct | None = None  # how the protocol was kept; None: made before there was one

    def score(self, measure: str, **setting: str) -> Score:
        """The score of this measure whose setting has these values."""
        found = [score for score in self.scores if score.measure == measure and setting.items() <= score.setting.items()]
        if len(found) != 1:
            raise LookupError(f"{self.study} has {len(found)} scores of {measure!r} with {setting}, not one.")
        return found[0]


HOW = (
    "95 %: bias-corrected bootstrap, 9,999 resamples of whole scenes of all seeds; over_seeds: Student's interval from one "
    "number a seed"
)


@dataclass(frozen=True)
class Sample:
    """Rows of all seeds: value and weight of each (n, 2), its seed, its scene."""

    columns: np.ndarray
    seeds: tuple[int, ...]
    scenes: tuple[str, ...]

    @classmethod
    def of(cls, by_seed: Mapping[int, tuple[Sequence, Sequence]], same_scenes: bool = False) -> "Sample":
        """seed -> (values, scenes). A value is a number, or (sum, weight) of one: (overlap, union), (true, all).

        `same_scenes`: scenes of one number are the same scene, whatever the seed.
        """
        columns, seeds, scenes = [], [], []
        for seed, (values, of_scene) in by_seed.items():
            rows = np.asarray(values, dtype=float)
            rows = np.stack([rows, np.ones(len(rows))], 1) if rows.ndim < 2 and rows.size else rows.reshape(-1, 2)
            if len(rows) != len(of_scene):
                raise ValueError(f"You passed {len(rows)} values and {len(of_scene)} scenes for seed {seed}: one for each.")
            columns.append(rows)
            seeds += [seed] * len(rows)
            scenes += [str(scene) if same_scenes else f"{seed}/{scene}" for scene in of_scene]
        return cls(np.concatenate(columns) if columns else np.empty((0, 2)), tuple(seeds), tuple(scenes))

    def means(self) -> dict[str, float | None]:
        seeds = np.array(self.seeds)
        return {str(seed): rounded(_mean(self.columns[seeds == seed])) for seed in dict.fromkeys(self.seeds)}


def score(sample: Sample, measure: str, **setting: str) -> Score:
    """The mean of a sample with its intervals."""
    found = bootstrap_interval(sample.columns, clusters=sample.scenes, confidence=CONFIDENCE)
    by_seed = sample.means()
    return Score(
        setting, measure, rounded(found.estimate), rounded(found.low), rounded(found.high), _student(by_seed.values()), by_seed,
        found.rows, found.clusters,
    )  # fmt: skip


def scored(samples: Mapping[tuple, Sample], *names: str) -> list[Score]:
    """The score of each sample, called (the value of each setting in `names`, measure)."""
    return [
        score(sample, measure, **dict(zip(names, map(str, values), strict=True)))
        for (*values, measure), sample in samples.items()
    ]


def difference(what: str, a: Sample, b: Sample, of_a: Mapping[str, str], of_b: Mapping[str, str]) -> Difference:
    """Mean of a less mean of b. Their scenes are drawn together, whether or not the rows are the same."""
    return _compared(what, (a, b), of_a, of_b)


def change(
    what: str, now: tuple[Sample, Sample], before: tuple[Sample, Sample], of_a: Mapping[str, str], of_b: Mapping[str, str]
) -> Difference:
    """How much larger the difference of two samples is than that of two others."""
    return _compared(what, (*now, *reversed(before)), of_a, of_b)


def _compared(what: str, samples: Sequence[Sample], of_a: Mapping[str, str], of_b: Mapping[str, str]) -> Difference:
    """The means of samples, added and taken away in turn."""
    scenes = [scene for sample in samples for scene in sample.scenes]
    found = bootstrap_interval(_beside(*samples), clusters=scenes, statistic=_in_turn, confidence=CONFIDENCE)
    means = [sample.means() for sample in samples]
    by_seed = {
        seed: None if None in (of_seed := [mean.get(seed) for mean in means]) else rounded(np.dot(of_seed, _signs(len(means))))
        for seed in means[0]
    }
    return Difference(
        what, dict(of_a), dict(of_b), rounded(found.estimate), rounded(found.low), rounded(found.high),
        _student(by_seed.values()), by_seed, found.clusters,
    )  # fmt: skip


def outcome(a: Sample, b: Sample) -> Crossed:
    """Mean of a less mean of b, for a primary outcome: every seed of both was measured on the same scenes."""
    scenes = [scene.rpartition("/")[2] for scene in a.scenes + b.scenes]
    return crossed(_beside(a, b), a.seeds + b.seeds, scenes, _in_turn)


def _beside(*samples: Sample) -> np.ndarray:
    """Rows of all samples, with two columns for each sample: value and weight, 0 in the rows of the others."""
    found = np.zeros((sum(len(sample.columns) for sample in samples), 2 * len(samples)))
    start = 0
    for number, sample in enumerate(samples):
        found[start : start + len(sample.columns), 2 * number : 2 * number + 2] = sample.columns
        start += len(sample.columns)
    return found


def _in_turn(totals: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        means = totals[..., 0::2] / totals[..., 1::2]
    return means @ _signs(means.shape[-1])


def _signs(count: int) -> np.ndarray:
    return np.resize([1.0, -1.0], count)


def _mean(columns: np.ndarray) -> float:
    total, weight = columns.sum(0) if len(columns) else (math.nan, 1.0)
    return total / weight if weight else math.nan


def _student(values) -> tuple[float | None, float | None]:
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None, None
    reach = stdtrit(len(known) - 1, (1 + CONFIDENCE) / 2) * np.std(known, ddof=1) / math.sqrt(len(known))
    return rounded(np.mean(known) - reach), rounded(np.mean(known) + reach)


def rounded(value: float) -> float | None:
    """Four digits are more than an interval of some percent needs."""
    return round(float(value), 4) if math.isfinite(value) else None


def write(result: Result, path: Path) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")


def read(path: Path) -> Result:
    """A result.json, every field of its type and none besides."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Result)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path} is not a result of a study: {error}. Run the study again.") from error


def faults(result: Result) -> list[str]:
    """What a result lacks, in words; an empty list for a good one."""
    found = []
    if len(set(result.seeds)) < FEWEST_SEEDS:
        found.append(f"it has {len(set(result.seeds))} seeds: at least {FEWEST_SEEDS} are needed")
    if not result.question or not result.command.startswith("python -m studies "):
        found.append("question or command is missing")
    if not result.scores:
        found.append("it has no scores")
    for name in ("promvil_hf", "python", "torch", "transformers", "peft"):
        if not result.versions.get(name):
            found.append(f"the version of {name} is missing")
    for measured in (*result.scores, *result.differences):
        about = f"{measured.measure} of {measured.setting}" if isinstance(measured, Score) else measured.what
        if measured.estimate is None:
            found.append(f"{about}: there is no estimate")
        elif measured.low is None or measured.high is None or not measured.low <= measured.estimate <= measured.high:
            bounds = f"{measured.low} to {measured.high}"
            found.append(f"{about}: the estimate {measured.estimate} does not lie in its interval {bounds}")
        if measured.by_seed.keys() != {str(seed) for seed in result.seeds}:
            found.append(f"{about}: it was measured with the seeds {', '.join(measured.by_seed)} and not with {result.seeds}")
    return found
