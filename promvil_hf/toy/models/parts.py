# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the tiny models of all families share: their sizes with the checks of them, and random weights."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import transformers

from promvil_hf.toy.models.tokenizers import DEFAULT_SENTENCES, byte_tokenizer


@dataclass(frozen=True, slots=True)
class TinyModel:
    """A family name, a model in evaluation mode and the processor that feeds it."""

    family: str
    model: transformers.PreTrainedModel
    processor: transformers.ProcessorMixin


@dataclass(frozen=True, slots=True, kw_only=True)
class TinySizes:
    """What a tiny model of every family can be asked for. Families differ in a few defaults.

    Args:
        sentences: The tokenizer learns its words from them.
        vocabulary_size: Most entries of the tokenizer, tags of the family that its processor adds not counted.
        width: Of the language model; it has `layers` and `heads`.
        vision_width: Of the vision tower; that of the language model unless given. It has as many heads.
        image_size: Side in pixels of the square picture that the vision tower sees.
        patch_size: Side of a patch, in pixels.
        context: Most tokens of a text.
        seed: Of the random weights.
    """

    sentences: Iterable[str] = DEFAULT_SENTENCES
    vocabulary_size: int = 512
    width: int = 32
    layers: int = 2
    heads: int = 4
    vision_width: int | None = None
    vision_layers: int = 2
    image_size: int = 28
    patch_size: int = 7
    context: int = 512
    seed: int = 0

    def __post_init__(self):
        object.__setattr__(self, "vision_width", self.vision_width or self.width)
        check_sizes(self.width, self.heads, self.vision_width, self.image_size, self.patch_size)

    @property
    def patches(self) -> int:
        """Of a side of the picture."""
        return self.image_size // self.patch_size

    @property
    def square(self) -> dict[str, int]:
        """The picture's size as image processors take it."""
        return {"height": self.image_size, "width": self.image_size}

    def tokenizer(self, **special: Any) -> transformers.PreTrainedTokenizerFast:
        """`byte_tokenizer` of these sentences."""
        return byte_tokenizer(self.sentences, self.vocabulary_size, **special)

    def vision(self, **other: Any) -> dict[str, Any]:
        """Settings of a vision tower as CLIP, SigLIP and their kin name them."""
        return {
            "hidden_size": self.vision_width,
            "intermediate_size": 2 * self.vision_width,
            "num_hidden_layers": self.vision_layers,
            "num_attention_heads": self.heads,
            "image_size": self.image_size,
            "patch_size": self.patch_size,
            **other,
        }

    def text(self, tokenizer, **other: Any) -> dict[str, Any]:
        """Settings of a language model as Llama and its kin name them. Half as many heads for keys as for queries, so
        that grouped attention is exercised."""
        return {
            "hidden_size": self.width,
            "intermediate_size": 2 * self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.heads // 2 if self.heads % 2 == 0 else self.heads,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": self.context,
            **token_ids(tokenizer),
            **other,
        }

    def model(self, family: str, model_class: type, config, processor, gain: float = 1.0) -> TinyModel:
        """A model of this configuration with random weights."""
        return TinyModel(family, with_random_weights(model_class, config, self.seed, gain), processor)


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


def token_ids(tokenizer) -> dict[str, int]:
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {name: getattr(tokenizer, name) for name in names}


def mrope(head_dim: int) -> list[int]:
    """How many rotary frequencies of a head go to time, height and width, in the real models' proportions."""
    spatial = head_dim // 2 * 3 // 8
    return [head_dim // 2 - 2 * spatial, spatial, spatial]
