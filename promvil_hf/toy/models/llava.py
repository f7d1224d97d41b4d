# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny LLaVA-1.5, LLaVA-NeXT and LLaVA-OneVision: CLIP or SigLIP patches before a Llama or a Qwen2."""

from collections.abc import Mapping
from typing import Any, Literal

import transformers

from promvil_hf.backends.image_text_processors import LlavaOnevisionImageTextProcessor
from promvil_hf.toy.models.chat_templates import LLAVA_CHAT, QWEN_CHAT
from promvil_hf.toy.models.parts import TinyModel, TinySizes, clip_image_processor


def tiny_llava(
    *, fit: Literal["crop", "stretch", "pad"] = "crop", text: Mapping[str, Any] | None = None, **sizes: Any
) -> TinyModel:
    """LLaVA-1.5: CLIP patches in raster order as image tokens, (image_size / patch_size)^2 of them.

    `fit` is how a picture becomes square: "crop" as in the published processor, "pad" as in the original training
    code. `text` are further settings of the language model's configuration. `sizes` are those of `TinySizes`.
    """
    sizes = TinySizes(**sizes)
    image_processor = clip_image_processor(sizes.image_size, fit)
    return _llava("llava", "Llava", sizes, image_processor, {}, **(text or {}))


def tiny_llava_next(**sizes: Any) -> TinyModel:
    """LLaVA-NeXT: the stretched picture first, then the best of five grids of tiles, without padding, a newline a row.

    The grids are those of the published checkpoints in units of `image_size`: 1x2, 2x1, 2x2, 3x1 and 1x3. `sizes` are
    those of `TinySizes`.
    """
    sizes = TinySizes(**{"context": 1024, **sizes})
    side = sizes.image_size
    grids = [[rows * side, columns * side] for rows, columns in ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))]
    image_processor = transformers.LlavaNextImageProcessorPil(
        size={"shortest_edge": side}, crop_size=sizes.square, image_grid_pinpoints=grids
    )
    return _llava("llava_next", "LlavaNext", sizes, image_processor, {"image_grid_pinpoints": grids})


def tiny_llava_onevision(*, most_tiles: int = 9, margin: int = 0, **sizes: Any) -> TinyModel:
    """LLaVA-OneVision: as LLaVA-NeXT, with grids of up to 3 x 3 tiles and a SigLIP.

    Patches are made fewer where they are clearly more than those of `most_tiles`. Tiles have `margin` more pixels a side
    than patches fill (6 in the published checkpoints). `sizes` are those of `TinySizes`.
    """
    sizes = TinySizes(**{"context": 2048, **sizes})
    tile = sizes.image_size + margin
    grids = [[down * tile, right * tile] for down in (1, 2, 3) for right in (1, 2, 3)]
    tokenizer = sizes.tokenizer(
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
    )
    shown = {"vision_feature_select_strategy": "full", "vision_aspect_ratio": f"anyres_max_{most_tiles}"}
    processor = LlavaOnevisionImageTextProcessor(
        transformers.LlavaOnevisionImageProcessorPil(size={"height": tile, "width": tile}, image_grid_pinpoints=grids),
        tokenizer,
        num_image_tokens=sizes.patches**2,
        chat_template=QWEN_CHAT.replace("<|vision_start|><|image_pad|><|vision_end|>", "{{ '<image>\n' }}"),
        **shown,
    )
    config = transformers.LlavaOnevisionConfig(
        vision_config=sizes.vision(model_type="siglip_vision_model", vision_use_head=False, image_size=tile),
        text_config=sizes.text(tokenizer, model_type="qwen2"),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=grids,
        tie_word_embeddings=False,
        **shown,
    )
    return sizes.model("llava_onevision", transformers.LlavaOnevisionForConditionalGeneration, config, processor)


def _llava(family: str, name: str, sizes: TinySizes, image_processor, settings: dict, **text: Any) -> TinyModel:
    """`name` is what the family's classes begin with, `settings` go to its configuration, `text` to the Llama's."""
    tokenizer = sizes.tokenizer(
        special_tokens=["<unk>", "<s>", "</s>", "<pad>", "<image>"],
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        named_tokens={"image_token": "<image>"},
        add_bos_token=True,
    )
    processor = getattr(transformers, f"{name}Processor")(
        image_processor,
        tokenizer,
        patch_size=sizes.patch_size,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_CHAT,
    )
    config = getattr(transformers, f"{name}Config")(
        vision_config=sizes.vision(model_type="clip_vision_model"),
        text_config=sizes.text(tokenizer, model_type="llama", **text),
        image_token_index=tokenizer.image_token_id,
        image_seq_length=sizes.patches**2,
        **settings,
    )
    return sizes.model(family, getattr(transformers, f"{name}ForConditionalGeneration"), config, processor)
