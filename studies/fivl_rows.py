# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What FiVL's studies train on and ask: short questions, talks and captions of a scene, and spoilt pictures."""

from dataclasses import replace
from random import Random

import numpy as np
from PIL import Image, ImageFilter

from promvil_hf.toy.questions import KeyRegion, conversation
from promvil_hf.toy.scenery import Scene
from promvil_hf.toy.small_world import asked


TASKS = ("talk", "caption")
PICTURES = ("clean", "noise", "blur")
LOOK = "What does the image show?"
SENTENCE = " Answer in a sentence."  # without it "What color is the ring?" would have two right answers
Turn = tuple[str, str, tuple[KeyRegion, ...]]  # question, answer, what of it stands where


def questions(drawn: Scene) -> list[tuple[str, Turn]]:
    """(kind, turn) of the short questions the base was trained on, with what they speak of."""
    return [(kind, (question.question, question.answer, question.keys)) for kind, question in asked(drawn)]


def talk(drawn: Scene) -> list[Turn]:
    """Four questions, answered in sentences."""
    held = conversation(drawn)
    return [
        (question + SENTENCE, answer, tuple(key for key in held.keys if key.turn == number))
        for number, (question, answer) in enumerate(held.turns)
    ]


def caption(drawn: Scene) -> list[Turn]:
    """One question, answered with the scene's caption; each thing it mentions is a key expression."""
    sentence = drawn.caption()
    things: dict[str, tuple[int, ...]] = {}
    for start, end, object_id in sentence.mentions:
        words = sentence.text[start:end].partition(" ")[2]  # without its article
        things[words] = (*things.get(words, ()), object_id)
    return [(LOOK, sentence.text, tuple(KeyRegion(words, 0, ids) for words, ids in things.items()))]


def turns_of(task: str, drawn: Scene) -> list[Turn]:
    if task not in TASKS:
        raise ValueError(f"You passed the task {task!r}: it is one of {', '.join(TASKS)}.")
    return talk(drawn) if task == "talk" else caption(drawn)


def row_of(task: str, drawn: Scene) -> dict:
    """A row of FiVL-Instruct. A talk has a short question of each kind among its sentences, so that none is unlearned.

    They are mixed: were the sentences first, the model would answer whatever is asked first in a sentence.
    """
    turns = turns_of(task, drawn)
    if task == "talk":
        turns += dict(questions(drawn)).values()
        Random(f"{drawn.image_id}/short").shuffle(turns)
    return {
        "row_id": str(drawn.image_id),
        "image": drawn.image(),
        "turns": [{"question": question, "answer": answer} for question, answer, _ in turns],
        "key_expressions": [key.to_dict() for number, turn in enumerate(turns) for key in keys_of(drawn, turn, number)],
    }


def keys_of(drawn: Scene, turn: Turn, number: int = 0) -> tuple:
    return tuple(replace(key, turn=number).located(drawn) for key in turn[2])


def spoilt(picture: Image.Image, how: str, seed: int) -> Image.Image:
    """The picture as it is, with noise of a standard deviation of 40 (of 255), or blurred with a radius of 1.5 pixels."""
    if how not in PICTURES:
        raise ValueError(f"You passed pictures={how!r}: it is one of {', '.join(PICTURES)}.")
    if how == "clean":
        return picture
    if how == "blur":
        return picture.filter(ImageFilter.GaussianBlur(1.5))
    pixels = np.asarray(picture, float) + np.random.default_rng(seed).normal(0, 40, (*picture.size[::-1], 3))
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))
