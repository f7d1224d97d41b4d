# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""In which order rows are trained: by level, simple to complex, or not.

A row has levels: a chain those of its steps, any other row the single level 0. What is sampled is a `Cut`, a row and the
levels of it that are trained now; lower steps of the chain serve as evidence only, so an image's steps stay together.
One epoch is one list of cuts that depends on the seed and the epoch alone, the same on every rank. The list is
filled up to whole batches with cuts that train nothing, because accelerate would fill it with the first, easiest rows a
second time; and the epoch comes from the caller (the trainer's state), because `set_epoch` does not reach a sampler that
skips batches after a resume.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from torch.utils.data import Dataset, Sampler


CURRICULA = ("none", "levels", "cumulative", "competence")
NO_LEVEL = 0  # the level of rows that are no chains


class Cut(NamedTuple):
    """A row, of which the levels `low` to `high` are trained."""

    row: int
    low: int
    high: int

    def trains(self, level: int) -> bool:
        return self.low <= level <= self.high


WHOLE = 10**6  # no chain is that deep


def whole(row: int) -> Cut:
    """All that a row has to train."""
    return Cut(row, NO_LEVEL, WHOLE)


def nothing(row: int) -> Cut:
    """A row that is looked at without being trained: it fills up a batch."""
    return Cut(row, 1, 0)


@dataclass(frozen=True, slots=True)
class Curriculum:
    """How levels follow each other within an epoch.

    Args:
        kind: `"levels"`: stage k trains the steps of level k, each step once an epoch. `"cumulative"`: the same stages,
            and in each of them `repeat` of the chains that have lower steps train those again. `"competence"`: no
            stages; a level is drawn from as soon as the pacing function reaches it, with the same repeats. Rows that are
            no chains are spread evenly over the epoch. `"none"` is the trainer's own random order, without a `Curriculum`.
        repeat: Share of chains whose lower steps are trained again in a stage.
        competence_start: Competence at the beginning of an epoch, as a share of its cuts.
        competence_root: 1 for linear pacing, 2 for square root pacing, ...
    """

    kind: str = "levels"
    repeat: float = 0.25
    competence_start: float = 0.01
    competence_root: float = 2.0

    def __post_init__(self):
        if self.kind not in CURRICULA[1:]:
            raise ValueError(f"You passed the curriculum {self.kind!r}: it is one of {', '.join(CURRICULA)}.")
        if not 0 <= self.repeat <= 1:
            raise ValueError(f"You passed repeat={self.repeat}: it is a share of the chains, between 0 and 1.")
        if not 0 <= self.competence_start <= 1 or self.competence_root < 1:
            raise ValueError(
                f"You passed competence_start={self.competence_start} and competence_root={self.competence_root}: the "
                "start is a share between 0 and 1, the root at least 1 (a slower pace would run out of rows)."
            )

    def competence(self, progress: float) -> float:
        """The share of the cuts, easiest first, that may be drawn when `progress` of the epoch is done."""
        low = self.competence_start**self.competence_root
        return min(1.0, (low + (1 - low) * progress) ** (1 / self.competence_root))

    def epoch(self, row_levels: Sequence[Sequence[int]], seed: int, epoch: int) -> list[Cut]:
        """The cuts of an epoch in their order. How many there are does not depend on seed or epoch."""
        draw = random.Random(f"{seed} {epoch}")
        stages = self._stages(row_levels, draw)
        others = [Cut(row, NO_LEVEL, NO_LEVEL) for row, levels in enumerate(row_levels) if NO_LEVEL in levels]
        draw.shuffle(others)
        if self.kind == "competence":
            return _spread(self._paced(stages, draw), others, draw)
        cuts: list[Cut] = []
        chains = sum(map(len, stages.values()))
        done = dealt = 0
        for stage in stages.values():
            done += len(stage)
            upto = round(len(others) * done / chains)
            cuts += _spread(stage, others[dealt:upto], draw)
            dealt = upto
        return cuts + others[dealt:]  # all of them, where there are no chains

    def _stages(self, row_levels, draw: random.Random) -> dict[int, list[Cut]]:
        """For each level its cuts, shuffled."""
        chains = [(row, sorted(set(levels) - {NO_LEVEL})) for row, levels in enumerate(row_levels)]
        stages: dict[int, list[Cut]] = {}
        for level in sorted({level for _, levels in chains for level in levels}):
            with_level = [(row, levels) for row, levels in chains if level in levels]
            again = set(self._again([row for row, levels in with_level if levels[0] < level], draw))
            shallow = self._again([row for row, levels in chains if levels and levels[-1] < level], draw)
            stage = [Cut(row, 1 if row in again else level, level) for row, _ in with_level]
            stage += [Cut(row, 1, level) for row in shallow]
            draw.shuffle(stage)
            stages[level] = stage
        return stages

    def _again(self, rows: list[int], draw: random.Random) -> list[int]:
        """The rows whose lower steps come back."""
        if self.kind == "levels":
            return []
        return draw.sample(rows, round(self.repeat * len(rows)))

    def _paced(self, stages: dict[int, list[Cut]], draw: random.Random) -> list[Cut]:
        total = sum(map(len, stages.values()))
        waiting = list(stages.values())
        admitted: list[Cut] = []
        reached = 0
        order: list[Cut] = []
        while len(order) < total:
            while waiting and self.competence(len(order) / total) * total >= reached:
                reached += len(waiting[0])
                admitted += waiting.pop(0)
            place = draw.randrange(len(admitted))
            admitted[place], admitted[-1] = admitted[-1], admitted[place]
            order.append(admitted.pop())
        return order


def _spread(cuts: list[Cut], others: list[Cut], draw: random.Random) -> list[Cut]:
    """Both in their own order, mixed at random."""
    places = set(draw.sample(range(len(cuts) + len(others)), len(others)))
    first, second = iter(cuts), iter(others)
    return [next(second) if place in places else next(first) for place in range(len(cuts) + len(others))]


def fill(cuts: list[Cut], multiple: int) -> list[Cut]:
    """The cuts, and as many that train nothing as it takes to make whole batches on every rank."""
    return cuts + [nothing(cuts[-1].row)] * (-len(cuts) % multiple) if cuts else cuts


def times_trained(cuts: Sequence[Cut], row_levels: Sequence[Sequence[int]]) -> Counter:
    """(row, level) -> how often these cuts train it."""
    return Counter((cut.row, level) for cut in cuts for level in set(row_levels[cut.row]) if cut.trains(level))


class CurriculumSampler(Sampler):
    """Yields the cuts of the current epoch, filled up to a multiple of `multiple_of` (batch size times ranks).

    Give it to a loader over `CutRows`. `current_epoch` is asked each time an epoch begins.
    """

    def __init__(
        self,
        row_levels: Sequence[Sequence[int]],
        curriculum: Curriculum,
        seed: int,
        current_epoch: Callable[[], int],
        multiple_of: int = 1,
    ):
        self.row_levels = [tuple(levels) for levels in row_levels]
        if not self.row_levels:
            raise ValueError("You passed no rows to the curriculum: there is nothing to train.")
        self.curriculum, self.seed, self.current_epoch, self.multiple_of = curriculum, seed, current_epoch, multiple_of
        self._length = len(self.cuts(0))

    def cuts(self, epoch: int) -> list[Cut]:
        return fill(self.curriculum.epoch(self.row_levels, self.seed, epoch), self.multiple_of)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Cut]:
        return iter(self.cuts(self.current_epoch()))


class InOrder(Sampler):
    """Every row once, whole, in its order, filled up like a curriculum: for evaluation on several ranks."""

    def __init__(self, rows: int, multiple_of: int = 1):
        self._cuts = fill([whole(row) for row in range(rows)], multiple_of)

    def __len__(self) -> int:
        return len(self._cuts)

    def __iter__(self) -> Iterator[Cut]:
        return iter(self._cuts)


class CutRows(Dataset):
    """Rows by cut: the row's own keys and `cut`. A bare index gives the whole row.

    `levels_of` gives the levels of a row. Pictures of a `datasets.Dataset` stay encoded until the collator opens them.
    """

    def __init__(self, rows, levels_of: Callable[[Mapping], tuple[int, ...]]):
        features = getattr(rows, "features", None) or {}
        if "image" in features and hasattr(features["image"], "decode"):
            rows = rows.cast_column("image", replace(features["image"], decode=False))
        self.rows, self.levels_of = rows, levels_of

    @cached_property
    def levels(self) -> list[tuple[int, ...]]:
        bare = self.rows.remove_columns("image") if "image" in getattr(self.rows, "column_names", ()) else self.rows
        return [self.levels_of(row) for row in bare]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, cut: Cut | int) -> dict:
        cut = cut if isinstance(cut, Cut) else whole(cut)
        return {**self.rows[cut.row], "cut": cut}
