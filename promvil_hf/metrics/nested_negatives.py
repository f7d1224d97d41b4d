# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Nested negatives: the level at which a model first goes wrong, and whether it saw the change.

A negative is a chain of steps of which the changed one and those above it are absent: there a refusal is right, elsewhere a
box. A *pair* is the changed step and the same step as it was: it is right when the box was found and the change was refused.
Who always refuses has no pair right, nor has who always gives a box.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np


NOWHERE = 0  # the first failure of a chain without one


@dataclass(frozen=True, slots=True, eq=False)
class Failures:
    """One entry a negative, in the order of first appearance."""

    names: tuple[Hashable, ...]
    changed: np.ndarray  # level of the changed step
    first: np.ndarray  # lowest level of a step that is wrong, changed or as it was; `NOWHERE` where all are right
    pair: np.ndarray  # bool

    def histogram(self) -> dict[int, dict[int, float]]:
        """Level of the change -> first level that is wrong -> share of the negatives; `NOWHERE`: none is."""
        return {
            int(level): {
                int(first): float(np.mean(self.first[self.changed == level] == first))
                for first in (NOWHERE, *range(1, int(self.first.max(initial=1)) + 1))
            }
            for level in np.unique(self.changed)
        }


def first_failures(
    names: Sequence[Hashable], levels: Sequence[int], right: Sequence[bool], changed: Sequence[bool], was: Sequence[bool]
) -> Failures:
    """One entry a row: the negative it belongs to, its level, whether the answer is right, whether it is the changed step,
    and whether it is that step as it was before.

    >>> found = first_failures("aaa", [1, 2, 2], [True, False, True], [False, True, False], [False, False, True])
    >>> found.first.tolist(), found.changed.tolist(), found.pair.tolist()
    ([2], [2], [False])
    """
    if len({len(names), len(levels), len(right), len(changed), len(was)}) != 1:
        raise ValueError("You passed columns of different lengths: each row has a negative, a level, and three marks.")
    if any(mark not in (True, False) for mark in right):
        raise ValueError("You passed answers that are neither right nor wrong: pass True or False for each row.")
    order = {name: place for place, name in enumerate(dict.fromkeys(names))}
    level_of, first = np.zeros(len(order), int), np.full(len(order), np.iinfo(int).max)
    pairs = np.zeros((len(order), 2), int)  # changed steps, steps as they were
    good = np.ones(len(order), bool)
    for name, level, is_right, is_changed, is_was in zip(names, levels, right, changed, was, strict=True):
        place = order[name]
        pairs[place] += is_changed, is_was
        if is_changed:
            level_of[place] = level
        if (is_changed or is_was) and not is_right:
            good[place] = False
        if not is_right:
            first[place] = min(first[place], level)
    if (pairs != 1).any():
        name = list(order)[int(np.flatnonzero((pairs != 1).any(1))[0])]
        raise ValueError(
            f"You passed rows of {name!r} without exactly one changed step and one step as it was: pass whole negatives. "
            "Rows that were cut off (--limit) or chosen one by one are none."
        )
    return Failures(tuple(order), level_of, np.where(first == np.iinfo(int).max, NOWHERE, first), good)
