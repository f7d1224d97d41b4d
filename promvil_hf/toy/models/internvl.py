# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny InternVL, Aya Vision and Command A Vision: tiles and a thumbnail before a Qwen2 or a Cohere2."""

from typing import Any

import transformers

from promvil_hf.backends.image_text_processors import InternVLImageTextProcessor
from promvil_hf.toy.models.chat_templates import QWEN_CHAT
from promvil_hf.toy.models.parts import TinyModel, TinySizes, check_sizes
from promvil_hf.toy.models.without_torchvision import without_torchvision


_TOKENS = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}
_COHERE_CHAT = QWEN_CHAT.replace("<|im_start|>", "<|START_OF_TURN_TOKEN|>").replace("<|im_end|>", "<|END_OF_TURN_TOKEN|>")
_COHERE_TOKENS = {
    "boi_token": "<|START_OF_IMG|>",
    "eoi_token": "<|END_OF_IMG|>",
    "image_token": "<|IMG_PATCH|>",
    "img_line_break_token": "<|IMG_LINE_BREAK|>",
}


def tiny_internvl(*, max_tiles: int = 6, **sizes: Any) -> TinyModel:
    """InternVL 3: at most `max_tiles` tiles of `image_size`, row by row, then the whole picture; 2 x 2 patches a token.

    The other `sizes` are those of `TinySizes`. The processor is `InternVLImageTextProcessor`, ours, which leaves the
    video part out.
    """
    sizes = TinySizes(**{"context": 1024, **sizes})
    check_sizes(sizes.width, sizes.heads, sizes.vision_width, sizes.image_size, 2 * sizes.patch_size)
    tokenizer = sizes.tokenizer(
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>", *_TOKENS.values()],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        named_tokens=_TOKENS,
    )
    each = (sizes.patches // 2) ** 2
    processor = InternVLImageTextProcessor(
        transformers.GotOcr2ImageProcessorPil(size=sizes.square, crop_to_patches=True, max_patches=max_tiles),
        tokenizer,
        image_seq_length=each,
        chat_template=QWEN_CHAT.replace("<|vision_start|><|image_pad|><|vision_end|>", "{{ '<IMG_CONTEXT>\n' }}"),
    )
    config = transformers.InternVLConfig(
        vision_config=sizes.vision(),
        text_config=sizes.text(tokenizer, model_type="qwen2"),
        image_token_id=tokenizer.context_image_token_id,
        image_seq_length=each,
        tie_word_embeddings=False,
    )
    return sizes.model("internvl", transformers.InternVLForConditionalGeneration, config, processor)


def tiny_aya_vision(*, max_tiles: int = 6, **sizes: Any) -> TinyModel:
    """Aya Vision: at most `max_tiles` tiles, then the whole picture, as in InternVL. `sizes` are those of `TinySizes`."""
    sizes = TinySizes(**{"context": 1024, **sizes})
    tokenizer = sizes.tokenizer(
        special_tokens=["<PAD>", "<BOS_TOKEN>", "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<image>", "<|IMG_PATCH|>",
                        "<|START_OF_IMG|>", "<|END_OF_IMG|>", "TILE", "TILE_GLOBAL"],
        bos_token="<BOS_TOKEN>",
        eos_token="<|END_OF_TURN_TOKEN|>",
        pad_token="<PAD>",
        add_bos_token=True,
    )  # fmt: skip
    chat = _COHERE_CHAT.replace("<|vision_start|><|image_pad|><|vision_end|>", "<image>")
    processor = transformers.AyaVisionProcessor(
        transformers.GotOcr2ImageProcessorPil(size=sizes.square, crop_to_patches=True, max_patches=max_tiles),
        tokenizer,
        patch_size=2 * sizes.patch_size,
        img_size=sizes.image_size,
        chat_template=chat,
    )
    config = transformers.AyaVisionConfig(
        vision_config=sizes.vision(model_type="siglip_vision_model", vision_use_head=False),
        text_config=sizes.text(tokenizer, model_type="cohere2", sliding_window=64),
        image_token_index=tokenizer.convert_tokens_to_ids("<|IMG_PATCH|>"),
        tie_word_embeddings=False,
    )
    return sizes.model("aya_vision", transformers.AyaVisionForConditionalGeneration, config, processor)


def tiny_cohere2_vision(*, max_tiles: int = 6, **sizes: Any) -> TinyModel:
    """Command A Vision: at most `max_tiles` tiles, then the whole picture. `sizes` are those of `TinySizes`."""
    sizes = TinySizes(**{"context": 1024, **sizes})
    tokenizer = sizes.tokenizer(
        special_tokens=["<PAD>", "<BOS_TOKEN>", "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", *_COHERE_TOKENS.values()],
        bos_token="<BOS_TOKEN>",
        eos_token="<|END_OF_TURN_TOKEN|>",
        pad_token="<PAD>",
        named_tokens=_COHERE_TOKENS,
        add_bos_token=True,
    )
    chat = _COHERE_CHAT.replace("<|vision_start|><|image_pad|><|vision_end|>", "<|IMG_PATCH|>")
    upstream = without_torchvision("cohere2_vision.image_processing_cohere2_vision", "Cohere2VisionImageProcessor")
    image_processor = upstream(size=sizes.square, max_patches=max_tiles, patch_size=sizes.patches // 2)  # tokens of a side
    processor = transformers.Cohere2VisionProcessor(image_processor, tokenizer, chat_template=chat)
    config = transformers.Cohere2VisionConfig(
        vision_config=sizes.vision(model_type="siglip_vision_model", vision_use_head=False),
        text_config=sizes.text(tokenizer, model_type="cohere2", sliding_window=64),
        image_token_id=tokenizer.image_token_id,
        alignment_intermediate_size=4 * sizes.width,
        tie_word_embeddings=False,
    )
    return sizes.model("cohere2_vision", transformers.Cohere2VisionForConditionalGeneration, config, processor)
