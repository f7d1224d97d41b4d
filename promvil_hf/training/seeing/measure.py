# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Whether a model sees: accuracy of balanced presence questions, and which photograph of a pair gets the higher "yes".

Of each class there are as many photographs with it as without it, in pairs. Who does not look is right half of the time, and so
is who prefers a photograph by chance. Intervals come from resampling photographs.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random

import numpy as np
import torch
from torch.nn import functional as F

from promvil_hf.fivl.photograph_questions import Choosing, Questions
from promvil_hf.fivl.photographs import Photograph
from promvil_hf.training.seeing.align import Aligning, class_balanced


RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Pair:
    """A class, and the places in the list of photographs of one with it and of one without it."""

    name: str
    with_it: int
    without_it: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A share with its 95 % interval over photographs."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.estimate:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True, slots=True)
class Sight:
    """What one way of answering reaches."""

    accuracy: Seen
    pairs: Seen
    yes: float  # the share of questions answered "yes"

    def to_dict(self) -> dict:
        return asdict(self)


def balanced_pairs(classes: Sequence[str], photographs: Sequence[Photograph], seed: int = 0) -> list[Pair]:
    """The pairs of all classes; each photograph with the thing is in one pair of its class."""
    place = {photograph.image_id: number for number, photograph in enumerate(photographs)}
    asked: dict[str, tuple[list[int], list[int]]] = {}
    for question in Questions(tuple(classes), photographs, Choosing(("presence",), "balanced", seed)):
        sides = asked.setdefault(question.name, ([], []))
        sides[question.turn.answer == "no"].append(place[question.photograph.image_id])
    found = []
    for name, (there, not_there) in asked.items():
        Random(f"{seed} pairs {name}").shuffle(not_there)
        found += [Pair(name, *both) for both in zip(there, not_there, strict=True)]
    return found


def sight(pairs: Sequence[Pair], with_it: np.ndarray, without_it: np.ndarray, photographs: int, seed: int = 0) -> Sight:
    """Of the (pairs,) margins of "yes" over "no" about the photograph with the thing and about the one without it."""
    one = np.array([pair.with_it for pair in pairs])
    other = np.array([pair.without_it for pair in pairs])
    drawn = np.random.default_rng(seed).multinomial(photographs, [1 / photographs] * photographs, size=RESAMPLES)
    right = (with_it > 0).astype(float), (without_it <= 0).astype(float)
    higher = (with_it > without_it) + 0.5 * (with_it == without_it)

    def accuracy(often: np.ndarray) -> np.ndarray:
        first, second = often[..., one], often[..., other]
        with np.errstate(invalid="ignore"):
            return ((first * right[0]).sum(-1) + (second * right[1]).sum(-1)) / (first.sum(-1) + second.sum(-1))

    def in_pairs(often: np.ndarray) -> np.ndarray:
        both = often[..., one] * often[..., other]
        with np.errstate(invalid="ignore"):  # of few photographs, a sample may hold no pair: it is left out below
            return (both * higher).sum(-1) / both.sum(-1)

    whole = np.ones(photographs)
    seen = [
        Seen(float(share(whole)), *(float(edge) for edge in np.nanquantile(share(drawn), (0.025, 0.975))))
        for share in (accuracy, in_pairs)
    ]
    return Sight(*seen, float(((with_it > 0).mean() + (without_it > 0).mean()) / 2))


def probe(features: torch.Tensor, present: torch.Tensor, seen: torch.Tensor, steps: int = 300, seed: int = 0) -> torch.Tensor:
    """(photographs, classes) logits of a linear layer on the mean feature, trained with class-balanced weights."""
    generator = torch.Generator().manual_seed(seed)
    mean, spread = features.mean((0, 1)), features.mean(1).std(0) + 1e-3
    known, new = ((pictures.mean(1) - mean) / spread for pictures in (features, seen))
    layer = torch.nn.Linear(known.shape[1], present.shape[1])
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    weights = class_balanced(present, Aligning().heaviest)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-3, weight_decay=0.5)
    for _ in range(steps):
        kept = (torch.rand(known.shape, generator=generator) >= 0.3) / 0.7
        loss = (weights * F.binary_cross_entropy_with_logits(layer(known * kept), present.float(), reduction="none")).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return layer(new)


def in_rows(pairs: Sequence[Pair], questions: int) -> list[tuple[int, list[str]]]:
    """(photograph, classes asked about it), at most `questions` at a time."""
    of_photograph: dict[int, list[str]] = {}
    for pair in pairs:
        for place in (pair.with_it, pair.without_it):
            of_photograph.setdefault(place, []).append(pair.name)
    return [
        (place, names[start : start + questions])
        for place, names in sorted(of_photograph.items())
        for start in range(0, len(names), questions)
    ]
