# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Rows that are right only together: pairs, figures, groups of questions. A unit is right when all its rows are.

This one rule gives NaturalBench's Q-, I- and G-Acc, HallusionBench's fAcc and qAcc and MMVP's pairs.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def unit_scores(right: Sequence[float], units: Sequence[Hashable | None]) -> tuple[list[Hashable], np.ndarray]:
    """The units in the order of first appearance, and the score of each: that of its worst row. None: a row of no unit.

    >>> unit_scores([1, 1, 0, 1], ["a", "a", "b", None])
    (['a', 'b'], array([1., 0.]))
    """
    right = np.asarray(right, float)
    if right.shape != (len(units),):
        raise ValueError(f"You passed scores of shape {right.shape} and the units of {len(units)} rows: one for each row.")
    places = {unit: place for place, unit in enumerate(dict.fromkeys(unit for unit in units if unit is not None))}
    worst = np.full(len(places), np.inf)
    inside = [row for row, unit in enumerate(units) if unit is not None]
    np.minimum.at(worst, [places[units[row]] for row in inside], right[inside])
    return list(places), worst


def linked(*labels: Sequence[Hashable | None]) -> np.ndarray:
    """Which rows must be resampled together because they share any of these labels, (rows,) of whole numbers.

    Rows of one image belong together, rows of one unit too, and also rows that are connected only through others.

    >>> linked(["1.jpg", "2.jpg", "3.jpg"], ["pair 1", "pair 1", "pair 2"]).tolist()
    [0, 0, 1]
    """
    rows, edges, nodes = len(labels[0]), [], len(labels[0])
    for column in labels:
        known: dict[Hashable, int] = {}
        for row, label in enumerate(column):
            if label is not None:
                node = known.setdefault(label, nodes + len(known))
                edges.append((row, node))
        nodes += len(known)
    ends = np.array(edges, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(ends.shape[1], bool), tuple(ends)), (nodes, nodes))
    return connected_components(graph, directed=False)[1][:rows]
