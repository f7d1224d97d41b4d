# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny Qwen2.5-VL and a tiny Qwen3-VL, without their video half. Floor 3: transformers."""

from collections.abc import Iterable, Sequence

import transformers

from promvil_hf.backends.image_text_processors import Qwen2_5_VLImageTextProcessor, Qwen3VLImageTextProcessor
from promvil_hf.toy.models.chat_templates import QWEN_CHAT
from promvil_hf.toy.models.parts import (
    HALF_MEAN,
    TinyModel,
    check_sizes,
    key_value_heads,
    token_ids,
    with_random_weights,
)
from promvil_hf.toy.models.tokenizers import DEFAULT_SENTENCES, byte_tokenizer


def tiny_qwen2_5_vl(
    *,
    sentences: Iterable[str] = DEFAULT_SENTENCES,
    vocabulary_size: int = 512,
    width: int = 32,
    layers: int = 2,
    heads: int = 4,
    vision_width: int | None = None,
    vision_layers: int = 2,
    patch_size: int = 7,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
    context: int = 1024,
    seed: int = 0,
) -> TinyModel:
    """Qwen2.5-VL: a picture keeps its shape, rounded to multiples of two patches; 2 x 2 patches are one token.

    `min_pixels` and `max_pixels` bound the stretched picture and hence its tokens: 4 and 32 by default. The processor
    is `Qwen2_5_VLImageTextProcessor`, ours, which leaves the video part out where torchvision is missing.
    """
    vision_width = vision_width or width
    check_sizes(width, heads, vision_width, 2 * patch_size, patch_size)
    tokenizer = _qwen_tokenizer(sentences, vocabulary_size)
    config = transformers.Qwen2_5_VLConfig(
        vision_config={
            "depth": vision_layers,
            "hidden_size": vision_width,
            "intermediate_size": 2 * vision_width,
            "num_heads": heads,
            "patch_size": patch_size,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 4 * patch_size,
            "fullatt_block_indexes": [vision_layers - 1],
            "out_hidden_size": width,
        },
        text_config=dict(
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=key_value_heads(heads),
            vocab_size=len(tokenizer),
            max_position_embeddings=context,
            rope_parameters={
                "rope_type": "default",
                "rope_theta": 1_000_000.0,
                "mrope_section": _mrope(width // heads),
            },
            **token_ids(tokenizer),
        ),
        **_qwen_token_ids(tokenizer),
    )
    processor = Qwen2_5_VLImageTextProcessor(
        _qwen_image_processor(patch_size, min_pixels, max_pixels), tokenizer, chat_template=QWEN_CHAT
    )
    return TinyModel(
        "qwen2_5_vl", with_random_weights(transformers.Qwen2_5_VLForConditionalGeneration, config, seed), processor
    )


def tiny_qwen3_vl(
    *,
    sentences: Iterable[str] = DEFAULT_SENTENCES,
    vocabulary_size: int = 512,
    width: int = 32,
    layers: int = 2,
    heads: int = 4,
    vision_width: int | None = None,
    vision_layers: int = 2,
    patch_size: int = 8,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
    context: int = 1024,
    seed: int = 0,
) -> TinyModel:
    """Qwen3-VL: as Qwen2.5-VL, with vision features also added inside the language model (deepstack).

    The processor is `Qwen3VLImageTextProcessor`, ours, which leaves the video part out where torchvision is missing.
    """
    vision_width = vision_width or width
    check_sizes(width, heads, vision_width, 2 * patch_size, patch_size)
    tokenizer = _qwen_tokenizer(sentences, vocabulary_size)
    config = transformers.Qwen3VLConfig(
        vision_config={
            "depth": vision_layers,
            "hidden_size": vision_width,
            "intermediate_size": 2 * vision_width,
            "num_heads": heads,
            "patch_size": patch_size,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
            "out_hidden_size": width,
        },
        text_config=dict(
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=key_value_heads(heads),
            head_dim=width // heads,
            vocab_size=len(tokenizer),
            max_position_embeddings=context,
            rope_parameters={
                "rope_type": "default",
                "rope_theta": 5_000_000.0,
                "mrope_section": _mrope(width // heads),
                "mrope_interleaved": True,
            },
            **token_ids(tokenizer),
        ),
        **_qwen_token_ids(tokenizer),
    )
    processor = Qwen3VLImageTextProcessor(
        _qwen_image_processor(patch_size, min_pixels, max_pixels, **HALF_MEAN), tokenizer, chat_template=QWEN_CHAT
    )
    return TinyModel(
        "qwen3_vl", with_random_weights(transformers.Qwen3VLForConditionalGeneration, config, seed), processor
    )


_QWEN_TOKENS = {
    "vision_start_token": "<|vision_start|>",
    "vision_end_token": "<|vision_end|>",
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
}


def _qwen_tokenizer(sentences: Iterable[str], vocabulary_size: int) -> transformers.PreTrainedTokenizerFast:
    return byte_tokenizer(
        sentences,
        vocabulary_size,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>", *_QWEN_TOKENS.values()],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        named_tokens=_QWEN_TOKENS,
    )


def _qwen_token_ids(tokenizer) -> dict[str, int]:
    return {f"{name}_id": tokenizer.convert_tokens_to_ids(token) for name, token in _QWEN_TOKENS.items()}


def _qwen_image_processor(
    patch_size: int, min_pixels: int | None, max_pixels: int | None, **normalization: Sequence[float]
) -> transformers.BaseImageProcessor:
    token_area = (2 * patch_size) ** 2
    size = {"shortest_edge": min_pixels or 4 * token_area, "longest_edge": max_pixels or 32 * token_area}
    return transformers.Qwen2VLImageProcessorPil(
        size=size, patch_size=patch_size, merge_size=2, temporal_patch_size=2, **normalization
    )


def _mrope(head_dim: int) -> list[int]:
    """How many rotary frequencies of a head go to time, height and width, in the real models' proportions."""
    spatial = head_dim // 2 * 3 // 8
    return [head_dim // 2 - 2 * spatial, spatial, spatial]
