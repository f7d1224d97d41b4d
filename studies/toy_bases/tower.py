# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Dense pre-training of a toy vision tower: each patch names the shape, color, size and box of what it shows.

It stands for the CLIP pre-training of the real towers. Four of the seven answers are the object's own cells in
Kosmos-2's grid, so a patch knows where its object begins and ends before any language model asks.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from transformers import get_cosine_schedule_with_warmup

from promvil_hf.toy.config import COLORS, SIZES
from promvil_hf.toy.muon import Muon
from promvil_hf.toy.scenery import Scene
from promvil_hf.toy.small_world import HARD, held_out
from promvil_hf.toy.training_rows import NAMES, ToyRows, place_row


# What a place is asked, with the number of its answers; the last answer of the first three is "the ground".
ASKED = {
    "name": len(NAMES) + 1,
    "color": len(COLORS) + 2,
    "size": len(SIZES) + 2,
    "x0": 32,
    "y0": 32,
    "x1": 32,
    "y1": 32,
}
CELL_WEIGHT = 0.3  # four cell questions weigh about as much as the three others

_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)  # CLIP's, as the processors of both bases
_STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a training curve."""

    step: int
    seconds: float
    values: dict[str, float]


def pixel_values(images: np.ndarray) -> torch.Tensor:
    """(N, side, side, 3) bytes -> what the processors make of pictures that need no resizing."""
    scaled = (images.astype(np.float32) / 255 - _MEAN) / _STD
    return torch.from_numpy(scaled.transpose(0, 3, 1, 2).copy())


def kosmos2_features(tower, images: torch.Tensor) -> torch.Tensor:
    """(N, 1 + places, width) of unit norm, as Kosmos-2 hands them to its projection."""
    states = tower.model.post_layernorm(tower(pixel_values=images).last_hidden_state)
    return F.normalize(states, dim=-1)


class DenseHead(torch.nn.Linear):
    """Reads the answers off the features of the places; thrown away after pre-training."""

    def __init__(self, width: int):
        super().__init__(width, sum(ASKED.values()))

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return super().forward(features * features.shape[-1] ** 0.5).split(tuple(ASKED.values()), -1)


def dense_loss(logits: Sequence[torch.Tensor], truth: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
    """The loss, and the share of right answers on objects (a cell beside the true one counts as right)."""
    on = truth[..., 0] >= 0
    loss, right = torch.zeros(()), {}
    for place, (predicted, (name, count)) in enumerate(zip(logits, ASKED.items(), strict=True)):
        answer = truth[..., place]
        if place < 3:
            loss = loss + F.cross_entropy(predicted.flatten(0, 1), torch.where(on, answer, count - 1).flatten())
        elif on.any():
            loss = loss + CELL_WEIGHT * F.cross_entropy(predicted[on], answer[on])
        off = (predicted.argmax(-1) - answer).abs()[on]
        right[name] = (off <= (place >= 3)).float().mean().item()
    return loss, right


def train_tower(
    tower,
    steps: int,
    *,
    batch_size: int = 32,
    peak: float = 0.02,
    seed: int = 0,
    every: int = 50,
    say: Callable[[Point], object] = lambda point: None,
) -> list[Point]:
    """Train the tower of a tiny Kosmos-2 in place; the curve is returned, and `say` gets each point of it at once."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        head = DenseHead(tower.config.hidden_size)

    def loss_of(images: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
        return dense_loss(head(kosmos2_features(tower, images)[:, 1:]), truth)

    tower.train()
    optimizer = Muon([*tower.named_parameters(), ("answers.embed", head.weight), ("answers.bias", head.bias)], peak)
    rows, check = ToyRows(place_row, steps * batch_size, seed), held_out(HARD, 100, seed)
    curve = descend(optimizer, loss_of, rows, check, steps, every, say)
    tower.eval()
    return curve


def pictures(scenes: Sequence[Scene]) -> torch.Tensor:
    """Pixel values of scenes."""
    return pixel_values(np.stack([np.asarray(drawn.image()) for drawn in scenes]))


def collate(rows: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[torch.Tensor, torch.Tensor]:
    images, truth = zip(*rows, strict=True)
    return pixel_values(np.stack(images)), torch.from_numpy(np.stack(truth))


def descend(
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, dict[str, float]]],
    rows: ToyRows,
    check: Sequence[Scene],
    steps: int,
    every: int,
    say: Callable[[Point], object],
) -> list[Point]:
    """A short warm-up and a cosine down to zero, over all rows; a point every so many steps and at the end goes to `say`.

    `loss_of(images, truth)` gives a loss and shares of right answers, which are also measured on the scenes of `check`.
    """
    curve, size = [], len(rows) // steps
    held = collate(map(place_row, check))
    warm = max(1, min(50, steps // 10))
    schedule = get_cosine_schedule_with_warmup(optimizer, warm, steps)
    started, total, counted = time.perf_counter(), 0.0, 0
    for step in range(steps):
        loss, _ = loss_of(*collate(rows[index] for index in range(step * size, (step + 1) * size)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        total, counted = total + loss.item(), counted + 1
        if (step + 1) % every == 0 or step + 1 == steps:
            with torch.no_grad():
                held_loss, right = loss_of(*held)
            values = {"loss": total / counted, "held_out_loss": held_loss.item(), **right}
            curve.append(Point(step + 1, time.perf_counter() - started, values))
            say(curve[-1])
            total, counted = 0.0, 0
    return curve


def copy_tower(tower, clip_tower) -> None:
    """The layers of a Kosmos-2 tower into a CLIP tower of the same width, the first ones first.

    LLaVA reads the last layer but one: a CLIP tower with one layer more than Kosmos-2's then reads the same states.
    """
    known = {_bare(name): tensor for name, tensor in tower.state_dict().items()}
    clip_weights = clip_tower.state_dict()
    taken = {name: known[_bare(name)] for name in clip_weights if _bare(name) in known}
    misfits = [name for name, tensor in taken.items() if clip_weights[name].shape != tensor.shape]
    if misfits or len(taken) < len(known) - 2:
        raise ValueError(
            f"You passed towers that differ: {len(taken)} of {len(known)} tensors have a namesake, and {misfits[:3]} other "
            "shapes. Build both with the same width, heads, image_size and patch_size, CLIP's with as many layers or more."
        )
    clip_tower.load_state_dict(clip_weights | taken)


def _bare(name: str) -> str:
    """Both libraries' names for a tensor; CLIP spells `pre_layrnorm`."""
    name = name.replace("pre_layrnorm", "pre_layernorm")
    return name[min(at for part in ("embeddings.", "encoder.", "pre_", "post_") if (at := name.find(part)) >= 0) :]
