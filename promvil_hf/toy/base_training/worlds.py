# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The worlds the toy bases see, and their scenes as training rows.

Special: scenes are drawn when a row is asked for (a millisecond), so a training set has any length and takes no room. A set
is a course: its first rows show one object, its last ones many. Take its rows in their order. No torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from promvil_hf.boxes import Box
from promvil_hf.dialects import Kosmos2
from promvil_hf.phrases import PROMVIL, GroundedPhrase, PhraseChain, PhraseStep
from promvil_hf.toy.config import COLORS, ROBOT, SHAPES, SIZES, WorldConfig
from promvil_hf.toy.gqa import gqa_questions
from promvil_hf.toy.questions import pope_questions
from promvil_hf.toy.scenery import Scene, scene


SIDE, PATCH = 64, 8  # pixels
PLACES = (SIDE // PATCH) ** 2
NAMES = (*SHAPES, ROBOT)
HELD_OUT = 1_000_000  # number of the first scene that no training ever draws

# The kinds of questions a toy LLaVA is trained and measured on, in the words of their own types.
QUESTIONS = ("directWhich", "chooseAttr", "verifyAttr", "existAttr", "positionQuery", "pope")


def world(fewest: int, most: int | None = None, levels: int = 1) -> WorldConfig:
    """Plain flat shapes, 64 x 64 pixels, large enough to fill several patches."""
    return WorldConfig(
        image_size=(SIDE, SIDE),
        objects=(fewest, most or fewest),
        levels=levels,
        distractors=0 if fewest == 1 else 1 if levels == 1 else 2,
        textures=("plain",),
        object_scale=1.3 if levels == 1 else 1.2,
        wording="plain",
    )


# What is drawn when: (share of the training, worlds with their shares of that part). One object first: where things are;
# then few and many: which of them is meant. Drawn together from the start, the single ones are too small a part to be learned.
COURSE = (
    (0.25, ((world(1), 1.0),)),
    (0.30, ((world(1), 0.2), (world(2, 3), 0.8))),
    (0.45, ((world(1), 0.1), (world(2, 3), 0.3), (world(4, 6), 0.6))),
)
HARD = world(4, 6)
NESTED = world(5, 6, levels=3)
MIXED = ((1.0, ((world(1), 0.07), (world(2, 3), 0.25), (world(4, 6), 0.68))),)  # for the tower


@dataclass(frozen=True)
class ToyRows:
    """A map-style training set: row i is `row_of(scene, random)` of a scene that `(seed, i)` determines.

    Args:
        row_of: What becomes of a scene.
        length: How many rows.
        seed: Another seed, other scenes.
        course: Shares of the length, and for each the worlds its scenes are of, with their shares.
    """

    row_of: Callable[[Scene, Random], Any]
    length: int
    seed: int = 0
    course: tuple[tuple[float, tuple[tuple[WorldConfig, float], ...]], ...] = COURSE

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
        done, part = index / self.length, 0
        while part + 1 < len(self.course) and done >= sum(share for share, _ in self.course[: part + 1]):
            part += 1
        worlds, shares = zip(*self.course[part][1], strict=True)
        config = rng.choices(worlds, shares)[0]
        return self.row_of(scene(config, self.seed, index), rng)


def held_out(config: WorldConfig, count: int, seed: int = 0) -> list[Scene]:
    """Scenes that no training set of this seed contains."""
    return [scene(config, seed, index) for index in range(HELD_OUT, HELD_OUT + count)]


def box_of(drawn: Scene, position: int) -> Box:
    width, height = drawn.size
    left, top, right, bottom = drawn.objects[position].xyxy_px
    return Box(left / width, top / height, right / width, bottom / height)


def phrase_row(drawn: Scene, rng: Random) -> dict:
    """One unambiguous simple phrase for each object that has one, as a chain of level 1 with its picture.

    Three in ten are worded as PromViL words a simple phrase that stands alone ("large circles"), so that the base
    understands both wordings; the row's text is final, and the collator must not put it in the plural again.
    """
    choices: dict[int, list[str]] = {}
    for noun in drawn.phrases[0]:
        choices.setdefault(noun.target, []).append(noun.text)
    steps = []
    for position, texts in choices.items():
        text = rng.choice(texts)
        text = PROMVIL.alone(text, 1) if rng.random() < 0.3 else text
        steps.append(PhraseStep(GroundedPhrase(text, [box_of(drawn, position)])))
    return {"image": drawn.image(), "chain": PhraseChain(str(drawn.image_id), steps)}


def questions(drawn: Scene) -> list[tuple[str, str, str]]:
    """(kind, question, answer) of the kinds in `QUESTIONS`: what a scene offers, in the scene's own order."""
    asked = [(own.types["detailed"], own.question, own.answer) for own in gqa_questions(drawn, 9)]
    asked += [("pope", own.question, own.answer) for own in pope_questions(drawn, per_scene=4)]
    return [found for found in asked if found[0] in QUESTIONS]


def question_row(drawn: Scene, rng: Random, turns: int = 7) -> dict:
    """A picture and a conversation about it, as a FiVL-Instruct row without key expressions."""
    asked = questions(drawn)
    rng.shuffle(asked)
    talk = [{"question": question, "answer": answer} for _, question, answer in asked[:turns]]
    return {"image": drawn.image(), "turns": talk, "key_expressions": [], "row_id": str(drawn.image_id)}


def place_row(drawn: Scene, rng: Random | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The picture (64, 64, 3) and what stands at each of its places: (64, 7) name, color, size, cells x0 y0 x1 y1; -1: ground.

    A place is a patch of the tower. It shows the object that covers most of it, if that is an eighth of it or more; cells
    are those of Kosmos-2's location grid.
    """
    grid = SIDE // PATCH
    side = Kosmos2().grid.side
    known = np.empty((len(drawn.objects), 7), np.int64)
    for position, thing in enumerate(drawn.objects):
        first, last = Kosmos2().grid.encode(box_of(drawn, position))
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
