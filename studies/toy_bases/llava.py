# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny LLaVA that answers questions about toy scenes, trained by FiVL's own trainer without its vision loss.

Several questions about a picture stand in one conversation, as in LLaVA's own mix; where things stand is learned
before what they are asked for; and some heads begin by looking a few tokens back.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.inflection import plural
from promvil_hf.toy.config import COLORS, PREDICATES, ROBOT, SHAPES, SIZES
from promvil_hf.toy.models import tiny_llava
from promvil_hf.toy.models.parts import TinyModel
from promvil_hf.toy.models.tokenizers import DEFAULT_SENTENCES
from promvil_hf.toy.scenery import Scene
from promvil_hf.toy.small_world import ASKED_ABOUT, SIDE, held_out, questions, world
from promvil_hf.toy.training_rows import COLUMNS, PATCH, ROWS, asked_for_squares, place_talk_row, question_row
from promvil_hf.training.fivl_collator import FiVLCollator
from promvil_hf.training.fivl_config import FiVLConfig
from promvil_hf.training.fivl_trainer import FiVLTrainer
from studies.toy_bases.alignment import WORDS, Corner, align, word_ids
from studies.toy_bases.measure import answering
from studies.toy_bases.stages import Stage, train_stages
from studies.toy_bases.tower import Point, copy_tower, pictures


WIDTH = 128
WORLDS = ((world(1), 0.15), (world(2, 3), 0.35), (ASKED_ABOUT, 0.5))
STAGES = (("places", 0.2, 1.0), ("answers", 0.8, 0.4))  # what is trained, its share of the steps and of the peak
ROW_OF = {"places": place_talk_row, "answers": question_row}
# How many tokens back heads of a layer begin by looking. The first gathers the adjectives of a noun; the second goes from
# where an answer begins to the noun, over "? ASSISTANT:", "red? ASSISTANT:" and "in the image? ASSISTANT:".
LOOKS_BACK = ((1, 2, 3), (3, 4, 6))
_WORDS = ("large", "small", "left", "right", "top", "bottom", "yes", "no")
# Said often enough that each word of the toy questions is one token.
SENTENCES = (
    *DEFAULT_SENTENCES,
    *(
        f"USER: What color is the {size} {color} {noun}? ASSISTANT: {color}"
        for size in SIZES
        for color in COLORS
        for noun in (*SHAPES, ROBOT)
    ),
    *(f"{plural(noun)} {p} it {word}" for noun in (*SHAPES, ROBOT) for p in PREDICATES for word in _WORDS),
    *(["On which side of the image is it? What size is it? Is there a thing or an object in the image?"] * 30),
    *(f"On which square is the thing? {column} {row}" for column in COLUMNS for row in ROWS),
)


def untrained(
    *, layers: int = 4, vision_layers: int = 5, seed: int = 0, sentences: Sequence[str] = SENTENCES, **text: Any
) -> TinyModel:
    """The tiny LLaVA with random weights: 1.5 million parameters, 64 image tokens. `text`: settings of its language model."""
    return tiny_llava(
        sentences=sentences,
        vocabulary_size=1024,
        width=WIDTH,
        layers=layers,
        vision_layers=vision_layers,
        image_size=SIDE,
        patch_size=PATCH,
        fit="stretch",
        text={"attention_bias": True, **text},  # `look_back` sets the biases
        seed=seed,
    )


@torch.no_grad()
def start(
    tiny: TinyModel, tower, *, seed: int = 0, scenes: int = 100, looks_back: Sequence[Sequence[int]] = LOOKS_BACK
) -> None:
    """Put the pre-trained tower in, and a projector that begins with centred features of unit size.

    What the layers of the language model write begins at nothing: at random weights it would drown pictures and words,
    which Llama, other than Kosmos-2, does not enlarge as they come in. Heads of its first layers look back as `looks_back` says.
    """
    model = tiny.model
    copy_tower(tower, model.model.vision_tower)
    for layer in model.model.language_model.layers:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    for layer, distances in zip(model.model.language_model.layers, looks_back, strict=False):
        look_back(layer.self_attn, model.model.language_model.rotary_emb.inv_freq, distances)
    images = pictures(held_out(ASKED_ABOUT, scenes, seed + 1))
    states = model.model.vision_tower(pixel_values=images, output_hidden_states=True).hidden_states
    features = states[model.config.vision_feature_layer][:, 1:]
    center = features.mean((0, 1))
    spread = (features - center).square().mean().sqrt()
    first = model.model.multi_modal_projector.linear_1
    generator = torch.Generator().manual_seed(seed)
    first.weight.normal_(std=float(first.in_features**-0.5 / spread), generator=generator)
    first.bias.copy_(-first.weight @ center)


@torch.no_grad()
def look_back(attention, frequencies: torch.Tensor, distances: Sequence[int], strength: float = 10.0, turns: int = 8) -> None:
    """Let head i of an attention begin by looking `distances[i]` tokens back, whatever is written there.

    A language model has such heads from reading text; a tiny one that reads only questions finds them late or never. Every key
    gets one constant part, by way of its bias, and the query of a head the same part turned back by the distance: rotary
    positions then make them meet there. Only the `turns` quickest rotations say one token from the next.
    """
    half, quickest = len(frequencies), frequencies[:turns]
    keys, queries = attention.k_proj.bias.view(-1, 2, half), attention.q_proj.bias.view(-1, 2, half)
    keys[:, 0, :turns] = strength
    for head, distance in enumerate(distances):
        queries[head, 0, :turns] = strength * (quickest * distance).cos()
        queries[head, 1, :turns] = -strength * (quickest * distance).sin()
        attention.q_proj.weight.view(-1, 2 * half, attention.q_proj.in_features)[head].zero_()


def align_places(
    tiny: TinyModel, steps: int, *, seed: int = 0, every: int = 50, say=lambda point: None
) -> list[Point]:
    """Train the projector, so that each image token says in words what stands at its place, on which side and square."""
    return align_with(tiny, word_ids(tiny.processor.tokenizer, WORDS), (), steps, seed=seed, every=every, say=say)


def align_with(
    tiny: TinyModel, ids: Mapping[str, torch.Tensor], corners: Sequence[Corner], steps: int, **options
) -> list[Point]:
    """Train the projector on these words and corners; `options` are those of `align`."""
    model = tiny.model
    projector = model.model.multi_modal_projector

    def embed(images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            states = model.model.vision_tower(pixel_values=images, output_hidden_states=True).hidden_states
        return projector(states[model.config.vision_feature_layer][:, 1:])

    words, between = model.get_input_embeddings().weight, list(projector.named_parameters())
    curve = align(embed, between, words, ids, corners, steps, **options)
    with torch.no_grad():
        model.get_output_embeddings().weight.copy_(words)  # what is read as a word can be said as one
    return curve


def train_on(tiny: TinyModel, out: Path, steps: int, *, seed: int = 0, **options) -> dict[str, list[Point]]:
    """Train in place with `FiVLTrainer`, without its vision loss; `options` are those of `train_stages`."""
    backend = PatchTokenBackend(tiny.model, tiny.processor)
    looks = {"one_object": held_out(world(1), 20, seed), "many_objects": held_out(ASKED_ABOUT, 20, seed)}

    def scores(ask) -> dict[str, float]:
        return {
            name if kind == "all" else f"{kind} of {name}": score.estimate
            for name, scenes in looks.items()
            for kind, score in answering(backend, scenes, ask=ask, resamples=1).items()
        }

    stages = [
        Stage(
            kind,
            share,
            of_peak,
            ROW_OF[kind],
            FiVLTrainer,
            partial(FiVLConfig, vision_loss_weight=0.0),
            FiVLCollator(backend),
            partial(scores, questions if kind == "answers" else _squares),
            WORLDS,
        )
        for kind, share, of_peak in STAGES
    ]
    return train_stages(tiny, tiny.model.model.vision_tower, stages, out, steps, seed=seed, **options)


def _squares(drawn: Scene) -> list[tuple[str, str, str]]:
    return [("square", question, answer) for question, answer in asked_for_squares(drawn)]
