# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Tiny models of the Qwen-VL family from Qwen2-VL to Qwen3.5, without their video half."""

from typing import Any

import transformers

from promvil_hf.backends.image_text_processors import (
    Qwen2_5_VLImageTextProcessor,
    Qwen2VLImageTextProcessor,
    Qwen3VLImageTextProcessor,
)
from promvil_hf.toy.models.chat_templates import QWEN_CHAT
from promvil_hf.toy.models.parts import HALF_MEAN, TinyModel, TinySizes, mrope


_TOKENS = {
    "vision_start_token": "<|vision_start|>",
    "vision_end_token": "<|vision_end|>",
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
}


def tiny_qwen2_vl(*, patch_size: int = 7, **sizes: Any) -> TinyModel:
    """Qwen2-VL: as Qwen2.5-VL, whose vision tower sees the whole picture in every layer. Arguments as there."""
    sizes, pixels = _sizes(patch_size, **sizes)
    vision = {"embed_dim": sizes.vision_width, "hidden_size": sizes.width, "mlp_ratio": 2}
    rope = {"rope_theta": 1_000_000.0}
    image_processor = transformers.Qwen2VLImageProcessorPil(**pixels)
    return _qwen("qwen2_vl", "Qwen2VL", sizes, Qwen2VLImageTextProcessor, image_processor, vision, rope)


def tiny_qwen2_5_vl(*, patch_size: int = 7, **sizes: Any) -> TinyModel:
    """Qwen2.5-VL: a picture keeps its shape, rounded to multiples of two patches; 2 x 2 patches are one token.

    `min_pixels` and `max_pixels` bound the stretched picture and hence its tokens: 4 and 32 by default. The other
    `sizes` are those of `TinySizes`, without `image_size`. The processor is `Qwen2_5_VLImageTextProcessor`, ours, which
    leaves the video part out where torchvision is missing.
    """
    sizes, pixels = _sizes(patch_size, **sizes)
    vision = {
        "intermediate_size": 2 * sizes.vision_width,
        "window_size": 4 * patch_size,
        "fullatt_block_indexes": [sizes.vision_layers - 1],
    }
    rope = {"rope_theta": 1_000_000.0}
    image_processor = transformers.Qwen2VLImageProcessorPil(**pixels)
    return _qwen("qwen2_5_vl", "Qwen2_5_VL", sizes, Qwen2_5_VLImageTextProcessor, image_processor, vision, rope)


def tiny_qwen3_vl(*, patch_size: int = 8, **sizes: Any) -> TinyModel:
    """Qwen3-VL: as Qwen2.5-VL, with vision features also added inside the language model (deepstack).

    The processor is `Qwen3VLImageTextProcessor`, ours, which leaves the video part out where torchvision is missing.
    """
    return _qwen3("qwen3_vl", "Qwen3VL", patch_size, sizes)


def tiny_qwen3_vl_moe(*, patch_size: int = 8, experts: int = 4, **sizes: Any) -> TinyModel:
    """Qwen3-VL with `experts` in each layer, of which two work for a token. The other arguments as in `tiny_qwen3_vl`."""
    moe = {"num_experts": experts, "num_experts_per_tok": 2, "moe_intermediate_size": 2 * sizes.get("width", 32)}
    return _qwen3("qwen3_vl_moe", "Qwen3VLMoe", patch_size, sizes, **moe, tie_word_embeddings=False)


def tiny_qwen3_5(*, patch_size: int = 8, **sizes: Any) -> TinyModel:
    """Qwen3.5: Qwen3-VL's pictures, without deepstack, before a hybrid language model.

    Only every fourth layer has attention heads; the others keep a state (linear attention). So `layers` is 4 unless
    given, and the arguments are those of `tiny_qwen3_vl`.
    """
    width, heads = sizes.get("width", 32), sizes.get("heads", 4)
    linear = {"linear_num_key_heads": heads // 2, "linear_num_value_heads": heads}
    linear |= {"linear_key_head_dim": width // heads, "linear_value_head_dim": width // heads}
    made = _qwen3("qwen3_5", "Qwen3_5", patch_size, {"layers": 4, **sizes}, deepstack=False, **linear)
    for name, weight in made.model.named_parameters():
        if name.endswith("A_log"):  # upstream draws decays that forget a token at once: the picture would not be seen
            weight.data.fill_(-2.3)
    return made


def _qwen3(family: str, name: str, patch_size: int, sizes: dict, *, deepstack: bool = True, **text: Any) -> TinyModel:
    sizes, pixels = _sizes(patch_size, **sizes)
    vision = {"intermediate_size": 2 * sizes.vision_width, "num_position_embeddings": 64}
    vision |= {"deepstack_visual_indexes": [0]} if deepstack else {}
    rope = {"rope_theta": 5_000_000.0, "mrope_interleaved": True}
    image_processor = transformers.Qwen2VLImageProcessorPil(**pixels, **HALF_MEAN)
    text = {"head_dim": sizes.width // sizes.heads, **text}
    return _qwen(family, name, sizes, Qwen3VLImageTextProcessor, image_processor, vision, rope, **text)


def _sizes(
    patch_size: int, *, min_pixels: int | None = None, max_pixels: int | None = None, **sizes: Any
) -> tuple[TinySizes, dict[str, Any]]:
    """The sizes, with one token as the picture's, and the settings of the image processor."""
    token_side = 2 * patch_size
    tiny_sizes = TinySizes(**{"context": 1024, **sizes}, patch_size=patch_size, image_size=token_side)
    size = {"shortest_edge": min_pixels or 4 * token_side**2, "longest_edge": max_pixels or 32 * token_side**2}
    return tiny_sizes, {"size": size, "patch_size": patch_size, "merge_size": 2, "temporal_patch_size": 2}


def _qwen(
    family: str, name: str, sizes: TinySizes, processor_class: type, image_processor, vision: dict, rope: dict, **text: Any
) -> TinyModel:
    """`name` is what the family's classes begin with; `vision`, `rope` and `text` are settings of its own."""
    tokenizer = sizes.tokenizer(
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>", *_TOKENS.values()],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        named_tokens=_TOKENS,
    )
    config = getattr(transformers, f"{name}Config")(
        vision_config={
            "depth": sizes.vision_layers,
            "hidden_size": sizes.vision_width,
            "num_heads": sizes.heads,
            "patch_size": sizes.patch_size,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": sizes.width,
            **vision,
        },
        text_config=sizes.text(
            tokenizer,
            rope_parameters={"rope_type": "default", "mrope_section": mrope(sizes.width // sizes.heads), **rope},
            **text,
        ),
        **{f"{token}_id": tokenizer.convert_tokens_to_ids(text) for token, text in _TOKENS.items()},
    )
    processor = processor_class(image_processor, tokenizer, chat_template=QWEN_CHAT)
    return sizes.model(family, getattr(transformers, f"{name}ForConditionalGeneration"), config, processor)
