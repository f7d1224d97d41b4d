# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Draws what stands where: small groups (one thing on another, inside a ring, held, touching, or alone) thrown on a plane.

Members of a group meet pixel by pixel; boxes of different groups stay clearly apart, so nothing covers or nearly touches anything
else. Roles decide nouns first, then nouns are repeated until there are enough distractors. No torch.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np

from promvil_hf.toy import shapes
from promvil_hf.toy.config import ROBOT, SIZES, WorldConfig
from promvil_hf.toy.objects import ToyObject


SMALL, LARGE, CONTAINER, FIGURE = (0.14, 0.17), (0.23, 0.28), (0.40, 0.43), (0.30, 0.33)  # of the shorter image side
TWINS = {3: 0.6, 4: 0.9}  # share of draws with two look-alike groups, by level
FLAT_TOPPED = ("square", "table")
ROLES = (*FLAT_TOPPED, "ring")
MARGIN, GAP = 0.02, 0.045  # to the border and between groups


def draw_objects(config: WorldConfig, count: int, first_id: int, rng: Random) -> tuple[ToyObject, ...] | None:
    """Draw the objects of one scene, ids ascending from `first_id`. None when the draw failed: draw again.

    Args:
        config: The world.
        count: How many objects.
        first_id: Id of the first one.
        rng: Where the draw comes from.
    """
    groups = _draw_groups(config, count, rng)
    placed = _place(config, groups, rng) if groups else None
    if placed is None:
        return None
    return tuple(replace(thing, object_id=first_id + k, x=x, y=y) for k, (thing, x, y) in enumerate(placed))


_Group = list[tuple[ToyObject, int, int]]  # objects, which have no place yet, with their offsets in the group


def _draw_groups(config: WorldConfig, count: int, rng: Random) -> list[_Group] | None:
    """Decide what stands with what, and give every member its looks. None when the draw breaks a rule of the config."""
    pair_kinds = [kind for kind in ("inside", "on", "touching", "holding") if _allowed(kind, config)]
    kinds: list[str] = []
    # Phrases of three and more levels live on look-alikes: two groups of the same kind with the same nouns.
    twins = config.levels > 2 and count > 4 and bool(pair_kinds) and rng.random() < TWINS[config.levels]
    if twins:
        kinds += [rng.choice(pair_kinds)] * 2
    while (free := count - sum(1 if kind == "alone" else 2 for kind in kinds)) > 0:
        kinds.append(rng.choice(["alone", "alone", *(pair_kinds if free > 1 else ())]))
    names = _draw_names(config, kinds, twins, rng)
    if _repeats(names) < config.distractors:
        return None
    looks = [_draw_looks(config, name, rng) for name in names]
    if config.split == "test":
        able = [k for k, name in enumerate(names) if any(shape == name for _, shape in config.held_out)]
        if not able:
            return None
        k = rng.choice(able)
        looks[k] = (rng.choice([color for color, shape in config.held_out if shape == names[k]]), *looks[k][1:])
    members = iter(zip(names, looks, strict=True))
    groups = []
    for kind in kinds:
        group = _arrange(config, kind, [next(members) for _ in range(1 if kind == "alone" else 2)], rng)
        if group is None:
            return None
        groups.append(group)
    return groups


def _allowed(kind: str, config: WorldConfig) -> bool:
    if kind not in config.predicates:
        return False
    if kind == "inside":
        return "ring" in config.shapes
    if kind == "on":
        return any(name in config.shapes for name in FLAT_TOPPED)
    return True


def _draw_names(config: WorldConfig, kinds: list[str], twins: bool, rng: Random) -> list[str]:
    """Nouns in group order. Roles come first (a ring goes around, a robot holds); the rest repeats nouns as often as asked."""
    names: list[str | None] = []
    for kind in kinds:
        names += {
            "alone": [None],
            "inside": [None, "ring"],
            "on": [None, rng.choice([name for name in FLAT_TOPPED if name in config.shapes] or [None])],
            "touching": [None, None],
            "holding": [ROBOT, None],
        }[kind]
    if twins:
        free = [name for name in config.shapes if name not in names[:2]] or list(config.shapes)
        names[:2] = [name or rng.choice(free) for name in names[:2]]
        names[2:4] = names[:2]
    repeats = max(config.distractors, config.levels - 1) - _repeats([name for name in names if name])
    open_places = [k for k, name in enumerate(names) if name is None]
    rng.shuffle(open_places)
    for rank, place in enumerate(open_places):
        used = [name for name in names if name and name != ROBOT]
        must_repeat = len(open_places) - rank <= repeats
        if used and repeats > 0 and (must_repeat or rng.random() < 0.5):
            fewest = min(used.count(name) for name in used)  # pairs of nouns compose better than crowds of one noun
            names[place] = rng.choice(sorted({name for name in used if used.count(name) == fewest}))
            repeats -= 1
        else:
            new = [name for name in config.shapes if name not in used]
            plain = [name for name in new if name not in ROLES]
            # Things with a role are drawn for their role already.
            names[place] = rng.choice(plain if plain and rng.random() < 0.6 else new or list(config.shapes))
    return names


def _repeats(names: Sequence[str]) -> int:
    """How many names say again what another one said."""
    return len(names) - len(set(names))


def _draw_looks(config: WorldConfig, name: str, rng: Random) -> tuple[str | None, str | None, str | None]:
    """Color, size and texture for a noun."""
    if name == ROBOT:
        return None, None, None
    colors = config.colors
    if config.split == "train":
        colors = [color for color in colors if (color, name) not in config.held_out]
    texture = rng.choice(config.textures) if config.textures != ("plain",) else None
    return rng.choice(colors), rng.choice(SIZES), texture


def _arrange(config: WorldConfig, kind: str, members, rng: Random) -> _Group | None:
    """Build one group around its first member's place (0, 0)."""
    if kind == "inside":
        (name, look), (ring, ring_look) = members
        outer = _spec(config, ring, (ring_look[0], "large", ring_look[2]), rng, CONTAINER)
        inner = _spec(config, name, (look[0], "small", look[2]), rng)
        (width, height), (ring_width, ring_height) = inner.stamp.size, outer.stamp.size
        slack = max(0, round(0.04 * config.unit) - 1)
        x = (ring_width - width) // 2 + rng.randint(-slack, slack)
        y = (ring_height - height) // 2 + rng.randint(-slack, slack)
        group = [(inner, x, y), (outer, 0, 0)]
        return group if _clear_inside(group) else None
    specs = [_spec(config, name, look, rng) for name, look in members]
    if kind == "alone":
        return [(specs[0], 0, 0)]
    if kind == "on":
        offset = _rest_on(specs[0].stamp.mask, specs[1].stamp.mask, rng)
        if offset is None:
            return None
        return [(specs[0], offset, -specs[0].stamp.size[1]), (specs[1], 0, 0)]
    if kind == "holding":
        name, look = members[1]
        specs[1] = _spec(config, name, (look[0], "small", look[2]), rng)
    if rng.random() < 0.5:  # the second member stands to the right
        down = _meet(specs[0].stamp.mask, specs[1].stamp.mask, rng)
        return [(specs[0], 0, 0), (specs[1], specs[0].stamp.size[0], down)]
    down = _meet(specs[1].stamp.mask, specs[0].stamp.mask, rng)
    return [(specs[0], specs[1].stamp.size[0], down), (specs[1], 0, 0)]


def _spec(config: WorldConfig, name: str, look, rng: Random, share: tuple[float, float] | None = None) -> ToyObject:
    color, size, texture = look
    low, high = share or (FIGURE if name == ROBOT else SMALL if size == "small" else LARGE)
    scale = config.unit * config.object_scale
    drawn = rng.randint(round(low * scale), max(round(low * scale), int(high * scale)))
    variant = rng.randrange(shapes.VARIANTS)  # drawn in every style, so that styles differ in little else
    variant = variant if config.style == "sketch" else 0
    return ToyObject(0, name, color, size, texture, 0, 0, drawn, variant, config.style)


def _clear_inside(group: _Group) -> bool:
    """The inner thing lies in the ring's hole with at least a pixel of air around it."""
    (inner, x, y), (outer, _, _) = group
    mask, wall = inner.stamp.mask, outer.stamp.mask
    height, width = mask.shape
    if x < 2 or y < 2 or x + width + 2 > wall.shape[1] or y + height + 2 > wall.shape[0]:
        return False
    return not any(
        (mask & wall[y + down : y + down + height, x + right : x + right + width]).any()
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
    )


def _meet(left: np.ndarray, right: np.ndarray, rng: Random) -> int:
    """How far down the right silhouette must stand for its first column to meet the left one's last column."""
    ends, starts = np.flatnonzero(left[:, -1]), np.flatnonzero(right[:, 0])
    shifts = sorted({int(end - start) for end in ends for start in starts})
    level = (left.shape[0] - right.shape[0]) / 2
    return rng.choice(sorted(shifts, key=lambda shift: (abs(shift - level), shift))[: max(1, len(shifts) // 2)])


def _rest_on(top: np.ndarray, base: np.ndarray, rng: Random) -> int | None:
    """How far right the upper silhouette must stand for its last row to meet the base's first row, near the middle."""
    feet, table = np.flatnonzero(top[-1]), np.flatnonzero(base[0])
    middle = (base.shape[1] - top.shape[1]) / 2
    shifts = {int(spot - foot) for foot in feet for spot in table}
    near = sorted(shift for shift in shifts if abs(shift - middle) <= 0.2 * base.shape[1])
    return rng.choice(near) if near else None


def _place(config: WorldConfig, groups: list[_Group], rng: Random) -> list[tuple[ToyObject, int, int]] | None:
    """Throw the groups on the plane, largest first, their boxes apart. None when one finds no room."""
    width, height = config.image_size
    margin, gap = max(1, round(MARGIN * config.unit)), max(3, round(GAP * config.unit))
    shifted = []
    for group in groups:
        left, top = min(x for _, x, _ in group), min(y for _, _, y in group)
        group = [(spec, x - left, y - top) for spec, x, y in group]
        extent = [max(place[axis + 1] + place[0].stamp.size[axis] for place in group) for axis in (0, 1)]
        shifted.append((group, extent))
    order = sorted(range(len(groups)), key=lambda k: -shifted[k][1][0] * shifted[k][1][1])
    taken: list[tuple[int, int, int, int]] = []
    corners: dict[int, tuple[int, int]] = {}
    for k in order:
        w, h = shifted[k][1]
        if w + 2 * margin > width or h + 2 * margin > height:
            return None
        for _ in range(40):
            x, y = rng.randint(margin, width - margin - w), rng.randint(margin, height - margin - h)
            if all(
                x >= right + gap or x + w + gap <= left or y >= bottom + gap or y + h + gap <= top
                for left, top, right, bottom in taken
            ):
                taken.append((x, y, x + w, y + h))
                corners[k] = (x, y)
                break
        else:
            return None
    placed = [
        (spec, corners[k][0] + dx, corners[k][1] + dy) for k in range(len(groups)) for spec, dx, dy in shifted[k][0]
    ]
    rng.shuffle(placed)
    return placed
