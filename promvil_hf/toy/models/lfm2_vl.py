# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny LFM2-VL: tiles and a thumbnail before layers of short convolutions and of attention."""

from typing import Any

import transformers

from promvil_hf.toy.models.chat_templates import QWEN_CHAT
from promvil_hf.toy.models.parts import HALF_MEAN, TinyModel, TinySizes, check_sizes
from promvil_hf.toy.models.without_torchvision import without_torchvision


def tiny_lfm2_vl(*, max_tiles: int = 6, max_image_tokens: int = 16, **sizes: Any) -> TinyModel:
    """LFM2-VL: a picture of more than twice `max_image_tokens` is cut into tiles of `image_size`; 2 x 2 patches a token.

    It has at most `max_tiles` tiles, then the whole at up to `max_image_tokens`; `max_tiles=1` cuts nothing. Every
    second layer is a convolution, the last one attends. The other `sizes` are those of `TinySizes`.
    """
    sizes = TinySizes(**{"context": 1024, **sizes})
    check_sizes(sizes.width, sizes.heads, sizes.vision_width, sizes.image_size, 2 * sizes.patch_size)
    tiles = [f"<|img_row_{row + 1}_col_{column + 1}|>" for row in range(max_tiles) for column in range(max_tiles)]
    tokenizer = sizes.tokenizer(
        special_tokens=[
            "<|pad|>", "<|startoftext|>", "<|im_start|>", "<|im_end|>",
            "<image>", "<|image_start|>", "<|image_end|>", "<|img_thumbnail|>", *tiles,
        ],
        bos_token="<|startoftext|>",
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        named_tokens={"image_token": "<image>"},
        add_bos_token=True,
    )  # fmt: skip
    image_processor = without_torchvision("lfm2_vl.image_processing_lfm2_vl", "Lfm2VlImageProcessor")(
        encoder_patch_size=sizes.patch_size,
        tile_size=sizes.image_size,
        max_tiles=max_tiles,
        do_image_splitting=max_tiles > 1,
        min_image_tokens=min(4, max_image_tokens),
        max_image_tokens=max_image_tokens,
        **HALF_MEAN,
    )
    chat = "{{ bos_token }}" + QWEN_CHAT.replace("<|vision_start|><|image_pad|><|vision_end|>", "<image>")
    processor = transformers.Lfm2VlProcessor(image_processor, tokenizer, chat_template=chat)
    vision = sizes.vision(model_type="siglip2_vision_model", vision_use_head=False, num_patches=sizes.patches**2)
    layers = ["full_attention" if (sizes.layers - layer) % 2 else "conv" for layer in range(sizes.layers)]
    config = transformers.Lfm2VlConfig(
        vision_config={name: value for name, value in vision.items() if name != "image_size"},
        text_config=sizes.text(tokenizer, model_type="lfm2", layer_types=layers),
        image_token_id=tokenizer.image_token_id,
        projector_hidden_size=sizes.width,
        tie_word_embeddings=False,
    )
    return sizes.model("lfm2_vl", transformers.Lfm2VlForConditionalGeneration, config, processor)
