# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the toy bases are trained on: scenes of the small world as rows.

Scenes are drawn when a row is asked for (a millisecond), so a training set has any length and takes no room. No torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from promvil_hf.dialects import Kosmos2
from promvil_hf.phrases import PROMVIL, GroundedPhrase, PhraseChain, PhraseStep
from promvil_hf.toy.config import COLORS, ROBOT, SHAPES, SIZES, WorldConfig
from promvil_hf.toy.language import described, with_article
from promvil_hf.toy.relations import side_of
from promvil_hf.toy.scenery import Scene, scene
from promvil_hf.toy.small_world import HARD, HELD_OUT, NESTED, SIDE, questions, world


PATCH = 8  # pixels
PLACES = (SIDE // PATCH) ** 2
NAMES = (*SHAPES, ROBOT)
COLUMNS, ROWS = tuple("ABCDEFGH"), tuple("12345678")  # squares of the picture are named as those of a chessboard

# What scenes a base sees, with their shares. One object says where things are, many say which of them is meant.
MIXED = ((world(1), 0.05), (world(2, 3), 0.2), (HARD, 0.4), (NESTED, 0.35))


@dataclass(frozen=True)
class ToyRows:
    """A map-style training set: row i is `row_of(scene, random)` of a scene that `(seed, i)` determines.

    Args:
        row_of: What becomes of a scene.
        length: How many rows.
        seed: Another seed, other scenes.
        worlds: What its scenes are of, with their shares.
    """

    row_of: Callable[[Scene, Random], Any]
    length: int
    seed: int = 0
    worlds: tuple[tuple[WorldConfig, float], ...] = MIXED

    def __post_init__(self):
        if self.length > HELD_OUT:
            raise ValueError(
                f"You asked for {self.length:,} rows: from scene {HELD_OUT:,} on, scenes are held out for measuring. Ask "
                "for fewer, or take another seed."
            )

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < self.length:
            raise IndexError(f"There is no row {index} among {self.length}.")
        rng = Random(f"{self.seed}/{index}/row")
        worlds, shares = zip(*self.worlds, strict=True)
        config = rng.choices(worlds, shares)[0]
        return self.row_of(scene(config, self.seed, index), rng)


def phrase_row(drawn: Scene, rng: Random, of_each: int = 2) -> dict:
    """Unambiguous simple phrases, up to so many of each object, as a chain of level 1 with its picture.

    Three in ten are worded as PromViL words a simple phrase that stands alone ("large circles"), so that the base
    understands both wordings; the row's text is final, and the collator must not put it in the plural again.
    """
    choices: dict[int, list[str]] = {}
    for noun in drawn.phrases[0]:
        choices.setdefault(noun.target, []).append(noun.text)
    steps: dict[str, PhraseStep] = {}
    for position, texts in choices.items():
        for text in rng.sample(texts, min(of_each, len(texts))):
            text = PROMVIL.alone(text, 1) if rng.random() < 0.3 else text
            steps[text] = PhraseStep(GroundedPhrase(text, [drawn.box(position)]))
    return {"image": drawn.image(), "chain": PhraseChain(str(drawn.image_id), list(steps.values()))}


def question_row(drawn: Scene, rng: Random, turns: int = 7) -> dict:
    """A picture and a conversation about it, as a FiVL-Instruct row without key expressions.

    Two pictures in five are asked only what is there, one is asked for the color, size and side of each thing that a phrase
    picks out; the others are asked a few questions of six kinds.
    """
    kind = rng.choices(("there", "each thing", "mixed"), (4, 2, 4))[0]
    asked: list[tuple[str, str]] = []
    if kind == "there":
        asked, turns = asked_what_is_there(drawn, rng), 12
    elif kind == "each thing":
        asked, turns = asked_of_each(drawn), 12
    if not asked:
        asked = [(question, answer) for _, question, answer in questions(drawn)]
    return _talk(drawn, asked, turns, rng)


def place_talk_row(drawn: Scene, rng: Random, turns: int = 12) -> dict:
    """A picture and a conversation about where things stand: more to learn from a picture than "yes" or "red".

    Three pictures in ten are described thing by thing, with the square each stands on; half are asked for the square of
    each thing; the others are asked what is there.
    """
    kind = rng.choices(("described", "squares", "there"), (3, 5, 2))[0]
    if kind == "described":
        descriptions = [f"the {described(drawn.objects[k])} {_square(drawn, k)}" for k in range(len(drawn.objects))]
        rng.shuffle(descriptions)
        return _talk(drawn, [("What is in the image?", ", ".join(descriptions))], turns, rng)
    return _talk(drawn, asked_for_squares(drawn) if kind == "squares" else asked_what_is_there(drawn, rng), turns, rng)


def _talk(drawn: Scene, asked: list[tuple[str, str]], turns: int, rng: Random) -> dict:
    rng.shuffle(asked)
    talk = [{"question": question, "answer": answer} for question, answer in asked[:turns]]
    return {"image": drawn.image(), "turns": talk, "key_expressions": [], "row_id": str(drawn.image_id)}


def _square(drawn: Scene, position: int) -> str:
    """The square of the picture that the middle of a thing's box lies in: "C 5"."""
    box = drawn.box(position)
    column = COLUMNS[int((box.x0 + box.x1) / 2 * len(COLUMNS))]
    return f"{column} {ROWS[int((box.y0 + box.y1) / 2 * len(ROWS))]}"


def asked_for_squares(drawn: Scene) -> list[tuple[str, str]]:
    """On which square each thing is that a phrase picks out."""
    return [(f"On which square is {noun.text}?", _square(drawn, noun.target)) for noun in drawn.phrases[0]]


def asked_what_is_there(drawn: Scene, rng: Random, turns: int = 12) -> list[tuple[str, str]]:
    """POPE's question for colored shapes, each of them there or not by the toss of a coin.

    Half of what is not there is a shape of the picture in another color, half a shape that the picture does not have: that is
    seen more easily, and comparing begins with it.

    `pope_questions` asks for each shape as often with "yes" as with "no". In a conversation that balance would give an answer
    away to a reader of the earlier ones, who then never learns to look; so would what is left when all of one kind are asked.
    """
    here = sorted({(thing.color, thing.name) for thing in drawn.objects if thing.color})
    names = sorted({name for _, name in here})
    recolored = [(color, name) for name in names for color in drawn.config.colors if (color, name) not in here]
    foreign = [(color, name) for name in SHAPES if name not in names for color in drawn.config.colors]
    for pool in (here, recolored, foreign):
        rng.shuffle(pool)
    asked: list[tuple[str, str]] = []
    while here and recolored and foreign and len(asked) < turns:
        answer, left = rng.choice((("yes", here), ("yes", here), ("no", recolored), ("no", foreign)))
        asked.append((f"Is there {with_article(' '.join(left.pop()))} in the image?", answer))
    return asked


def asked_of_each(drawn: Scene) -> list[tuple[str, str]]:
    """Questions for what a phrase that picks out one thing does not say of it, worded as GQA's kind has them."""
    asked: dict[str, str] = {}
    for noun in drawn.phrases[0]:
        thing = drawn.objects[noun.target]
        for aspect, word in (("color", thing.color), ("size", thing.size)):
            if word and word not in noun.adjectives:
                asked[f"What {aspect} is {noun.text}?"] = word
        side = side_of(thing.xyxy_px[0], thing.xyxy_px[2], drawn.size[0])
        if side:
            asked[f"On which side of the image is {noun.text}?"] = side
    return list(asked.items())


def place_row(drawn: Scene, rng: Random | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The picture (64, 64, 3) and what stands at each of its places: (64, 7) name, color, size, cells x0 y0 x1 y1; -1: ground.

    A place is a patch of the tower. It shows the object that covers most of it, if that is an eighth of it or more; cells
    are those of Kosmos-2's location grid.
    """
    grid = SIDE // PATCH
    side = Kosmos2().grid.side
    known = np.empty((len(drawn.objects), 7), np.int64)
    for position, thing in enumerate(drawn.objects):
        first, last = Kosmos2().grid.encode(drawn.box(position))
        known[position] = (
            NAMES.index(thing.name),
            COLORS.index(thing.color) if thing.color else len(COLORS),
            SIZES.index(thing.size) if thing.size else len(SIZES),
            first % side, first // side, last % side, last // side,
        )  # fmt: skip
    patches = drawn.label_map().reshape(grid, PATCH, grid, PATCH).transpose(0, 2, 1, 3).reshape(PLACES, -1)
    covered = np.stack([(patches == position + 1).sum(1) for position in range(len(drawn.objects))], 1)
    found = known[covered.argmax(1)]
    found[covered.max(1) < PATCH * PATCH // 8] = -1
    return np.asarray(drawn.image()), found
