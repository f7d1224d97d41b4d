# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny LLaVA-1.5 and a tiny LLaVA-NeXT: CLIP patches before a Llama. Floor 3: transformers."""

from collections.abc import Iterable
from typing import Literal

import transformers

from promvil_hf.toy.models.chat_templates import LLAVA_CHAT
from promvil_hf.toy.models.parts import (
    TinyModel,
    check_sizes,
    clip_image_processor,
    llama_sizes,
    vision_sizes,
    with_random_weights,
)
from promvil_hf.toy.models.tokenizers import DEFAULT_SENTENCES, byte_tokenizer


def tiny_llava(
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
    fit: Literal["crop", "stretch", "pad"] = "crop",
    context: int = 512,
    attention_bias: bool = False,
    seed: int = 0,
) -> TinyModel:
    """LLaVA-1.5: CLIP patches in raster order as image tokens, (image_size / patch_size)^2 of them.

    `fit` is how a picture becomes square: "crop" as in the published processor, "pad" as in the original training
    code. `attention_bias` gives the language model's projections biases, which the published ones lack.
    """
    vision_width = vision_width or width
    check_sizes(width, heads, vision_width, image_size, patch_size)
    tokenizer = _llava_tokenizer(sentences, vocabulary_size)
    processor = transformers.LlavaProcessor(
        clip_image_processor(image_size, fit),
        tokenizer,
        patch_size=patch_size,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_CHAT,
    )
    vision = vision_sizes(vision_width, vision_layers, heads, image_size, patch_size)
    config = transformers.LlavaConfig(
        vision_config=dict(model_type="clip_vision_model", **vision),
        text_config=llama_sizes(tokenizer, width, layers, heads, context) | {"attention_bias": attention_bias},
        image_token_index=tokenizer.image_token_id,
        image_seq_length=(image_size // patch_size) ** 2,
    )
    return TinyModel("llava", with_random_weights(transformers.LlavaForConditionalGeneration, config, seed), processor)


def tiny_llava_next(
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
    context: int = 1024,
    seed: int = 0,
) -> TinyModel:
    """LLaVA-NeXT: the stretched picture first, then the best of five grids of tiles, without padding, a newline a row.

    The grids are those of the published checkpoints in units of `image_size`: 1x2, 2x1, 2x2, 3x1 and 1x3.
    """
    vision_width = vision_width or width
    check_sizes(width, heads, vision_width, image_size, patch_size)
    tokenizer = _llava_tokenizer(sentences, vocabulary_size)
    grids = [[rows * image_size, columns * image_size] for rows, columns in ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))]
    processor = transformers.LlavaNextProcessor(
        transformers.LlavaNextImageProcessorPil(
            size={"shortest_edge": image_size},
            crop_size={"height": image_size, "width": image_size},
            image_grid_pinpoints=grids,
        ),
        tokenizer,
        patch_size=patch_size,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_CHAT,
    )
    vision = vision_sizes(vision_width, vision_layers, heads, image_size, patch_size)
    config = transformers.LlavaNextConfig(
        vision_config=dict(model_type="clip_vision_model", **vision),
        text_config=llama_sizes(tokenizer, width, layers, heads, context),
        image_token_index=tokenizer.image_token_id,
        image_grid_pinpoints=grids,
        image_seq_length=(image_size // patch_size) ** 2,
    )
    return TinyModel(
        "llava_next", with_random_weights(transformers.LlavaNextForConditionalGeneration, config, seed), processor
    )


def _llava_tokenizer(sentences: Iterable[str], vocabulary_size: int) -> transformers.PreTrainedTokenizerFast:
    return byte_tokenizer(
        sentences,
        vocabulary_size,
        special_tokens=["<unk>", "<s>", "</s>", "<pad>", "<image>"],
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        named_tokens={"image_token": "<image>"},
        add_bos_token=True,
    )
