# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the reading stages are trained on: names among noise, and places of photographs. Each row follows from its number and the
seed, so a run that was stopped goes on with the same rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import torch
from torch.nn import functional as F

from promvil_hf.fivl.photograph_questions import Choosing, Question, Questions, presence_question
from promvil_hf.fivl.photographs import Photograph
from promvil_hf.key_expressions import KeyExpression
from promvil_hf.training.seeing.align import Names


@dataclass(frozen=True, slots=True)
class NameNoise:
    """How names look like places: from as unclear as in photographs up to the names themselves, which are learned first.

    Args:
        most: Names that are there, at most.
        spread: A name takes at most this share of the places, and at least one.
        strength: Its part of such a place, from and to.
        others: Names that are not there and have a part of each place, too.
        other_strength: Their parts, from and to.
        length: How much the length of a place differs, as a share.
    """

    most: int = 6
    spread: float = 0.6
    strength: tuple[float, float] = (0.3, 1.0)
    others: int = 2
    other_strength: tuple[float, float] = (0.0, 0.35)
    length: float = 0.5


def presence_turn(name: str, there: bool) -> dict[str, str]:
    return {"question": presence_question(name), "answer": "yes" if there else "no"}


def name_row(names: Names, places: int, questions: int, noise: NameNoise, seed: str) -> dict:
    """A row without a photograph: some names among noise, half of the questions about them."""
    draw = Random(seed)
    generator = torch.Generator().manual_seed(draw.getrandbits(48))
    everyone = range(len(names.words))
    there = draw.sample(everyone, draw.randint(1, min(noise.most, len(everyone) // 2)))
    others = [number for number in everyone if number not in there]
    parts = torch.zeros(places, len(everyone))
    for place in range(places):
        for number in draw.sample(others, min(noise.others, len(others))):
            parts[place, number] = draw.uniform(*noise.other_strength)
    for number in there:
        taken = draw.sample(range(places), draw.randint(1, max(1, round(noise.spread * places))))
        parts[taken, number] = torch.tensor([draw.uniform(*noise.strength) for _ in taken])
    shown = _filled(parts @ names.directions, generator)
    length = names.length * (1 + noise.length * (2 * torch.rand(places, 1, generator=generator) - 1))
    half = max(1, questions // 2)
    asked = [(number, True) for number in draw.sample(there, min(half, len(there)))]
    asked += [(number, False) for number in draw.sample(others, min(max(len(asked), questions - half), len(others)))]
    asked = asked[:questions]
    draw.shuffle(asked)
    turns = [presence_turn(names.words[number], is_there) for number, is_there in asked]
    return {"places": names.centre + length * shown, "turns": turns}


def _filled(sums: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Directions: what is shorter than 1 gets noise beside it until its length is 1."""
    along = F.normalize(sums, dim=1)
    noise = torch.randn(sums.shape, generator=generator)
    noise = F.normalize(noise - (noise * along).sum(1, keepdim=True) * along, dim=1)
    missing = (1 - sums.square().sum(1, keepdim=True)).clamp(min=0).sqrt()
    return F.normalize(sums + missing * noise, dim=1)


@dataclass(frozen=True, eq=False)
class NameRows:
    """So many rows of names."""

    names: Names
    places: int
    count: int
    questions: int = 8
    noise: NameNoise = NameNoise()
    seed: int = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> dict:
        if not 0 <= number < self.count:
            raise IndexError(number)
        return name_row(self.names, self.places, self.questions, self.noise, f"{self.seed} names {number}")


@dataclass(frozen=True, eq=False)
class PhotographRows:
    """`count` rows, three quarters of them photographs, in rounds through all photographs; each round draws other questions.

    `places` (photographs, places, width) are those of `photographs`, in their order. `keys` has a key expression for a photograph
    and a class, if a vision loss is to be trained.
    """

    classes: tuple[str, ...]
    photographs: Sequence[Photograph]
    places: torch.Tensor
    names: NameRows
    count: int
    choosing: Choosing
    share: float = 0.75
    keys: Mapping[tuple[str, str], KeyExpression] | None = None

    def __post_init__(self):
        of_names = round(self.count * (1 - self.share))
        rounds = -(-(self.count - of_names) // len(self.photographs))
        rows = [row for number in range(rounds) for row in self._round(number)][: self.count - of_names]
        rows += [(None, number) for number in range(of_names)]
        Random(f"{self.choosing.seed} mixed").shuffle(rows)
        object.__setattr__(self, "_rows", rows)

    def _round(self, number: int) -> list[tuple[int, list[Question]]]:
        choosing = replace(self.choosing, kinds=("presence",), round=number)
        asked: dict[str, list[Question]] = {}
        for question in Questions(self.classes, self.photographs, choosing):
            asked.setdefault(question.photograph.image_id, []).append(question)
        draw = Random(f"{choosing.seed} {number} order")
        found = []
        for place, photograph in enumerate(self.photographs):
            questions = asked.get(photograph.image_id, [])
            if questions:
                found.append((place, draw.sample(questions, min(len(questions), self.names.questions))))
        draw.shuffle(found)
        return found

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> dict:
        place, asked = self._rows[number]
        if place is None:
            names = self.names
            return name_row(names.names, names.places, names.questions, names.noise, f"{names.seed} mixed {asked}")
        row = {"places": self.places[place], "turns": [presence_turn(each.name, each.turn.answer == "yes") for each in asked]}
        if self.keys is None:
            return row
        photograph = self.photographs[place]
        found = ((turn, self.keys.get((photograph.image_id, each.name))) for turn, each in enumerate(asked))
        keys = [{**key.to_dict(), "turn": turn} for turn, key in found if key is not None]
        return {**row, "row_id": photograph.image_id, "image_size": photograph.size, "key_expressions": keys}
