# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny Kosmos-2 that grounds simple phrases, trained by PromViL's own trainer on chains of one level.

At random weights the picture hardly reaches a small Kosmos-2, and its latent queries have no place to begin at.
`start` sets what the real model has from its long training: each latent query begins at the mean feature of one patch,
neighbouring location cells begin alike, and picture and words begin equally loud. All of it is trained on.
"""

from functools import partial
from pathlib import Path

import torch

from promvil_hf.backends.kosmos2 import Kosmos2Backend
from promvil_hf.dialects import Kosmos2
from promvil_hf.inflection import plural
from promvil_hf.phrases import Wording
from promvil_hf.toy.config import COLORS, PREDICATES, ROBOT, SHAPES, SIZES
from promvil_hf.toy.models import tiny_kosmos2
from promvil_hf.toy.models.parts import TinyModel
from promvil_hf.toy.models.tokenizers import DEFAULT_SENTENCES
from promvil_hf.toy.small_world import HARD, SIDE, held_out, world
from promvil_hf.toy.training_rows import PATCH, PLACES, phrase_row
from promvil_hf.training.chain_texts import Texts
from promvil_hf.training.kosmos2_chain_collator import ChainCollator
from promvil_hf.training.promvil_config import PromViLConfig
from promvil_hf.training.promvil_trainer import PromViLTrainer
from studies.toy_bases.alignment import GRID, Corner, align, codes, word_ids
from studies.toy_bases.measure import grounding
from studies.toy_bases.stages import Stage, train_stages
from studies.toy_bases.tower import Point, kosmos2_features, pictures


WIDTH = 128
# What is trained of a text, for which share of the steps, at which share of the peak: first where things are, then also what is
# said of them. Not compared with both from the start.
STAGES = (("boxes", 0.9, 1.0), ("phrase", 0.1, 0.3))
# Every word of the toy world, so that none is spelled out in letters.
SENTENCES = (
    *DEFAULT_SENTENCES,
    *(f"the {size} {color} {noun}" for size in SIZES for color in COLORS for noun in (*SHAPES, ROBOT)),
    *(f"{plural(noun)} {predicate} it" for noun in (*SHAPES, ROBOT) for predicate in PREDICATES),
    "We can see in the image: an object, a thing. Base on that, we can detect:",
)


def untrained(*, layers: int = 4, vision_layers: int = 4, seed: int = 0) -> TinyModel:
    """The tiny Kosmos-2 with random weights: 1.4 million parameters, 64 patches, 64 latent queries."""
    return tiny_kosmos2(
        sentences=SENTENCES,
        width=WIDTH,
        layers=layers,
        vision_layers=vision_layers,
        image_size=SIDE,
        patch_size=PATCH,
        latent_query_num=PLACES,
        gain=1.0,
        seed=seed,
    )


@torch.no_grad()
def start(model, tokenizer, *, seed: int = 0, scenes: int = 400) -> None:
    """First weights between a pre-trained tower and the language model, from the tower's features of some scenes."""
    generator = torch.Generator().manual_seed(seed)
    width = model.config.text_config.embed_dim
    words = model.get_input_embeddings().weight
    words.normal_(std=width**-0.5, generator=generator)  # times sqrt(width) in the model: as loud as the positions
    cells = cell_ids(tokenizer)
    words[cells] = cell_codes(width) + 0.02 * torch.randn(len(cells), width, generator=generator)

    images = pictures(held_out(HARD, scenes, seed + 1))
    features = torch.cat([kosmos2_features(model.vision_model, some) for some in images.split(50)])
    projection = model.image_to_text_projection
    center = features.mean((0, 1))
    spread = (features - center).square().sum(-1).mean().sqrt()
    projection.dense.weight.normal_(std=float(1 / spread), generator=generator)
    projection.dense.bias.copy_(-projection.dense.weight @ center)
    by_place = projection.dense(features).mean(0)[1:]  # (places, width): what a patch looks like on average
    by_place = by_place - by_place.mean(0)
    projection.latent_query.copy_(0.5 * by_place / by_place.square().mean(-1, keepdim=True).sqrt())
    attention = projection.x_attn
    for layer, size in ((attention.q_proj, 4.0), (attention.k_proj, 1.0)):
        layer.weight.copy_(size * torch.eye(width))
        layer.bias.zero_()
    attention.v_proj.weight.normal_(std=width**-0.5, generator=generator)
    attention.out_proj.weight.normal_(std=1 / width, generator=generator)


def cell_ids(tokenizer) -> torch.Tensor:
    return torch.tensor(tokenizer.convert_tokens_to_ids([f"<patch_index_{cell:04d}>" for cell in range(32 * 32)]))


def align_places(
    tiny: TinyModel, steps: int, *, seed: int = 0, every: int = 50, say=lambda point: None
) -> list[Point]:
    """Train the resampler, so that latent query i says in words and cells what stands at place i; the tower stays."""
    model, tokenizer = tiny.model, tiny.processor.tokenizer
    projection = model.image_to_text_projection

    def embed(images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            features = kosmos2_features(model.vision_model, images)
        return projection(features)[0]

    words, between = model.get_input_embeddings().weight, list(projection.named_parameters())
    cells = cell_ids(tokenizer)
    corners = [
        Corner(name, cells, partial(_cell, column=column), _near) for name, column in (("first_cell", 3), ("last_cell", 5))
    ]
    return align(embed, between, words, word_ids(tokenizer), corners, steps, seed=seed, every=every, say=say)


def _cell(truth: torch.Tensor, column: int) -> torch.Tensor:
    return truth[..., column + 1] * GRID + truth[..., column]


def _near(guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
    return ((guess // GRID - answer // GRID).abs() <= 1) & ((guess % GRID - answer % GRID).abs() <= 1)


def cell_codes(width: int, side: int = 32) -> torch.Tensor:
    """(side * side, width): sinusoids of the row in one half and of the column in the other, so that near is alike."""
    code = codes(side, width // 2) * 0.5**0.5
    rows, columns = code[:, None].expand(-1, side, -1), code[None].expand(side, -1, -1)
    return torch.cat([rows, columns], -1).reshape(side * side, width)


def train_on(tiny: TinyModel, out: Path, steps: int, *, seed: int = 0, **options) -> dict[str, list[Point]]:
    """Train in place with `PromViLTrainer` on phrases of one level; `options` are those of `train_stages`."""
    backend = Kosmos2Backend(tiny.model, tiny.processor)
    looks = {"one_object": held_out(world(1), 40, seed), "many_objects": held_out(HARD, 20, seed)}
    stages = [
        Stage(
            span,
            share,
            of_peak,
            phrase_row,
            PromViLTrainer,
            PromViLConfig,
            # The rows' texts are final: their own wording already put some of them in the plural.
            ChainCollator(
                tiny.processor,
                texts=Texts(dialect=Kosmos2(wording=Wording(plural_first_level=False)), span=span),
            ),
            lambda: {name: grounding(backend, scenes, level=1, resamples=1).estimate for name, scenes in looks.items()},
        )
        for span, share, of_peak in STAGES
    ]
    return train_stages(tiny, tiny.model.vision_model, stages, out, steps, seed=seed, **options)
