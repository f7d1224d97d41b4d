# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny LLaVA that answers questions about toy scenes, trained by FiVL's own trainer without its vision loss.

Special: seven questions about a picture stand in one conversation, as in LLaVA's own mix. Floor 5.
"""

from pathlib import Path

import numpy as np
import torch

from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.collators.fivl import FiVLCollator
from promvil_hf.inflection import plural
from promvil_hf.toy.base_training.alignment import WORDS, align, word_ids
from promvil_hf.toy.base_training.curve import Curve, arguments
from promvil_hf.toy.base_training.measure import answering
from promvil_hf.toy.base_training.muon import Muon
from promvil_hf.toy.base_training.tower import Point, copy_tower, pixel_values
from promvil_hf.toy.base_training.worlds import PATCH, ToyRows, question_row
from promvil_hf.toy.config import COLORS, PREDICATES, ROBOT, SHAPES, SIZES
from promvil_hf.toy.models import tiny_llava
from promvil_hf.toy.models.parts import TinyModel
from promvil_hf.toy.models.tokenizers import DEFAULT_SENTENCES
from promvil_hf.toy.small_world import ASKED_ABOUT, SIDE, held_out, world
from promvil_hf.trainers.checkpoints import last_whole
from promvil_hf.trainers.fivl import FiVLTrainer
from promvil_hf.trainers.fivl_config import FiVLConfig


WIDTH = 128
WORLDS = ((world(1), 0.15), (world(2, 3), 0.35), (ASKED_ABOUT, 0.5))
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
)


def untrained(*, layers: int = 4, vision_layers: int = 5, seed: int = 0) -> TinyModel:
    """The tiny LLaVA with random weights: 1.4 million parameters, 64 image tokens."""
    return tiny_llava(
        sentences=SENTENCES,
        vocabulary_size=1024,
        width=WIDTH,
        layers=layers,
        vision_layers=vision_layers,
        image_size=SIDE,
        patch_size=PATCH,
        fit="stretch",
        seed=seed,
    )


@torch.no_grad()
def start(model, tower, *, seed: int = 0, scenes: int = 100) -> None:
    """Put the pre-trained tower in, and a projector that begins with centred features of unit size.

    What the layers of the language model write begins at nothing: at random weights it would drown pictures and words,
    which Llama, other than Kosmos-2, does not enlarge as they come in.
    """
    copy_tower(tower, model.model.vision_tower)
    for layer in model.model.language_model.layers:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    images = np.stack([np.asarray(drawn.image()) for drawn in held_out(ASKED_ABOUT, scenes, seed + 1)])
    states = model.model.vision_tower(pixel_values=pixel_values(images), output_hidden_states=True).hidden_states
    features = states[model.config.vision_feature_layer][:, 1:]
    center = features.mean((0, 1))
    spread = (features - center).square().mean().sqrt()
    first = model.model.multi_modal_projector.linear_1
    generator = torch.Generator().manual_seed(seed)
    first.weight.normal_(std=float(first.in_features**-0.5 / spread), generator=generator)
    first.bias.copy_(-first.weight @ center)


def align_places(
    tiny: TinyModel, steps: int, *, seed: int = 0, every: int = 50, say=lambda point: None
) -> list[Point]:
    """Train the projector, so that each image token says in words what stands at its place and on which side; the tower stays."""
    model = tiny.model
    projector = model.model.multi_modal_projector

    def embed(images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            states = model.model.vision_tower(pixel_values=images, output_hidden_states=True).hidden_states
        return projector(states[model.config.vision_feature_layer][:, 1:])

    words, between = model.get_input_embeddings().weight, list(projector.named_parameters())
    ids = word_ids(tiny.processor.tokenizer, WORDS)
    curve = align(embed, between, words, ids, None, steps, seed=seed, every=every, say=say)
    with torch.no_grad():
        model.get_output_embeddings().weight.copy_(words)  # what is read as a word can be said as one
    return curve


def train_on(
    tiny: TinyModel,
    out: Path,
    steps: int,
    *,
    batch_size: int = 16,
    peak: float = 0.008,
    seed: int = 0,
    log_every: int = 50,
    resume: bool = False,
) -> dict[str, list[Point]]:
    """Train in place with `FiVLTrainer`, the tower at rest; the curve is written to `out` and returned.

    Slower and steadier than Kosmos-2's: an answer of one word says little of which thing is meant. docs/toy_bases.md has the runs
    at 0.02 with a momentum of 0.95, of which one in four left chance.
    """
    backend, folder = PatchTokenBackend(tiny.model, tiny.processor), out / "answers"
    looks = {"one_object": held_out(world(1), 20, seed), "many_objects": held_out(ASKED_ABOUT, 20, seed)}
    curve = Curve(
        folder, lambda: {name: answering(backend, own, resamples=1)["all"].estimate for name, own in looks.items()}
    )
    tiny.model.model.vision_tower.requires_grad_(False)
    FiVLTrainer(
        tiny.model,
        FiVLConfig(vision_loss_weight=0.0, **arguments(folder, steps, batch_size, seed, log_every)),
        processing_class=tiny.processor,
        train_dataset=ToyRows(question_row, steps * batch_size, seed, WORLDS),
        data_collator=FiVLCollator(backend),
        callbacks=[curve],
        optimizers=(Muon(tiny.model.named_parameters(), peak, momentum=0.98), None),
    ).train(resume_from_checkpoint=(resume and last_whole(folder)[0]) or None)
    tiny.model.requires_grad_(True).eval()
    return {"answers": curve.points}
