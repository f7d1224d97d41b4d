# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny GLM-4.1V (`glm4v`) and a tiny GLM-4.6V (`glm46v`), without their video half."""

from typing import Any

import transformers

from promvil_hf.backends.image_text_processors import Glm4vImageTextProcessor, Glm46VImageTextProcessor
from promvil_hf.toy.models.chat_templates import GLM_CHAT
from promvil_hf.toy.models.parts import TinyModel, TinySizes, mrope


_IMAGES = {"image_start_token": "<|begin_of_image|>", "image_end_token": "<|end_of_image|>", "image_token": "<|image|>"}
_VIDEOS = {"video_start_token": "<|begin_of_video|>", "video_end_token": "<|end_of_video|>", "video_token": "<|video|>"}


def tiny_glm46v(*, patch_size: int = 7, **sizes: Any) -> TinyModel:
    """GLM-4.6V: a picture keeps its shape, rounded to multiples of two patches; a convolution makes 2 x 2 one token.

    `min_pixels` and `max_pixels` bound the stretched picture times the two frames that a still picture counts for: 8
    and 64 tokens by default. The other `sizes` are those of `TinySizes`, without `image_size`.
    """
    image_processor = transformers.Glm46VImageProcessorPil
    return _glm("glm46v", "Glm46V", Glm46VImageTextProcessor, image_processor, patch_size, **sizes)


def tiny_glm4v(*, patch_size: int = 7, **sizes: Any) -> TinyModel:
    """GLM-4.1V, of which GLM-4.6V has the parts. Arguments as in `tiny_glm46v`."""
    image_processor = transformers.Glm4vImageProcessorPil
    return _glm("glm4v", "Glm4v", Glm4vImageTextProcessor, image_processor, patch_size, **sizes)


def _glm(
    family: str,
    name: str,
    processor_class: type,
    image_processor_class: type,
    patch_size: int,
    *,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
    **sizes: Any,
) -> TinyModel:
    """`name` is what the family's classes begin with."""
    token_side = 2 * patch_size
    sizes = TinySizes(**{"context": 1024, **sizes}, patch_size=patch_size, image_size=token_side)
    image_processor = image_processor_class(
        size={"shortest_edge": min_pixels or 8 * token_side**2, "longest_edge": max_pixels or 64 * token_side**2},
        patch_size=patch_size,
        merge_size=2,
        temporal_patch_size=2,
    )
    named = _IMAGES | _VIDEOS
    talk = ("<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>")
    tokenizer = sizes.tokenizer(
        special_tokens=[*talk, *named.values()],
        eos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        named_tokens=named,
    )
    head_dim = sizes.width // sizes.heads
    config = getattr(transformers, f"{name}Config")(
        vision_config={
            "model_type": "glm4v_vision",
            "depth": sizes.vision_layers,
            "hidden_size": sizes.vision_width,
            "num_heads": sizes.heads,
            "intermediate_size": 2 * sizes.vision_width,
            "out_hidden_size": sizes.width,
            "image_size": 4 * token_side,
            "patch_size": patch_size,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
        text_config=sizes.text(
            tokenizer,
            model_type="glm4v_text",
            rope_parameters={
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "partial_rotary_factor": 1.0,
                "mrope_section": mrope(head_dim),
            },
        ),
        **{f"{token}_id": tokenizer.convert_tokens_to_ids(text) for token, text in named.items()},
    )
    processor = processor_class(image_processor, tokenizer, chat_template=GLM_CHAT)
    return sizes.model(family, getattr(transformers, f"{name}ForConditionalGeneration"), config, processor)
