# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The level at which a model first fails on changed chains, against chains that were counted by hand."""

import numpy as np
import pytest

from promvil_hf.metrics.nested_negatives import NOWHERE, first_failures


# name, level, changed, as it was: two chains of three levels, changed at level 2 and at level 1
ROWS = [
    ("a", 1, False, False), ("a", 2, True, False), ("a", 2, False, True), ("a", 3, False, False),
    ("b", 1, True, False), ("b", 1, False, True), ("b", 2, False, False), ("b", 3, False, False),
]  # fmt: skip


def failures(right):
    names, levels, changed, was = zip(*ROWS, strict=True)
    return first_failures(names, levels, right, changed, was)


@pytest.mark.parametrize(
    ("right", "first", "pair"),
    [
        ([1, 1, 1, 1, 1, 1, 1, 1], [NOWHERE, NOWHERE], [True, True]),
        ([0, 1, 1, 1, 1, 1, 1, 1], [1, NOWHERE], [True, True]),
        ([1, 0, 1, 0, 1, 1, 1, 1], [2, NOWHERE], [False, True]),  # the change was not seen
        ([1, 1, 1, 0, 1, 1, 0, 0], [3, 2], [True, True]),  # seen, and forgotten one level above
        ([1, 1, 0, 1, 1, 0, 1, 1], [2, 1], [False, False]),  # refused, and so was what is there
        ([0, 1, 0, 1, 1, 0, 1, 1], [1, 1], [False, False]),  # always a refusal
        ([1, 0, 1, 0, 0, 1, 0, 0], [2, 1], [False, False]),  # always the right box of what was there
    ],
)
def test_the_first_failure_is_the_lowest_wrong_level_and_a_pair_needs_both(right, first, pair):
    found = failures(right)
    assert found.first.tolist() == first and found.pair.tolist() == pair
    assert found.names == ("a", "b") and found.changed.tolist() == [2, 1]


def test_the_histogram_sums_to_one_for_each_level_of_the_change():
    found = failures([1, 0, 1, 0, 1, 1, 0, 0])
    assert found.histogram() == {1: {0: 0.0, 1: 0.0, 2: 1.0}, 2: {0: 0.0, 1: 0.0, 2: 1.0}}
    assert failures([1] * 8).histogram() == {1: {0: 1.0, 1: 0.0}, 2: {0: 1.0, 1: 0.0}}


def test_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(0)
    right = rng.integers(2, size=8)
    place = rng.permutation(8)
    names, levels, changed, was = (np.array(column)[place].tolist() for column in zip(*ROWS, strict=True))
    shuffled = first_failures(names, levels, right[place], changed, was)
    one, other = failures(right), dict(zip(shuffled.names, zip(shuffled.first, shuffled.pair, strict=True), strict=True))
    assert other == dict(zip(one.names, zip(one.first, one.pair, strict=True), strict=True))


def test_half_a_negative_is_refused():
    names, levels, changed, was = (column[:2] for column in zip(*ROWS, strict=True))
    with pytest.raises(ValueError, match="without exactly one changed step"):
        first_failures(names, levels, [True, True], changed, was)
    with pytest.raises(ValueError, match="different lengths"):
        first_failures("a", [1, 2], [True], [True], [False])
