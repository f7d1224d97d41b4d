# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Relations as a table of small functions of boxes: how well each candidate stands in a relation to each piece of evidence.

    RELATIONS["left of"].fit(Pairs(candidates, evidence))  # (candidates, evidence), in (0, 1]

A fit is not a probability: it only counts compared with the fits of other candidates. The numbers in the functions
are reasoned, from what the words mean, and not fitted. Which words name which relation stands in `wordings`. numpy only.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from promvil_hf.grounding.geometry import Pairs


LEAST = 0.02  # no fit is below it: a box is never so exact that a relation is certain not to hold
# Where nobody stands in a relation, who is nearer is meant sooner: a twentieth of every fit is nearness.
Fit = Callable[[Pairs], np.ndarray]


@dataclass(frozen=True, slots=True)
class Relation:
    """A named relation and its function. `known` is False where the words were in no row and nearness stands in."""

    name: str
    measure: Fit
    known: bool = True

    def fit(self, pairs: Pairs) -> np.ndarray:
        """(candidates, evidence) in (0, 1]."""
        return LEAST + (1 - LEAST) * (0.95 * np.minimum(np.maximum(self.measure(pairs), 0.0), 1.0) + 0.05 * near(pairs))

    @property
    def inverse(self) -> "Relation":
        """The same, said of the other thing: the surfboard that the man is holding."""
        return Relation(f"{self.name}, inverted", lambda pairs: self.measure(pairs.swapped).T, self.known)


# --- functions of boxes ---------------------------------------------------------------------------


def rising(value: np.ndarray, steepness: float = 4.0) -> np.ndarray:
    """From 0 to 1 as a value passes 0."""
    return 1 / (1 + np.exp(np.minimum(np.maximum(-steepness * value, -50.0), 50.0)))


def near(pairs: Pairs) -> np.ndarray:
    return pairs.nearness


def _weakly_near(pairs: Pairs) -> np.ndarray:
    """Said of a far thing too, but sooner of a near one."""
    return (1 + pairs.gap + 0.3 * pairs.middle_distance) ** -0.3


def left(pairs: Pairs) -> np.ndarray:
    return rising(-pairs.right) * _weakly_near(pairs)


def right(pairs: Pairs) -> np.ndarray:
    return rising(pairs.right) * _weakly_near(pairs)


def above(pairs: Pairs) -> np.ndarray:
    return rising(-pairs.below) * _weakly_near(pairs) * (0.4 + 0.6 * pairs.overlap(0))


def below(pairs: Pairs) -> np.ndarray:
    return rising(pairs.below) * _weakly_near(pairs) * (0.4 + 0.6 * pairs.overlap(0))


def supported(pairs: Pairs) -> np.ndarray:
    """The lower edge of a lies in b or just above it, a over b from side to side."""
    stands = pairs.stands
    away = np.maximum(-stands, 0) + np.maximum(stands - 1, 0)
    wide = np.clip(-pairs.edge_gaps[..., 0] / pairs.a.sizes[:, None, 0], 0, 1)
    return np.exp(-4 * away) * wide * rising(-pairs.below + 0.3)


def on(pairs: Pairs) -> np.ndarray:
    """Standing on it, or a part of its surface."""
    return np.maximum(supported(pairs), 0.9 * pairs.inside) * (0.3 + 0.7 * near(pairs))


def within(pairs: Pairs) -> np.ndarray:
    """Inside, or standing in it and out at its top, as flowers in a vase and people in grass do."""
    stands_in = 0.6 * supported(pairs)
    return np.maximum(pairs.inside * (0.5 + 0.5 * rising(np.log(_area_ratio(pairs)), 1.0)), stands_in) * near(pairs) ** 0.25


def _area_ratio(pairs: Pairs) -> np.ndarray:
    return pairs.b.areas[None] / pairs.a.areas[:, None]


def beside(pairs: Pairs) -> np.ndarray:
    return near(pairs) * (0.5 + 0.5 * pairs.overlap(1))


def before(pairs: Pairs) -> np.ndarray:
    """Nearer to whoever looks: what stands in front reaches further down."""
    return rising(pairs.bottom, 3.0) * near(pairs)


def behind(pairs: Pairs) -> np.ndarray:
    return rising(-pairs.bottom, 3.0) * near(pairs)


def around(pairs: Pairs) -> np.ndarray:
    return np.maximum(pairs.holds, 0.6 * near(pairs))


def touching(pairs: Pairs) -> np.ndarray:
    return np.exp(-5 * pairs.gap - 0.15 * pairs.middle_distance)


def has_part(pairs: Pairs) -> np.ndarray:
    """b lies in a."""
    return pairs.holds * (0.5 + 0.5 * rising(-np.log(_area_ratio(pairs)), 1.0)) * np.exp(-0.1 * pairs.middle_distance)


def part(pairs: Pairs) -> np.ndarray:
    return has_part(pairs.swapped).T


def holding(pairs: Pairs) -> np.ndarray:
    """b overlaps a or just leaves its box, at about the height of its hands."""
    at_hands = np.exp(-0.5 * ((pairs.place_in(1) - 0.45) / 0.4) ** 2)
    return (0.5 * pairs.holds + 0.5 * touching(pairs)) * (0.4 + 0.6 * at_hands)


def wearing(at: float, spread: float) -> Fit:
    """b lies in a at this height of a, and in the middle of it from side to side."""

    def worn(pairs: Pairs) -> np.ndarray:
        height = np.exp(-0.5 * ((pairs.place_in(1) - at) / spread) ** 2)
        side = np.exp(-0.5 * ((pairs.place_in(0) - 0.5) / 0.35) ** 2)
        return pairs.holds * height * (0.3 + 0.7 * side)

    return worn


def riding(pairs: Pairs) -> np.ndarray:
    return touching(pairs) * rising(-pairs.below + 0.3) * (0.2 + 0.8 * pairs.overlap(0))


def between(pairs: Pairs) -> np.ndarray:
    """(candidates, evidence, evidence): in the middle of two things. The same thing twice is none."""
    first, second = pairs.b.middles[None, :, None], pairs.b.middles[None, None]
    middle = pairs.a.middles[:, None, None]
    way = second - first
    length = np.maximum(np.linalg.norm(way, axis=-1), 1e-6)
    along = ((middle - first) * way).sum(-1) / length**2
    beside_way = np.abs((middle[..., 0] - first[..., 0]) * way[..., 1] - (middle[..., 1] - first[..., 1]) * way[..., 0]) / length
    found = np.exp(-3 * np.abs(along - 0.5)) * np.exp(-beside_way / np.maximum(0.5 * length, pairs.reach[:, :, None] * 0.5))
    found *= rising(0.45 - np.abs(along - 0.5), 12.0)
    found[:, range(len(pairs.b)), range(len(pairs.b))] = 0.0
    return LEAST + (1 - LEAST) * found


def holds_up(pairs: Pairs) -> np.ndarray:
    return supported(pairs.swapped).T


_MEASURES: dict[str, Fit] = {
    "left of": left, "right of": right, "above": above, "below": below, "on": on, "in": within, "near": near, "next to": beside,
    "in front of": before, "behind": behind, "around": around, "touching": touching, "holding": holding, "part of": part,
    "has": has_part, "riding": riding, "supporting": holds_up, "wearing": wearing(0.5, 0.45),
    "between": near,  # of one thing; with two or more it is `between`
}  # fmt: skip
RELATIONS = {name: Relation(name, measure) for name, measure in _MEASURES.items()}
UNKNOWN = Relation("near, for want of a better", near, known=False)
