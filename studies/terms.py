# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a study is: its question, the cells it needs, what it reads out of them, and how that is drawn.

    STUDY = Study("name", QUESTION, base="kosmos2", plan=plan, read=read, draw=draw)

`plan(terms)` gives the cells to be done by name; `read(terms, results)` turns their results, by the same names, into
`Findings`; `draw(result)` makes panels from what result.json holds, and from nothing else.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promvil_hf.pages.chart_file import Panel
from studies.cells import Cell, Given
from studies.protocol import Conduct, Design
from studies.results import FEWEST_SEEDS, Difference, Result, Score


@dataclass(frozen=True)
class Terms:
    """What a run of a study starts from."""

    base: Given
    seeds: tuple[int, ...] = (0, 1, 2)
    quick: bool = False  # sizes that only show that everything runs


@dataclass(frozen=True)
class Findings:
    """What a study measured. `settings` stand beside the numbers."""

    scores: Sequence[Score]
    differences: Sequence[Difference] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    conduct: Conduct | None = None  # of a study with a design


@dataclass(frozen=True)
class Study:
    """See the module."""

    name: str
    question: str
    base: str  # what it starts from: a name of `promvil_hf.toy.bases`, or "real:NAME"
    plan: Callable[[Terms], Mapping[Hashable, Cell]]
    read: Callable[[Terms, Mapping[Hashable, Mapping[str, Any]]], Findings]
    draw: Callable[[Result], Sequence[Panel]]
    design: Design | None = None  # what it promises under the protocol; None: it is exploratory
    so_far: Callable[[Mapping[str, Mapping[str, Any]]], Sequence[str]] | None = None  # lines about cells that are kept in git

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(range(self.design.fewest_seeds if self.design else FEWEST_SEEDS))
