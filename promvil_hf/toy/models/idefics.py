# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny Idefics3 and a tiny SmolVLM: tiles and a whole picture before a Llama. Floor 3: transformers."""

from collections.abc import Iterable
from typing import Any

import transformers

from promvil_hf.toy.models.chat_templates import IDEFICS_CHAT
from promvil_hf.toy.models.parts import TinyModel, check_sizes, llama_sizes, vision_sizes, with_random_weights
from promvil_hf.toy.models.tokenizers import DEFAULT_SENTENCES, byte_tokenizer


def tiny_idefics3(**sizes: Any) -> TinyModel:
    """Idefics3: tiles of `image_size`, row by row, then the whole picture as the last tile.

    Arguments, all by name: `sentences`, `vocabulary_size`, `width`, `layers`, `heads`, `vision_width`,
    `vision_layers`, `image_size` (side of a tile), `patch_size`, `scale_factor` (that many patches squared become one
    token), `longest_edge` (the picture is scaled to it before it is cut: three tiles by default), `split` (False: one
    stretched tile), `context`, `seed`.
    """
    return _tiled(
        "idefics3",
        transformers.Idefics3ForConditionalGeneration,
        transformers.Idefics3Config,
        transformers.Idefics3ImageProcessorPil,
        **sizes,
    )


def tiny_smolvlm(**sizes: Any) -> TinyModel:
    """SmolVLM: its own model and image processor under the processor of Idefics3, which writes the same text.

    The processor of SmolVLM itself asks for num2words and for a video processor, hence torchvision, even for pictures.
    Arguments as in `tiny_idefics3`.
    """
    return _tiled(
        "smolvlm",
        transformers.SmolVLMForConditionalGeneration,
        transformers.SmolVLMConfig,
        transformers.SmolVLMImageProcessorPil,
        **sizes,
    )


def _tiled(
    family: str,
    model_class: type,
    config_class: type,
    image_processor_class: type,
    *,
    sentences: Iterable[str] = DEFAULT_SENTENCES,
    vocabulary_size: int = 512,
    width: int = 32,
    layers: int = 2,
    heads: int = 4,
    vision_width: int | None = None,
    vision_layers: int = 2,
    image_size: int = 28,
    patch_size: int = 7,
    scale_factor: int = 2,
    longest_edge: int | None = None,
    split: bool = True,
    context: int = 1024,
    seed: int = 0,
) -> TinyModel:
    vision_width = vision_width or width
    check_sizes(width, heads, vision_width, image_size, patch_size * scale_factor)
    longest_edge = longest_edge or 3 * image_size
    if longest_edge > 6 * image_size:
        raise ValueError(
            f"longest_edge={longest_edge} would need more than 6 tiles of {image_size} pixels a side, but this family "
            f"has names for 6 x 6 tiles only: choose at most {6 * image_size}."
        )
    tile_tokens = [f"<row_{row + 1}_col_{column + 1}>" for row in range(6) for column in range(6)]
    tokenizer = byte_tokenizer(
        sentences,
        vocabulary_size,
        special_tokens=[
            "<|endoftext|>",
            "<|im_start|>",
            "<end_of_utterance>",
            "<pad>",
            "<image>",
            "<fake_token_around_image>",
            "<global-img>",
            *tile_tokens,
        ],
        bos_token="<|im_start|>",
        eos_token="<end_of_utterance>",
        pad_token="<pad>",
        add_bos_token=True,
    )
    processor = transformers.Idefics3Processor(
        image_processor_class(
            size={"longest_edge": longest_edge},
            max_image_size={"longest_edge": image_size},
            do_image_splitting=split,
        ),
        tokenizer,
        image_seq_len=(image_size // patch_size // scale_factor) ** 2,
        chat_template=IDEFICS_CHAT,
    )
    config = config_class(
        vision_config=vision_sizes(vision_width, vision_layers, heads, image_size, patch_size),
        text_config=llama_sizes(tokenizer, width, layers, heads, context),
        scale_factor=scale_factor,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
    )
    return TinyModel(family, with_random_weights(model_class, config, seed), processor)
