# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The small world that the trained bases know: plain flat shapes in 64 x 64 pixels, and the scenes of it that are held out.

Scenes are numbered, and those from `HELD_OUT` on are never drawn in training, whatever its length. No torch.
"""

from dataclasses import replace

from promvil_hf.toy.config import NEARNESS, WorldConfig, held_out_pairs
from promvil_hf.toy.gqa import gqa_questions
from promvil_hf.toy.gqa_draft import GqaQuestion
from promvil_hf.toy.questions import PopeQuestion, pope_questions
from promvil_hf.toy.scenery import Scene, scene


SIDE = 64  # pixels
HELD_OUT = 1_000_000  # number of the first scene that no training ever draws

# The kinds of questions a toy LLaVA is trained and measured on, in the words of their own types.
QUESTIONS = ("directWhich", "chooseAttr", "verifyAttr", "existAttr", "positionQuery", "pope")


def world(fewest: int, most: int | None = None, levels: int = 1) -> WorldConfig:
    """Shapes large enough to fill several patches of the bases' vision towers."""
    return WorldConfig(
        image_size=(SIDE, SIDE),
        objects=(fewest, most or fewest),
        levels=levels,
        distractors=0 if fewest == 1 else 1 if levels == 1 else 2,
        textures=("plain",),
        object_scale=1.3 if levels == 1 else 1.2,
        wording="plain",
    )


HARD = world(4, 6)  # simple phrases among many things
NESTED = world(5, 6, levels=3)  # phrases of three levels
# Phrases whose parts have to be found: "the circle touching the robot that is next to the small cross". A fifth of the pairs of
# color and shape is never drawn.
NEAR = replace(NESTED, predicates=NEARNESS, held_out=held_out_pairs(0.2), split="train")
ASKED_ABOUT = world(3, 5)  # questions


def held_out(config: WorldConfig, count: int, seed: int = 0) -> list[Scene]:
    """Scenes that no training set of this seed contains."""
    return [scene(config, seed, index) for index in range(HELD_OUT, HELD_OUT + count)]


def asked(drawn: Scene) -> list[tuple[str, GqaQuestion | PopeQuestion]]:
    """Questions of the kinds in `QUESTIONS`, each with its kind: what a scene offers, in the scene's own order."""
    found = [(question.types["detailed"], question) for question in gqa_questions(drawn, 9)]
    found += [("pope", question) for question in pope_questions(drawn, per_scene=4)]
    return [(kind, question) for kind, question in found if kind in QUESTIONS]


def questions(drawn: Scene) -> list[tuple[str, str, str]]:
    """(kind, question, answer) of what `asked` gives."""
    return [(kind, question.question, question.answer) for kind, question in asked(drawn)]
