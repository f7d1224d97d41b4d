# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a toy world may contain: its words (shapes, colors, sizes, textures, predicates, styles) and its difficulty.

Every word of the toy language stands here once, so that the drawing, the phrases, the questions and the tests agree. Standard
library only.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import product
from random import Random


SHAPES = ("circle", "square", "triangle", "star", "ring", "cross", "diamond", "heart", "moon", "table")
ROBOT = "robot"  # the one thing without color, size and texture: a grey figure that can hold something
COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
SIZES = ("small", "large")
TEXTURES = ("plain", "striped", "dotted")
STYLES = ("flat", "sketch", "night")
SPLITS = ("all", "train", "test")
WORDINGS = ("plain", "varied")

DIRECTIONS = ("left of", "right of", "above", "below")
# Of these, where the thing is that a phrase refers to decides what it means. Of a direction it need not: the only star left of
# something is the leftmost star, whatever it is left of.
NEARNESS = ("inside", "around", "on", "touching", "holding", "held by", "next to")
PREDICATES = (*DIRECTIONS, *NEARNESS)
_PAIRS = {"left of": "right of", "above": "below", "inside": "around", "holding": "held by"}
_SYMMETRIC = {"touching": "touching", "next to": "next to"}
INVERSES = _PAIRS | {inverse: predicate for predicate, inverse in _PAIRS.items()} | _SYMMETRIC
# How a predicate may be worded in a phrase; the first wording is the predicate itself.
WORDINGS_OF = {predicate: (predicate,) for predicate in PREDICATES} | {
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
}

# The predicate after "is": what questions and sentences say.
SPOKEN = {predicate: WORDINGS_OF[predicate][-1] for predicate in PREDICATES}

ASPECTS = dict.fromkeys(COLORS, "color") | dict.fromkeys(SIZES, "size") | dict.fromkeys(TEXTURES, "pattern")


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """One kind of toy world. Together with a seed and an index it determines a scene to the last pixel.

    Args:
        image_size: `(width, height)` in pixels. Everything scales with the shorter side; 64 is the smallest sensible one.
        objects: Fewest and most objects in a scene.
        levels: Every scene holds an unambiguous expression of each level from 1 to this one (at most 4).
        distractors: At least this many objects repeat the noun of another one. Composed expressions need 1 or more.
        style: `"flat"`, `"sketch"` (wobbly hatched drawings on paper) or `"night"` (bright rims on a dark ground).
        shapes: Nouns of the world, a subset of `SHAPES`.
        colors: A subset of `COLORS`.
        textures: A subset of `TEXTURES`. When everything is plain, the word is never used.
        predicates: Relations that phrases and questions use, a subset of `PREDICATES`. Nothing is stacked, nested, held or
            made to touch when its predicate is absent.
        held_out: `(color, shape)` pairs kept for testing. See `held_out_pairs`.
        split: `"train"` scenes never show a held-out pair, `"test"` scenes show at least one, `"all"` ignores them.
        object_scale: Multiplies the size of every object.
        wording: `"varied"` says "to the left of" and "that is" now and then; `"plain"` never the first, and the second only
            where a verb would leave open what a clause belongs to.
    """

    image_size: tuple[int, int] = (128, 128)
    objects: tuple[int, int] = (5, 7)
    levels: int = 3
    distractors: int = 2
    style: str = "flat"
    shapes: tuple[str, ...] = SHAPES
    colors: tuple[str, ...] = COLORS
    textures: tuple[str, ...] = TEXTURES
    predicates: tuple[str, ...] = PREDICATES
    held_out: tuple[tuple[str, str], ...] = ()
    split: str = "all"
    object_scale: float = 1.0
    wording: str = "varied"

    def __post_init__(self):
        known = {"shapes": SHAPES, "colors": COLORS, "textures": TEXTURES, "predicates": PREDICATES}
        for name, allowed in known.items():
            given = getattr(self, name)
            unknown = sorted(set(given) - set(allowed))
            if unknown or (not given and name != "predicates") or len(set(given)) != len(given):
                raise ValueError(
                    f"You passed {name}={given!r}. A toy world knows each of these once: {', '.join(allowed)}. "
                    f"Pass a tuple of some of them{f', without {unknown}' if unknown else ''}."
                )
        for name, allowed in (("style", STYLES), ("split", SPLITS), ("wording", WORDINGS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"You passed {name}={getattr(self, name)!r}. Pass one of {', '.join(allowed)}.")
        if len(self.image_size) != 2 or min(self.image_size) < 48 or max(self.image_size) > 4096:
            raise ValueError(
                f"You passed image_size={self.image_size}. Shapes cannot be told apart below 48 pixels: pass "
                "(width, height) with both sides from 48 to 4096."
            )
        low, high = self.objects
        if not 1 <= low <= high <= 20:
            raise ValueError(f"You passed objects={self.objects}. Pass (fewest, most) with 1 <= fewest <= most <= 20.")
        if not 1 <= self.levels <= 4:
            raise ValueError(f"You passed levels={self.levels}. Toy expressions have 1 to 4 levels.")
        if not 0 <= self.distractors < max(low, 2):
            raise ValueError(
                f"You passed distractors={self.distractors} with at least {low} objects. An object can repeat a noun "
                "only when another one has it: pass fewer distractors than objects."
            )
        if self.levels > 1 and (not self.distractors or low < self.levels + 1 or not self.predicates):
            raise ValueError(
                f"You passed levels={self.levels} with objects={self.objects}, distractors={self.distractors} and "
                f"{len(self.predicates)} predicates. A composed expression needs a noun that occurs twice, a predicate "
                f"and one object more than its levels: pass distractors >= 1, objects=({self.levels + 1}, ...) or more, "
                "and predicates."
            )
        if not 0.5 <= self.object_scale <= 3.0:
            raise ValueError(f"You passed object_scale={self.object_scale}. Pass a factor from 0.5 to 3.")
        stray = [pair for pair in self.held_out if pair[0] not in self.colors or pair[1] not in self.shapes]
        if stray or len(set(self.held_out)) >= len(self.colors) * len(self.shapes):
            raise ValueError(
                f"You passed held_out={self.held_out}. Each pair must be a (color, shape) of this world, and not all "
                "pairs can be held out. Take them from promvil_hf.toy.world.held_out_pairs."
            )
        if self.split == "test" and not self.held_out:
            raise ValueError('You passed split="test" without held_out. A test scene shows a held-out pair: name some.')

    @property
    def unit(self) -> int:
        """The shorter side in pixels: what all sizes and distances are fractions of."""
        return min(self.image_size)


def held_out_pairs(
    share: float = 0.2, seed: int = 0, colors: tuple[str, ...] = COLORS, shapes: tuple[str, ...] = SHAPES
) -> tuple[tuple[str, str], ...]:
    """Pick `(color, shape)` pairs to hold out, such that every color and every shape stays in training.

    Args:
        share: Share of all pairs, below one half.
        seed: Another seed, another choice.
        colors: Colors to pair.
        shapes: Shapes to pair.
    """
    if not 0 <= share < 0.5:
        raise ValueError(f"You passed share={share}. Training must see more pairs than it misses: pass 0 <= share < 0.5.")
    pairs = list(product(colors, shapes))
    Random(f"held out {seed}").shuffle(pairs)
    chosen: list[tuple[str, str]] = []
    used: Counter[str] = Counter()
    for color, shape in pairs:
        if len(chosen) >= round(share * len(pairs)):
            break
        if used[color] < len(shapes) // 2 and used[shape] < len(colors) // 2:
            chosen.append((color, shape))
            used.update((color, shape))
    return tuple(sorted(chosen))
