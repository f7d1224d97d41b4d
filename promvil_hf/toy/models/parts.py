# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the tiny models of all families share: the returned value, random weights, sizes and their checks.

Floor 3: torch and transformers.
"""

from dataclasses import dataclass
from typing import Any

import torch
import transformers


@dataclass(frozen=True, slots=True)
class TinyModel:
    """A family name, a model in evaluation mode and the processor that feeds it."""

    family: str
    model: transformers.PreTrainedModel
    processor: transformers.ProcessorMixin


def with_random_weights(
    model_class: type, config: transformers.PreTrainedConfig, seed: int, gain: float = 1.0
) -> transformers.PreTrainedModel:
    """Random weights that depend on `seed` alone; the random state of the caller does not move.

    The upstream initial weights leave a narrow model nearly blind: turning the image round moves the logits of a tiny
    Kosmos-2 by 1e-5 and those of Gemma 3, whose projection starts at zero, not at all. A test of positions or pictures
    would then pass whatever the code does, so each matrix is drawn with the scale that keeps a signal's size (variance
    1 / inputs), times `gain`. Embeddings shared with the output layer are drawn smaller, or every model would do
    nothing but repeat its last token.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = model_class(config)
        with torch.no_grad():
            for weight in model.parameters():
                if weight.dim() > 1:
                    weight.normal_(std=gain * weight[0].numel() ** -0.5)
            if model.can_generate() and config.tie_word_embeddings:
                words = model.get_input_embeddings()
                words.weight.mul_(words.embedding_dim**-0.5 / gain)
    return model.eval()


def check_sizes(width: int, heads: int, vision_width: int, image_size: int, patch_size: int) -> None:
    for name, value in (("width", width), ("vision_width", vision_width)):
        if value % (4 * heads):
            raise ValueError(
                f"{name}={value} cannot be shared by heads={heads}: each head takes a multiple of 4, the least that "
                f"rotary positions in two dimensions need. Choose a multiple of {4 * heads}."
            )
    if image_size % patch_size:
        raise ValueError(
            f"image_size={image_size} is not a multiple of {patch_size} pixels, the side of one image token: the last "
            "row of the picture would be dropped in silence. Choose sizes that divide."
        )


def clip_image_processor(image_size: int, fit: str) -> transformers.BaseImageProcessor:
    side = {"height": image_size, "width": image_size}
    if fit == "stretch":
        return transformers.CLIPImageProcessorPil(size=side, crop_size=side, do_center_crop=False)
    if fit == "crop":
        return transformers.CLIPImageProcessorPil(size={"shortest_edge": image_size}, crop_size=side)
    if fit == "pad":
        return transformers.LlavaImageProcessorPil(size={"shortest_edge": image_size}, crop_size=side, do_pad=True)
    raise ValueError(f'fit={fit!r} is no way to make a picture square: choose "stretch", "crop" or "pad".')


HALF_MEAN = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}


def vision_sizes(width: int, layers: int, heads: int, image_size: int, patch_size: int) -> dict[str, int]:
    return {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "image_size": image_size,
        "patch_size": patch_size,
    }


def llama_sizes(tokenizer, width: int, layers: int, heads: int, context: int) -> dict[str, Any]:
    return dict(
        model_type="llama",
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_value_heads(heads),
        vocab_size=len(tokenizer),
        max_position_embeddings=context,
        **token_ids(tokenizer),
    )


def key_value_heads(heads: int) -> int:
    """Half as many as query heads, so that grouped attention is exercised."""
    return heads // 2 if heads % 2 == 0 else heads


def token_ids(tokenizer) -> dict[str, int]:
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {name: getattr(tokenizer, name) for name in names}
