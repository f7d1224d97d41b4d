# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Which object stands in which relation to which, in three values: it holds, it does not, or people might disagree.

A relation *holds* when anybody would say so; it *may hold* when somebody might. What is said about a scene must hold, and
whatever could compete with it must not even be possible: so no truth of the toy world hangs on a pixel. Relations are read off
the boxes and silhouettes, never off the way the scene was sampled. Rows are bit sets (one int, bit i = object i), because
expressions are found by intersecting many of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from promvil_hf.toy.config import INVERSES, PREDICATES, ROBOT
from promvil_hf.toy.objects import ToyObject


NEXT_TO = 0.10  # of the shorter image side: at most this gap for things to stand next to each other,
NEXT_TO_AT_MOST = 0.18  # and from this gap on nobody would say so
UNSIDED = 0.08  # of the width: nearer to the middle than this, nobody asks on which side a thing is


@dataclass(frozen=True, slots=True)
class Geometry:
    """`holds[predicate][b]` and `may_hold[predicate][b]` are the bit sets of the objects a with "a predicate b"."""

    holds: dict[str, tuple[int, ...]]
    may_hold: dict[str, tuple[int, ...]]

    def triples(self) -> list[tuple[int, str, int]]:
        """Every `(subject, predicate, object)` that holds, by position of the objects in their scene."""
        return [
            (subject, predicate, anchor)
            for predicate, rows in self.holds.items()
            for anchor, row in enumerate(rows)
            for subject in members(row)
        ]


def members(bits: int) -> list[int]:
    """The positions in a bit set, ascending."""
    return [k for k in range(bits.bit_length()) if bits >> k & 1]


def side_of(left: float, right: float, width: float) -> str | None:
    """On which side of an image so wide something stands that reaches from `left` to `right`; None about the middle."""
    off = (left + right) / 2 / width - 0.5
    return None if abs(off) < UNSIDED else "left" if off < 0 else "right"


def measure(objects: Sequence[ToyObject], unit: int) -> Geometry:
    """Read all relations between the objects of a scene whose shorter side is `unit` pixels."""
    count = len(objects)
    holds = {predicate: [0] * count for predicate in PREDICATES}
    may_hold = {predicate: [0] * count for predicate in PREDICATES}
    boxes = [thing.xyxy_px for thing in objects]
    for a in range(count):
        for b in range(count):
            if a == b:
                continue
            certain, possible = _between(objects[a], objects[b], boxes[a], boxes[b], unit)
            for predicate in certain:
                holds[predicate][b] |= 1 << a
            for predicate in (*certain, *possible):
                may_hold[predicate][b] |= 1 << a
                if predicate in ("inside", "holding"):
                    may_hold[INVERSES[predicate]][a] |= 1 << b
                    if predicate in certain:
                        holds[INVERSES[predicate]][a] |= 1 << b
    return Geometry({p: tuple(rows) for p, rows in holds.items()}, {p: tuple(rows) for p, rows in may_hold.items()})


def _between(a: ToyObject, b: ToyObject, box_a, box_b, unit: int) -> tuple[list[str], list[str]]:
    """The predicates from a to b that hold, and those that may."""
    ax0, ay0, ax1, ay1 = box_a
    bx0, by0, bx1, by1 = box_b
    if b.name == "ring" and bx0 < ax0 and by0 < ay0 and ax1 < bx1 and ay1 < by1:
        return ["inside"], []
    if a.name == "ring" and ax0 < bx0 and ay0 < by0 and bx1 < ax1 and by1 < ay1:
        return [], []  # "around" is entered with its inverse
    certain, possible = [], []
    # Centres and distances are doubled, to stay whole numbers.
    dx, dy = (ax0 + ax1) - (bx0 + bx1), (ay0 + ay1) - (by0 + by1)
    gap_x, gap_y = max(ax0 - bx1, bx0 - ax1), max(ay0 - by1, by0 - ay1)
    for predicate, apart, mainly, partly in (
        ("left of", ax1 <= bx0, abs(dy) <= -dx, ax0 + ax1 < 2 * bx0 or 2 * ax1 <= bx0 + bx1),
        ("right of", ax0 >= bx1, abs(dy) <= dx, ax0 + ax1 > 2 * bx1 or 2 * ax0 >= bx0 + bx1),
        ("above", ay1 <= by0, abs(dx) <= -dy, ay0 + ay1 < 2 * by0 or 2 * ay1 <= by0 + by1),
        ("below", ay0 >= by1, abs(dx) <= dy, ay0 + ay1 > 2 * by1 or 2 * ay0 >= by0 + by1),
    ):
        if apart and mainly:
            certain.append(predicate)
        elif partly:
            possible.append(predicate)
    if gap_x <= NEXT_TO * unit and gap_y < 0 and -2 * gap_y >= min(ay1 - ay0, by1 - by0):
        certain.append("next to")
    elif max(gap_x, gap_y) <= NEXT_TO_AT_MOST * unit:
        possible.append("next to")
    if max(gap_x, gap_y) <= 2:
        touching = _silhouettes_touch(a, b)
        (certain if touching else possible).append("touching")
        if gap_y >= 0 and dy < 0:
            rests = touching and 2 * bx0 <= ax0 + ax1 <= 2 * bx1
            (certain if rests else possible).append("on")
        if a.name == ROBOT and gap_x >= 0:
            (certain if touching else possible).append("holding")
    return certain, possible


def _silhouettes_touch(a: ToyObject, b: ToyObject) -> bool:
    """True when a pixel of one is among the eight neighbours of a pixel of the other."""
    ax0, ay0, ax1, ay1 = a.xyxy_px
    bx0, by0, bx1, by1 = b.xyxy_px
    mask_a, mask_b = a.stamp.mask, b.stamp.mask
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            left, top = max(ax0 + right, bx0), max(ay0 + down, by0)
            end, bottom = min(ax1 + right, bx1), min(ay1 + down, by1)
            if left >= end or top >= bottom:
                continue
            part_a = mask_a[top - ay0 - down : bottom - ay0 - down, left - ax0 - right : end - ax0 - right]
            if (part_a & mask_b[top - by0 : bottom - by0, left - bx0 : end - bx0]).any():
                return True
    return False
