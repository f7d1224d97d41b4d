# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A random sample of key expressions to be judged, the same for people and for a model, and what verdicts add up to."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from random import Random
from typing import TypeVar

import numpy as np

from promvil_hf.fivl.fivl_rows import FivlRow, Key
from promvil_hf.key_expressions import Turn
from promvil_hf.metrics.agreement import kappa
from promvil_hf.metrics.intervals import Interval, bootstrap_interval


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SampledKey:
    """One key expression with what a judge has to see."""

    row: FivlRow
    index: int

    @property
    def found(self) -> Key:
        return self.row.keys[self.index]

    @property
    def turn(self) -> Turn:
        return self.row.turns[self.found.expression.turn]

    @property
    def name(self) -> str:
        """Row, turn and number of the expression in the row: what verdict files are matched by."""
        return f"{self.row.row_id}/{self.found.expression.turn}/{self.index}"


def sample_keys(rows: Iterable[FivlRow], size: int, seed: int = 0) -> list[SampledKey]:
    """`size` key expressions with masks, drawn evenly from all of them in one pass, in the order of the rows."""
    masked = (SampledKey(row, i) for row in rows for i, key in enumerate(row.keys) if key.expression.mask is not None)
    return drawn(masked, size, seed)


def drawn(items: Iterable[T], size: int, seed: int = 0) -> list[T]:
    """`size` items, drawn evenly from all of them in one pass, in their order."""
    if size < 1:
        raise ValueError(f"You passed a sample of {size}: pass 1 or more.")
    random = Random(seed)
    kept: list[tuple[int, T]] = []
    for number, item in enumerate(items, start=1):
        if len(kept) < size:
            kept.append((number, item))
        elif (place := random.randrange(number)) < size:
            kept[place] = (number, item)
    return [item for _, item in sorted(kept, key=itemgetter(0))]


def share(answers: Sequence[bool], images: Sequence[str], seed: int = 0) -> Interval:
    """The share of true answers with its interval over images."""
    return bootstrap_interval(np.array(answers, float), clusters=images, seed=seed)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often two judges say the same, and Cohen's kappa: 0 is chance, 1 is always. NaN where one says always the same.

    `precision` is how often the second says yes where the first does, `recall` the other way round; None where nobody
    says yes.
    """

    same: Interval
    kappa: Interval
    both: int
    precision: Interval | None = None
    recall: Interval | None = None


def agreement(
    first: Mapping[str, bool], second: Mapping[str, bool], image_of: Callable[[str], str]
) -> Agreement | None:
    """Over the items that both judged; None where there is none."""
    names = [name for name in first if name in second]
    if not names:
        return None
    a, b = (np.array([judged[name] for name in names]) for judged in (first, second))
    images = np.array([image_of(name) for name in names])
    pairs = (b, a), (a, b)
    precision, recall = (share(list(said[given]), list(images[given])) if given.any() else None for said, given in pairs)
    return Agreement(share(list(a == b), list(images)), kappa(a, b, list(images)), len(names), precision, recall)
