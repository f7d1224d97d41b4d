# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny LLaVA that grounds simple phrases in LLaVA's own brackets, trained by PromViL's own trainer on chains of one level.

The second decimal places of a box, "00" to "99", are one token each and begin as sinusoids, so that near numbers are alike. Some
heads begin by looking from each number of a box back to the noun before it.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.inflection import plural
from promvil_hf.phrases import Wording
from promvil_hf.toy.config import COLORS, PREDICATES, ROBOT, SHAPES, SIZES
from promvil_hf.toy.models.parts import TinyModel
from promvil_hf.toy.models.tokenizers import DEFAULT_SENTENCES
from promvil_hf.toy.small_world import HARD, NESTED, held_out, world
from promvil_hf.toy.training_rows import phrase_row
from promvil_hf.training.patch_chain_collator import PatchChainCollator
from promvil_hf.training.promvil_config import PromViLConfig
from promvil_hf.training.promvil_trainer import PromViLTrainer
from studies.toy_bases import llava
from studies.toy_bases.alignment import GRID, Corner, codes, word_ids
from studies.toy_bases.measure import by_length, grounded, grounding
from studies.toy_bases.stages import Stage, train_stages
from studies.toy_bases.tower import Point


NUMBERS = tuple(f"{number:02d}" for number in range(100))
# The first layer gathers the adjectives of a noun. In "the red circle. ASSISTANT: [0.39, 0.05, 0.98, 0.83]" the four numbers are
# predicted 6, 10, 14 and 18 tokens after the noun.
LOOKS_BACK = ((1, 2, 3), (6, 10, 14, 18))
# What is meant is compared in the numbers of a head that rotary positions turn slowly, about half of them. Ten shapes, eight
# colors and two sizes need more of those than heads of 32 with shared keys have.
ATTENTION = {"num_key_value_heads": 4, "head_dim": 64}
ALIKE = replace(HARD, distractors=3)  # many things of one shape: which of them is meant, only color and size say
MANY = ((HARD, 0.4), (NESTED, 0.3), (ALIKE, 0.3))
# A name, the steps of 2,200, the share of the peak, what is seen (at the end only scenes where one of many things is meant), and
# the share of numbers that are hidden from those behind them. Told the left end, a model finds the other three by it and not
# by the phrase; hidden, each of the four says which thing is meant. The last stage is the second once more, on other scenes,
# with a rate that rises and falls again.
STAGES = (
    ("boxes", 1_000, 1.0, ((world(1), 0.05), (world(2, 3), 0.15), (HARD, 0.3), (NESTED, 0.2), (ALIKE, 0.3)), 0.9),
    ("among_many", 600, 0.6, MANY, 0.0),
    ("among_many_again", 600, 0.6, MANY, 0.0),
)
SENTENCES = (
    *DEFAULT_SENTENCES,
    *(f"the {size} {color} {noun}" for size in SIZES for color in COLORS for noun in (*SHAPES, ROBOT)),
    *(f"{plural(noun)} {predicate} it" for noun in (*SHAPES, ROBOT) for predicate in PREDICATES),
    *(["We can see in the image: an object, a thing. USER: ASSISTANT:"] * 30),
    *(["Please provide the bounding box coordinate of the region this sentence describes: the"] * 30),
    *(" ".join([f"[0.{number}, 0.{number}, 1.{number}]"] * 20) for number in NUMBERS),
)


def untrained(*, layers: int = 4, vision_layers: int = 5, seed: int = 0) -> TinyModel:
    """The tiny LLaVA with random weights: 1.8 million parameters, 64 image tokens."""
    return llava.untrained(layers=layers, vision_layers=vision_layers, seed=seed, sentences=SENTENCES, **ATTENTION)


@torch.no_grad()
def start(tiny: TinyModel, tower, *, seed: int = 0, scenes: int = 100) -> None:
    """As `llava.start`; and numbers begin near their neighbours."""
    llava.start(tiny, tower, seed=seed, scenes=scenes, looks_back=LOOKS_BACK)
    numbers, words = number_ids(tiny.processor.tokenizer), tiny.model.get_input_embeddings().weight
    generator = torch.Generator().manual_seed(seed)
    width = words.shape[1]
    words[numbers] = codes(len(numbers), width) + 0.02 * torch.randn(len(numbers), width, generator=generator)


def number_ids(tokenizer) -> torch.Tensor:
    """The tokens of "00" to "99"."""
    ids = [tokenizer(f".{number}", add_special_tokens=False)["input_ids"] for number in NUMBERS]
    spelled = [number for number, number_tokens in zip(NUMBERS, ids, strict=True) if len(number_tokens) != 2]
    if spelled:
        raise ValueError(f"This tokenizer writes {', '.join(spelled)} with several tokens: make it from sentences with numbers.")
    return torch.tensor([number_tokens[1] for number_tokens in ids])


def align_places(
    tiny: TinyModel, steps: int, *, seed: int = 0, every: int = 50, say=lambda point: None
) -> list[Point]:
    """Train the projector, so that each image token says in words and numbers what stands at its place."""
    ids = number_ids(tiny.processor.tokenizer)
    corners = [
        Corner(name, ids, partial(_number, column=column), _near)
        for column, name in enumerate(("x0", "y0", "x1", "y1"), 3)
    ]
    return llava.align_with(tiny, word_ids(tiny.processor.tokenizer), corners, steps, seed=seed, every=every, say=say)


def _number(truth: torch.Tensor, column: int) -> torch.Tensor:
    """The hundredths of the middle of a cell."""
    return ((truth[..., column] + 0.5) * 100 / GRID).long()


def _near(guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
    return (guess - answer).abs() <= 100 // GRID + 1


def train_on(tiny: TinyModel, out: Path, steps: int, *, seed: int = 0, **options) -> dict[str, list[Point]]:
    """Train in place with `PromViLTrainer` on phrases of one level; `options` are those of `train_stages`."""
    backend = PatchTokenBackend(tiny.model, tiny.processor)
    one, many = held_out(world(1), 40, seed), held_out(HARD, 40, seed)

    def look() -> dict[str, float]:
        answers = grounded(backend, many, level=1)
        return {
            "one_object": grounding(backend, one, level=1, resamples=1).estimate,
            "many_objects": sum(answer.right for answer in answers) / len(answers),
            **by_length(answers),
        }

    in_all = sum(length for _, length, *_ in STAGES)
    stages = [
        Stage(
            name,
            length / in_all,
            of_peak,
            phrase_row,
            PromViLTrainer,
            partial(PromViLConfig, gradient_accumulation_steps=1),
            HiddenNumbers(
                PatchChainCollator(final_wording(backend), max_tokens=512),
                number_ids(tiny.processor.tokenizer),
                hidden,
                seed,
            ),
            look,
            worlds,
        )
        for name, length, of_peak, worlds, hidden in STAGES
    ]
    return train_stages(tiny, tiny.model.model.vision_tower, stages, out, steps, seed=seed, **options)


@dataclass
class HiddenNumbers:
    """Batches of a collator in which a share of the numbers is read as any other number; what is to be said stays.

    Which ones depends on the batch and the seed alone, so that a resumed training reads what an uninterrupted one reads.
    """

    collator: PatchChainCollator
    numbers: torch.Tensor
    share: float
    seed: int = 0

    def __call__(self, rows) -> dict[str, torch.Tensor]:
        batch = self.collator(rows)
        generator = torch.Generator().manual_seed(self.seed + int(batch["input_ids"].sum()))
        hidden = torch.isin(batch["target_token"], self.numbers)
        hidden &= torch.rand(hidden.shape, generator=generator) < self.share
        chance = torch.randint(len(self.numbers), (int(hidden.sum()),), generator=generator)
        batch["input_ids"][batch["target_row"][hidden], batch["target_place"][hidden] + 1] = self.numbers[chance]
        return batch

    def __getattr__(self, name):
        return getattr(self.collator, name)


def final_wording(backend: PatchTokenBackend) -> PatchTokenBackend:
    """The rows' texts are final: their own wording already put some of them in the plural."""
    return replace(backend, dialect=replace(backend.dialect, wording=Wording(plural_first_level=False)))
