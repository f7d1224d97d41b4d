# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The first stage: an untrained projector learns to turn places of a picture into the embeddings of words for what is there.

    names = Names.of(model, tokenizer, ("dog", "car"))
    projector = aligned(features, present, names, Aligning())
    load_projector(model, projector)

The score of a name in a picture is a soft maximum over places of the cosine to the mean embedding of the name. Nothing says
where a thing is. Common to all words is the mean embedding of the vocabulary, which is taken away before cosines and put
back into what the projector gives; the length of what it gives is that of the names.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from promvil_hf.backends.base import unwrapped


Projector = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Aligning:
    """How a projector is aligned.

    Args:
        steps: Of AdamW, with a rate that falls as a cosine.
        learning_rate: At first.
        weight_decay: Of the projector.
        dropout: Of features, while training.
        batch: Photographs a step.
        sharpness: The first factor of cosines; it is trained, too.
        heaviest: At most so many times as much as a usual answer weighs the rarer answer to a name.
        seed: Of first weights, order and dropout.
    """

    steps: int = 200
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.3
    batch: int = 48
    sharpness: float = 10.0
    heaviest: float = 60.0
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """Words as directions among the input embeddings of a language model.

    `directions` is (names, width) of length 1, `centre` (width,) the mean of the vocabulary, `length` how far names are from it.
    """

    words: tuple[str, ...]
    directions: torch.Tensor
    centre: torch.Tensor
    length: float

    @classmethod
    def of(cls, model, tokenizer, words: Sequence[str]) -> "Names":
        embedding = unwrapped(model).get_input_embeddings().weight.detach().float()
        tokens = [tokenizer(f" {word}", add_special_tokens=False)["input_ids"] for word in words]
        centre = embedding.mean(0)
        means = torch.stack([embedding[ids].mean(0) for ids in tokens]) - centre
        return cls(tuple(words), F.normalize(means, dim=1), centre, float(means.norm(dim=1).mean()))

    def cosines(self, places: torch.Tensor) -> torch.Tensor:
        """(..., names) of places as the projector gives them."""
        return F.normalize(places - self.centre, dim=-1) @ self.directions.T


def aligned(features: torch.Tensor, present: torch.Tensor, names: Names, how: Aligning = Aligning()) -> Projector:
    """The weights of a projector, from features (photographs, places, channels) and what is there (photographs, names).

    A name that is in none of the photographs, or in all of them, teaches nothing.
    """
    share = present.float().mean(0)
    weights = class_balanced(present, how.heaviest) * ((share > 0) & (share < 1))

    def loss(scores: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        best = torch.logsumexp(scores, 1) - math.log(scores.shape[1])
        return (weights[rows] * F.binary_cross_entropy_with_logits(best, present[rows].float(), reduction="none")).mean()

    return _trained(features, names, how, loss, bias=-how.sharpness / 2)


def class_balanced(present: torch.Tensor, heaviest: float) -> torch.Tensor:
    """(photographs, names) weights with which "yes" and "no" to a name weigh as much, up to `heaviest` an answer."""
    share = present.float().mean(0)
    weights = torch.where(present.bool(), 0.5 / share.clamp(min=1e-9), 0.5 / (1 - share).clamp(min=1e-9))
    return weights.clamp(max=heaviest)


def distilled(
    features: torch.Tensor, classifier: Mapping[str, torch.Tensor], names: Names, how: Aligning = Aligning()
) -> Projector:
    """The same without a word about the photographs: each place gets the names that the tower's own classifier gives it.

    `classifier` has the `weight` (names, channels) and `bias` of the linear layer that the tower was pretrained with.
    """
    with torch.no_grad():
        said = F.log_softmax(F.linear(features, classifier["weight"], classifier["bias"]), -1)

    def loss(scores: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return F.kl_div(F.log_softmax(scores, -1), said[rows], log_target=True, reduction="none").sum(-1).mean()

    return _trained(features, names, how, loss, bias=0.0)


def _trained(features, names: Names, how: Aligning, loss, bias: float) -> Projector:
    generator = torch.Generator().manual_seed(how.seed)
    centre, spread = features.mean((0, 1)), features.std((0, 1)).mean()
    width, channels = names.directions.shape[1], features.shape[-1]
    first, second = nn.Linear(channels, width), nn.Linear(width, width)
    for layer in (first, second):
        nn.init.normal_(layer.weight, std=layer.in_features**-0.5, generator=generator)
        nn.init.zeros_(layer.bias)
    scale, offset = nn.Parameter(torch.tensor(how.sharpness)), nn.Parameter(torch.tensor(bias))
    groups = [
        {"params": [*first.parameters(), *second.parameters()], "weight_decay": how.weight_decay},
        {"params": [scale, offset], "weight_decay": 0.0, "lr": 10 * how.learning_rate},
    ]
    optimizer = torch.optim.AdamW(groups, lr=how.learning_rate)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, how.steps)
    for _ in range(how.steps):
        rows = torch.randperm(len(features), generator=generator)[: how.batch]
        seen = (features[rows] - centre) / spread
        kept = torch.rand(seen.shape, generator=generator) >= how.dropout
        places = second(F.gelu(first(seen * kept / (1 - how.dropout))))
        optimizer.zero_grad()
        loss(scale * F.normalize(places, dim=-1) @ names.directions.T + offset, rows).backward()
        optimizer.step()
        falling.step()
    return _folded(first, second, centre, spread, features, names)


@torch.no_grad()
def _folded(first, second, centre, spread, features, names: Names) -> Projector:
    """Standardised features, the length of names and the mean of the vocabulary become part of the weights."""
    reach = second(F.gelu(first((features - centre) / spread))).norm(dim=-1).mean()
    stretch = names.length / reach
    return {
        "linear_1.weight": first.weight / spread,
        "linear_1.bias": first.bias - first.weight @ (centre / spread),
        "linear_2.weight": second.weight * stretch,
        "linear_2.bias": second.bias * stretch + names.centre,
    }


def projected(features: torch.Tensor, projector: Projector) -> torch.Tensor:
    """(photographs, places, width), as LLaVA's projector of these weights gives them."""
    inside = F.gelu(F.linear(features, projector["linear_1.weight"], projector["linear_1.bias"]))
    return F.linear(inside, projector["linear_2.weight"], projector["linear_2.bias"])


def load_projector(model, projector: Projector) -> None:
    """Put aligned weights into a LLaVA, in its own dtype."""
    layers = getattr(unwrapped(model).model, "multi_modal_projector", None)
    if layers is None or {name for name, _ in layers.named_parameters()} != projector.keys():
        raise ValueError(
            f"You passed a model of the type {unwrapped(model).config.model_type!r}, whose projector is not two linear layers "
            "with biases. The stages are for LLaVAs such as `promvil assemble` makes."
        )
    layers.load_state_dict({name: weight.clone() for name, weight in projector.items()})


def folds_of(count: int, folds: int, seed: int) -> torch.Tensor:
    """(count,) the fold of each photograph, by chance and of equal size."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed)) % folds
