# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Expressions about real photographs whose truth does not come from the code under test: plain geometry, three-valued.

Every relation has several definitions: by middles, by edges, by gaps and by masks where both things have one. Each answers
yes, no or unsure (None). An expression is kept only where every definition says yes for the target and no for each of its
rivals, the other things of its noun. A noun must have at least two boxes in the photograph and no crowd. Evidence is the
only thing of its noun, or the target of a kept expression, which makes one of three levels. Nothing of `promvil_hf` is
used but its reader of polygons.
"""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
from scipy import ndimage

from promvil_hf import masks


MOST_PER_KIND = 3  # expressions of one relation and level about one photograph; of a choice without evidence one


@dataclass(eq=False)
class Seen:
    """One annotated thing: its box in pixels, its pixels (None where it has no polygon), its place in the photograph's list."""

    index: int
    noun: str
    x0: float
    y0: float
    x1: float
    y1: float
    pixels: np.ndarray | None = None
    away: np.ndarray | None = field(default=None, repr=False)

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def middle(self) -> tuple[float, float]:
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    @property
    def size(self) -> float:
        return math.sqrt(self.width * self.height)

    @cached_property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows and columns of its pixels."""
        return self.pixels.nonzero()

    def distances(self) -> np.ndarray:
        """How far every pixel of the photograph is from this thing's."""
        if self.away is None:
            self.away = ndimage.distance_transform_edt(~self.pixels)
        return self.away


@dataclass(eq=False)
class Photo:
    """A photograph and its things; `countable` are the nouns of which no crowd is known."""

    file_name: str
    width: int
    height: int
    things: list[Seen]
    countable: frozenset[str]

    def named(self, noun: str) -> list[Seen]:
        return [thing for thing in self.things if thing.noun == noun]


@dataclass(frozen=True)
class Truth:
    """An expression, and the place of its target and of its evidence in the photograph's list of things."""

    photo: Photo
    expression: str
    relation: str
    target: int
    evidence: tuple[int, ...] = ()
    level: int = 2

    @property
    def noun(self) -> str:
        return self.photo.things[self.target].noun


def photos(folder: Path, split: str) -> Iterator[Photo]:
    """The photographs of a COCO file of instances. Crowds are no things; their noun is then not counted on."""
    record = json.loads((folder / f"instances_{split}.json").read_text(encoding="utf-8"))
    nouns = {category["id"]: category["name"] for category in record["categories"]}
    rows = defaultdict(list)
    for row in record["annotations"]:
        rows[row["image_id"]].append(row)
    for image in record["images"]:
        crowds = {nouns[row["category_id"]] for row in rows[image["id"]] if row["iscrowd"]}
        things = []
        for row in rows[image["id"]]:
            x, y, width, height = row["bbox"]
            if row["iscrowd"] or width < 1 or height < 1:
                continue
            pixels = None
            if row["segmentation"]:
                pixels = masks.decode(masks.from_polygons(row["segmentation"], (image["width"], image["height"])))
                pixels = pixels if pixels.any() else None
            things.append(Seen(len(things), nouns[row["category_id"]], x, y, x + width, y + height, pixels))
        countable = frozenset(thing.noun for thing in things) - crowds
        yield Photo(image["file_name"], image["width"], image["height"], things, countable)


# --- definitions: yes, no, or unsure --------------------------------------------------------------


def decided(value: float, no: float, yes: float) -> bool | None:
    """Unsure between two bounds, whichever is the lower one."""
    if no < yes:
        return True if value >= yes else False if value <= no else None
    return True if value <= yes else False if value >= no else None


def gaps(a: Seen, b: Seen) -> tuple[float, float]:
    """Between the edges along x and along y; below 0 where they overlap."""
    return max(a.x0 - b.x1, b.x0 - a.x1), max(a.y0 - b.y1, b.y0 - a.y1)


def apart(a: Seen, b: Seen) -> float:
    x, y = gaps(a, b)
    return math.hypot(max(x, 0), max(y, 0))


def shared(a: Seen, b: Seen) -> float:
    """The part of a's box that lies in b's."""
    x, y = gaps(a, b)
    return max(-x, 0) * max(-y, 0) / (a.width * a.height)


def mask_apart(a: Seen, b: Seen) -> float:
    return max(float(b.distances()[a.pixels].min()) - 1, 0)


Answers = Iterator[bool | None]


def is_left(a: Seen, b: Seen) -> Answers:
    """By middles; by edges; by where most of the way lies; by pixels."""
    scale = (a.width + b.width) / 2
    x_gap, y_gap = gaps(a, b)
    yield decided((b.middle[0] - a.middle[0]) / scale, 0.0, 0.5)
    yield decided((b.x0 - a.x1) / scale, -0.6, -0.1)
    is_before = a.middle[0] < b.middle[0]
    yield True if is_before and x_gap > y_gap else False if not is_before or y_gap > x_gap + scale else None
    if a.pixels is not None and b.pixels is not None:
        left_edge = np.percentile(b.places[1], 10)
        yield decided(float((a.places[1] < left_edge).mean()), 0.3, 0.9)


def mirrored(thing: Seen) -> Seen:
    pixels = None if thing.pixels is None else thing.pixels[:, ::-1]
    return Seen(thing.index, thing.noun, -thing.x1, thing.y0, -thing.x0, thing.y1, pixels)


def turned(thing: Seen) -> Seen:
    """x and y exchanged: above becomes left."""
    pixels = None if thing.pixels is None else thing.pixels.T
    return Seen(thing.index, thing.noun, thing.y0, thing.x0, thing.y1, thing.x1, pixels)


def is_right(a: Seen, b: Seen) -> Answers:
    return is_left(mirrored(a), mirrored(b))


def is_above(a: Seen, b: Seen) -> Answers:
    """As left, turned; and straight above, not only higher in the picture."""
    yield _is_straight(a, b) if a.middle[1] < b.middle[1] else False
    yield from is_left(turned(a), turned(b))


def is_below(a: Seen, b: Seen) -> Answers:
    yield _is_straight(a, b) if a.middle[1] > b.middle[1] else False
    yield from is_left(mirrored(turned(a)), mirrored(turned(b)))


def _is_straight(a: Seen, b: Seen) -> bool | None:
    return decided(gaps(a, b)[0] / min(a.width, b.width), 1.5, -0.5)


def is_on(a: Seen, b: Seen) -> Answers:
    """By edges: the lower one over the thing. By middles: above it. By pixels: the lowest ones touch it."""
    wide = -gaps(a, b)[0] / a.width
    low = (a.y1 - b.y0) / b.height
    is_off = wide < 0.2 or low < -0.3 or low > 1.5
    yield True if wide > 0.8 and -0.02 < low < 1.15 and a.y0 < b.y0 + 0.6 * b.height else False if is_off else None
    is_over = b.x0 < a.middle[0] < b.x1 and a.middle[1] < b.middle[1] + 0.3 * b.height
    yield True if is_over else decided(abs(a.middle[0] - b.middle[0]) / b.width, 0.6, 0.5)
    if a.pixels is not None and b.pixels is not None:
        rows, columns = a.places
        lowest = rows >= np.percentile(rows, 85)
        yield decided(b.distances()[rows[lowest], columns[lowest]].min() / a.size, 0.2, 0.06)


def is_in(a: Seen, b: Seen) -> Answers:
    """By the share of its box; by size; by pixels, which touch."""
    yield decided(shared(a, b), 0.05, 0.95)
    yield decided(a.size / b.size, 1.0, 0.7) if shared(a, b) > 0.05 else False
    if a.pixels is not None and b.pixels is not None:
        yield decided(mask_apart(a, b) / a.size, 0.3, 0.05)


def is_next_to(a: Seen, b: Seen) -> Answers:
    """Beside it at its own height, and no more than a part of its size away."""
    scale = (a.size + b.size) / 2
    is_far = apart(a, b) / scale > 1.2
    yield decided(apart(a, b) / scale, 1.2, 0.3)
    yield decided(math.dist(a.middle, b.middle) / scale, 2.5, 1.5)
    yield False if is_far else decided(gaps(a, b)[1] / min(a.height, b.height), 0.0, -0.5)
    yield False if is_far else decided(max(shared(a, b), shared(b, a)), 0.9, 0.3)
    if a.pixels is not None and b.pixels is not None:
        yield decided(mask_apart(a, b) / scale, 1.2, 0.35)


def is_with(a: Seen, b: Seen) -> Answers:
    """A person has something small: it lies in the person's box or just leaves it, and touches the person."""
    yield decided(shared(b, a), 0.02, 0.6)
    yield decided(apart(a, b) / a.size, 0.15, 0.0) if shared(b, a) <= 0.02 else decided(b.size / a.size, 1.0, 0.75)
    yield decided(abs(a.middle[0] - b.middle[0]) / a.width, 1.0, 0.6)
    if a.pixels is not None and b.pixels is not None:
        yield decided(mask_apart(a, b) / a.size, 0.1, 0.02)


def is_between(a: Seen, b: Seen, c: Seen) -> Answers:
    """By middles, on the way from one to the other and near it; by edges, between the inner ones along the longer way."""
    way = np.subtract(c.middle, b.middle)
    length = float(np.linalg.norm(way))
    if length < (b.size + c.size) / 2:
        yield None
        return
    offset = np.subtract(a.middle, b.middle)
    along = float(offset @ way) / length**2
    yield decided(min(along, 1 - along), 0.0, 0.25)
    axis = 0 if abs(way[0]) > abs(way[1]) else 1
    first, second = (b, c) if way[axis] > 0 else (c, b)
    inner = (first.x1, second.x0) if axis == 0 else (first.y1, second.y0)
    middle = a.middle[axis]
    is_out = not first.middle[axis] < middle < second.middle[axis]
    yield True if inner[0] < middle < inner[1] else False if is_out else None
    if 0 < along < 1:
        yield decided(abs(float(offset[0] * way[1] - offset[1] * way[0])) / length**2, 0.6, 0.25)


# --- choices among the things of one noun ---------------------------------------------------------


def single(things: Sequence[Seen], measures: Sequence[Callable[[Seen], float]], margin: float) -> Seen | None:
    """The thing that is the first by every measure, each time clear of the second one by the margin."""
    winners = set()
    for measure in measures:
        ranked = sorted(things, key=measure)
        if measure(ranked[1]) - measure(ranked[0]) < margin:
            return None
        winners.add(ranked[0].index)
    return things[[thing.index for thing in things].index(winners.pop())] if len(winners) == 1 else None


def positions(photo: Photo, things: Sequence[Seen]) -> Iterator[tuple[str, str, Seen]]:
    """(relation, words behind the noun or before it, target)."""
    for axis, low, high in ((0, "left", "right"), (1, "top", "bottom")):
        whole = (photo.width, photo.height)[axis]
        for thing in things:
            others = [other for other in things if other is not thing]
            place = thing.middle[axis] / whole
            edges = (thing.x0, thing.x1) if axis == 0 else (thing.y0, thing.y1)
            if place < 0.33 and edges[1] < 0.5 * whole and all(_beyond(other, axis, 0.5 * whole, 1) for other in others):
                yield f"on the {low}", low, thing
            if place > 0.67 and edges[0] > 0.5 * whole and all(_beyond(other, axis, 0.5 * whole, -1) for other in others):
                yield f"on the {high}", high, thing
    for thing in things:
        others = [other for other in things if other is not thing]
        if abs(thing.middle[0] / photo.width - 0.5) < 0.08 and len(others) > 1:
            if all(not 0.3 < other.middle[0] / photo.width < 0.7 for other in others):
                yield "in the middle", "middle", thing


def _beyond(thing: Seen, axis: int, line: float, side: int) -> bool:
    edges = (thing.x0, thing.x1) if axis == 0 else (thing.y0, thing.y1)
    return edges[0] >= line if side > 0 else edges[1] <= line


def orders(photo: Photo, things: Sequence[Seen]) -> Iterator[tuple[str, str, Seen]]:
    """From the left and from the right, where middles, left edges and right edges agree on the order. Up to six things."""
    if not 2 <= len(things) <= 6:
        return
    by = [sorted(things, key=measure) for measure in (lambda a: a.middle[0], lambda a: a.x0, lambda a: a.x1)]
    names = [[thing.index for thing in row] for row in by]
    if names[0] != names[1] or names[0] != names[2]:
        return
    row = by[0]
    scale = sum(thing.width for thing in row) / len(row)
    if min(b.middle[0] - a.middle[0] for a, b in zip(row, row[1:])) < max(0.3 * scale, 0.03 * photo.width):
        return
    yield "leftmost", "", row[0]
    yield "rightmost", "", row[-1]
    for rank, word in enumerate(("second", "third"), start=2):
        if len(row) > rank:
            yield f"{word} from the left", "", row[rank - 1]
            yield f"{word} from the right", "", row[-rank]


def sizes(things: Sequence[Seen]) -> Iterator[tuple[str, Seen]]:
    areas: list[Callable[[Seen], float]] = [lambda a: math.log(a.width * a.height), lambda a: math.log(a.height)]
    if all(thing.pixels is not None for thing in things):
        areas.append(lambda a: math.log(a.pixels.sum()))
    for word, sign in (("largest", -1), ("smallest", 1)):
        measures = [lambda a, measure=measure: sign * measure(a) for measure in areas]  # noqa: B023
        if (found := single(things, measures, 0.3)) is not None:
            yield word, found


def nearest(things: Sequence[Seen], evidence: Seen) -> Seen | None:
    """By middles and by edges, and by masks where all have one; clear by a part of the evidence's size."""
    measures: list[Callable[[Seen], float]] = [
        lambda a: math.dist(a.middle, evidence.middle) / evidence.size,
        lambda a: apart(a, evidence) / evidence.size,
    ]
    if evidence.pixels is not None and all(thing.pixels is not None for thing in things):
        measures.append(lambda a: mask_apart(a, evidence) / evidence.size)
    return single(things, measures, 0.5)


# --- expressions ----------------------------------------------------------------------------------

_ON_TABLES = frozenset(
    """bottle cup fork knife spoon bowl banana apple sandwich orange broccoli carrot donut cake pizza laptop mouse remote
    keyboard book vase scissors""".split()
) | {"wine glass", "hot dog", "cell phone", "potted plant", "teddy bear"}
_HELD = ("tie backpack handbag umbrella suitcase frisbee skateboard surfboard snowboard skis kite".split()) + [
    "tennis racket", "baseball bat", "baseball glove", "cell phone"
]  # fmt: skip
_SUPPORTS = {
    "dining table": _ON_TABLES, "bed": frozenset({"cat", "dog", "book", "laptop", "teddy bear", "person", "remote"}),
    "couch": frozenset({"cat", "dog", "person", "teddy bear", "remote", "laptop", "book"}), "chair": frozenset({"cat", "dog"}),
    **dict.fromkeys("bench surfboard skateboard snowboard motorcycle bicycle horse elephant".split(), frozenset({"person"})),
}  # fmt: skip
_HOLDERS = {
    "bowl": frozenset("banana apple orange broccoli carrot donut spoon".split()), "vase": frozenset({"potted plant"}),
    **dict.fromkeys(("boat", "car", "truck", "bus", "train"), frozenset({"person"})),
}  # fmt: skip
# Things that reach far into the depth of a picture: what stands behind a table is higher in the picture and not above it.
_DEEP = frozenset({"dining table", "chair", "couch", "bed", "bench", "bowl", "pizza", "cake", "sink", "toilet", "boat"})


def _is_flat(noun: str, other: str) -> bool:
    return not _DEEP & {noun, other}


_RELATIONS: tuple[tuple[str, tuple[str, ...], Callable, Callable[[str, str], bool]], ...] = (
    ("left of", ("to the left of", "left of"), is_left, lambda noun, other: True),
    ("right of", ("to the right of", "right of"), is_right, lambda noun, other: True),
    ("above", ("above",), is_above, _is_flat),
    ("below", ("below", "under"), is_below, _is_flat),
    ("on", ("on", "on top of"), is_on, lambda noun, other: noun in _SUPPORTS.get(other, ())),
    ("in", ("in", "inside"), is_in, lambda noun, other: noun in _HOLDERS.get(other, ())),
    ("next to", ("next to", "beside"), is_next_to, lambda noun, other: noun not in _SUPPORTS.get(other, ())),
    ("with", ("with",), is_with, lambda noun, other: noun == "person" and other in _HELD),
)


def _accepts(answers: Answers) -> bool:
    return all(answer is True for answer in answers)


def _rejects(answers: Answers) -> bool:
    return all(answer is False for answer in answers)


def _chosen(things: Sequence[Seen], definition: Callable[..., Answers], *evidence: Seen) -> Seen | None:
    """The one thing that every definition accepts, where every definition rejects all others."""
    things = [thing for thing in things if thing not in evidence]
    if len(things) < 2:
        return None
    accepted = [thing for thing in things if _accepts(definition(thing, *evidence))]
    if len(accepted) != 1:
        return None
    return accepted[0] if all(_rejects(definition(thing, *evidence)) for thing in things if thing is not accepted[0]) else None


def truths(photo: Photo) -> list[Truth]:
    """All kept expressions of a photograph, at most `MOST_PER_KIND` of a relation and level, spread evenly."""
    many = [noun for noun in sorted(photo.countable) if len(photo.named(noun)) >= 2]
    alone = [truth for noun in many for truth in _alone(photo, noun)]
    things = photo.things
    single = [(f"the {a.noun}", a, 1) for a in things if a.noun in photo.countable and len(photo.named(a.noun)) == 1]
    chosen = [(truth.expression, things[truth.target], 1) for truth in alone if truth.relation in ("order", "largest")]
    second = list(_related(photo, many, single + chosen, 2))
    third = _related(photo, many, [(truth.expression, things[truth.target], 2) for truth in second], 3)
    kept: dict[tuple[str, int], list[Truth]] = defaultdict(list)
    for truth in (*alone, *second, *third):
        kept[truth.relation, truth.level].append(truth)
    return [truth for (_, level), row in kept.items() for truth in _spread(row, MOST_PER_KIND if level > 1 else 1)]


def _spread(row: list[Truth], most: int) -> list[Truth]:
    step = max(len(row) / most, 1)
    return [row[int(k * step)] for k in range(min(most, len(row)))]


def _alone(photo: Photo, noun: str) -> Iterator[Truth]:
    """Choices without evidence; their level is 1."""
    things = photo.named(noun)
    for words, side, thing in positions(photo, things):
        if side in ("top", "bottom"):
            words = words.replace("on the", "at the")
        yield Truth(photo, f"the {noun} {words}", f"position {side}", thing.index, level=1)
    for words, _, thing in orders(photo, things):
        first, _, rest = words.partition(" ")
        yield Truth(photo, f"the {first} {noun} {rest}".strip(), "order", thing.index, level=1)
    for word, thing in sizes(things):
        yield Truth(photo, f"the {word} {noun}", word, thing.index, level=1)


def _related(photo: Photo, many: Sequence[str], evidence: Sequence[tuple[str, Seen, int]], level: int) -> Iterator[Truth]:
    for noun, (words, other, evidence_level) in product(many, evidence):
        if evidence_level + 1 < level or noun == other.noun:
            continue
        things = photo.named(noun)
        for relation, wordings, definition, is_said in _RELATIONS:
            if is_said(noun, other.noun) and (target := _chosen(things, definition, other)) is not None:
                wording = wordings[(target.index + other.index) % len(wordings)]
                yield Truth(photo, f"the {noun} {wording} {words}", relation, target.index, (other.index,), level)
        if (target := nearest(things, other)) is not None:
            yield Truth(photo, f"the {noun} closest to {words}", "closest", target.index, (other.index,), level)
    if level == 2:
        plain = [known for known in evidence if known[0] == f"the {known[1].noun}"]
        for noun in many:
            for (first, a, _), (second, b, _) in product(plain, plain):
                if a.index < b.index and (target := _chosen(photo.named(noun), is_between, a, b)) is not None:
                    words = f"the {noun} between {first} and {second}"
                    yield Truth(photo, words, "between", target.index, (a.index, b.index), level)
