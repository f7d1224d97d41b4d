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
from promvil_hf.toy.base_training.alignment import align, word_ids
from promvil_hf.toy.base_training.curve import Curve
from promvil_hf.toy.base_training.measure import answering
from promvil_hf.toy.base_training.tower import Point, copy_tower, pixel_values
from promvil_hf.toy.base_training.worlds import PATCH, SIDE, ToyRows, held_out, question_row, world
from promvil_hf.toy.config import COLORS, PREDICATES, ROBOT, SHAPES, SIZES
from promvil_hf.toy.models import tiny_llava
from promvil_hf.toy.models.parts import TinyModel
from promvil_hf.toy.models.tokenizers import DEFAULT_SENTENCES
from promvil_hf.trainers.fivl import FiVLTrainer
from promvil_hf.trainers.fivl_config import FiVLConfig


WIDTH = 128
COURSE = (
    (0.25, ((world(1), 1.0),)),
    (0.30, ((world(1), 0.2), (world(2, 3), 0.8))),
    (0.45, ((world(1), 0.1), (world(2, 3), 0.3), (world(3, 5), 0.6))),
)
ASKED_ABOUT = world(3, 5)
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
    """Put the pre-trained tower in, and a projector that begins with centred features of unit size."""
    copy_tower(tower, model.model.vision_tower)
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
    """Train the projector, so that each image token says in words what stands at its place; the tower stays."""
    model = tiny.model
    projector = model.model.multi_modal_projector

    def embed(images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            states = model.model.vision_tower(pixel_values=images, output_hidden_states=True).hidden_states
        return projector(states[model.config.vision_feature_layer][:, 1:])

    words, between = model.get_input_embeddings().weight, list(projector.parameters())
    return align(
        embed, between, words, word_ids(tiny.processor.tokenizer), None, steps, seed=seed, every=every, say=say
    )


def train_on(
    tiny: TinyModel,
    out: Path,
    steps: int,
    *,
    batch_size: int = 16,
    peak: float = 1.2e-3,
    seed: int = 0,
    log_every: int = 50,
    resume: bool = False,
) -> list[Point]:
    """Train in place with `FiVLTrainer`; the curve is written to `out` and returned."""
    args = FiVLConfig(
        str(out),
        vision_loss_weight=0.0,
        max_steps=steps,
        learning_rate=peak,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, min(100, steps // 10)),
        per_device_train_batch_size=batch_size,
        adam_beta2=0.98,
        weight_decay=0.02,
        seed=seed,
        logging_steps=log_every,
        train_sampling_strategy="sequential",
        save_steps=4 * log_every,
        save_total_limit=1,
        report_to="none",
        use_cpu=not torch.cuda.is_available(),
    )
    backend = PatchTokenBackend(tiny.model, tiny.processor)
    looks = {"one_object": held_out(world(1), 20, seed), "many_objects": held_out(ASKED_ABOUT, 20, seed)}
    curve = Curve(
        out, lambda: {name: answering(backend, own, resamples=1)["all"].estimate for name, own in looks.items()}
    )
    FiVLTrainer(
        tiny.model,
        args,
        processing_class=tiny.processor,
        train_dataset=ToyRows(question_row, steps * batch_size, seed, COURSE),
        data_collator=FiVLCollator(backend),
        callbacks=[curve],
    ).train(resume_from_checkpoint=resume or None)
    tiny.model.eval()
    return curve.points
