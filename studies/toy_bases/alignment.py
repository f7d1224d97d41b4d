# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Between tower and language model: what a picture says of a place becomes the words for it, before any sentence is read.

It stands for the alignment stage of the real models (LLaVA's first one trains the projector alone). The answers
are read off by the language model's own word embeddings, so a red circle looks like "red" and "circle" from the first step
on; and keys begin equal to queries, so attention begins as likeness. Without both, tiny models stay at chance for long.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from promvil_hf.dialects import Kosmos2
from promvil_hf.toy.config import COLORS, SIZES
from promvil_hf.toy.muon import Muon
from promvil_hf.toy.relations import UNSIDED
from promvil_hf.toy.small_world import HARD, held_out
from promvil_hf.toy.training_rows import COLUMNS, NAMES, ROWS, ToyRows, place_row
from studies.toy_bases.tower import CELL_WEIGHT, Point, descend


WORDS = {
    "name": NAMES, "color": COLORS, "size": SIZES, "side": ("left", "right"), "column": COLUMNS, "row": ROWS
}  # fmt: skip
GRID = Kosmos2().grid.side
SHARPNESS = 10.0  # words of unit norm, three of which make a place


def word_ids(tokenizer, aspects: Iterable[str] = ("name", "color", "size")) -> dict[str, torch.Tensor]:
    """The tokens of the words for each aspect."""
    found = {}
    for aspect in aspects:
        words = WORDS[aspect]
        ids = [tokenizer(f" {word}", add_special_tokens=False)["input_ids"] for word in words]
        spelled = [word for word, word_tokens in zip(words, ids, strict=True) if len(word_tokens) != 1]
        if spelled:
            raise ValueError(
                f"This tokenizer writes {', '.join(spelled)} with several tokens: make it from sentences that use every "
                "word of the toy world, with a vocabulary large enough for them."
            )
        found[aspect] = torch.tensor([word_tokens[0] for word_tokens in ids])
    return found


def truths(truth: torch.Tensor) -> dict[str, torch.Tensor]:
    """What each aspect of a place is, as a number of its word; -1 where there is none to say."""
    on = truth[..., 0] >= 0
    across, down = ((truth[..., first] + truth[..., first + 2] + 1) / (2 * GRID) for first in (3, 4))
    clear = on & ((across - 0.5).abs() >= UNSIDED)
    return {
        "name": truth[..., 0],
        "color": truth[..., 1],
        "size": truth[..., 2],
        "side": torch.where(clear, (across > 0.5).long(), -1),
        "column": torch.where(on, (across * len(COLUMNS)).long(), -1),
        "row": torch.where(on, (down * len(ROWS)).long(), -1),
    }


@dataclass(frozen=True, slots=True)
class Corner:
    """A part of a box that a place names.

    Args:
        name: In the curve.
        ids: Tokens that can be the answer.
        answer: What `place_row` gives of places -> the number of the right token.
        near: (guess, answer) -> whether a guess counts as right.
    """

    name: str
    ids: torch.Tensor
    answer: Callable[[torch.Tensor], torch.Tensor]
    near: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def codes(count: int, width: int) -> torch.Tensor:
    """(count, width) of norm 1: sinusoids of the number, so that near is alike. The longest wave is 2.5 times the count."""
    lengths = torch.logspace(math.log10(2.5 * count), math.log10(3.5 * count / 32), width // 2)
    angles = torch.arange(count)[:, None] * (2 * math.pi / lengths)
    return torch.cat([angles.sin(), angles.cos()], 1) * (2 / width) ** 0.5


def align(
    embed: Callable[[torch.Tensor], torch.Tensor],
    between: Iterable[tuple[str, torch.nn.Parameter]],
    embedding: torch.nn.Parameter,
    words: Mapping[str, torch.Tensor],
    corners: Sequence[Corner],
    steps: int,
    *,
    batch_size: int = 32,
    peak: float = 0.02,
    seed: int = 0,
    every: int = 50,
    say: Callable[[Point], object] = lambda point: None,
) -> list[Point]:
    """Train what lies between (its named parameters) and the word embeddings. `embed` maps pixel values to (N, places, width).

    For each of `corners` a linear map of the place also names that part of the object's box.
    """
    width = embedding.shape[1]
    generator = torch.Generator().manual_seed(seed)
    turns = [torch.nn.Parameter(torch.randn(width, width, generator=generator) * width**-0.5) for _ in corners]

    def loss_of(images: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
        places = embed(images) * width**0.5
        loss, right, known = torch.zeros(()), {}, truths(truth)
        for aspect, ids in words.items():
            named = (known[aspect] >= 0) & (known[aspect] < len(ids))
            scores = SHARPNESS * places[named] @ embedding[ids].T / width**0.5
            answer = known[aspect][named]
            loss = loss + F.cross_entropy(scores, answer)
            right[aspect] = (scores.argmax(-1) == answer).float().mean().item()
        on = truth[..., 0] >= 0
        for turn, corner in zip(turns, corners, strict=True):
            scores = SHARPNESS * (places[on] @ turn) @ embedding[corner.ids].T / width**0.5
            answer = corner.answer(truth[on])
            loss = loss + CELL_WEIGHT * F.cross_entropy(scores, answer)
            right[corner.name] = corner.near(scores.argmax(-1), answer).float().mean().item()
        return loss, right

    optimizer = Muon([*between, ("embedding", embedding), *(("corners", turn) for turn in turns)], peak)
    rows, check = ToyRows(place_row, steps * batch_size, seed + 1), held_out(HARD, 50, seed)
    return descend(optimizer, loss_of, rows, check, steps, every, say)
