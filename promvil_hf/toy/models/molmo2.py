# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny Molmo 2: the picture and overlapping crops of it before a language model of its own."""

from typing import Any

import transformers

from promvil_hf.toy.models.chat_templates import QWEN_CHAT
from promvil_hf.toy.models.parts import HALF_MEAN, TinyModel, TinySizes
from promvil_hf.toy.models.without_torchvision import without_torchvision


_TOKENS = ["<im_start>", "<im_end>", "<im_patch>", "<im_col>", "<low_res_im_start>", "<im_low>", "<frame_start>", "<frame_end>"]


class Molmo2ImageTextProcessor(transformers.Molmo2Processor):
    """`Molmo2Processor` for pictures and text only."""

    def __init__(self, image_processor=None, tokenizer=None, chat_template=None, **kwargs):
        # Upstream hands its parts on in the order of its own arguments, where videos are the second of three.
        super().__init__(image_processor, tokenizer, tokenizer, chat_template, **kwargs)


def tiny_molmo2(*, max_crops: int = 4, margins: tuple[int, int] = (1, 1), **sizes: Any) -> TinyModel:
    """Molmo 2: the whole picture stretched to `image_size`, then at most `max_crops` crops of that size.

    Crops overlap by `margins` patches on either side; 2 x 2 patches are one token. The other `sizes` are those of
    `TinySizes`, with 35 pixels a picture: an odd number of patches, as in the published models.
    """
    sizes = TinySizes(**{"context": 1024, "image_size": 35, **sizes})
    tokenizer = sizes.tokenizer(
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image|>", "<|video|>", *_TOKENS],
        bos_token="<|endoftext|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        named_tokens={"image_token": "<|image|>", "video_token": "<|video|>"},
    )
    image_processor = without_torchvision("molmo2.image_processing_molmo2", "Molmo2ImageProcessor")(
        size=sizes.square, patch_size=sizes.patch_size, max_crops=max_crops, overlap_margins=list(margins), **HALF_MEAN
    )
    chat = QWEN_CHAT.replace("<|vision_start|><|image_pad|><|vision_end|>", "<|image|>")
    processor = Molmo2ImageTextProcessor(image_processor, tokenizer, chat_template=chat)
    vision = sizes.vision(num_key_value_heads=sizes.heads, head_dim=sizes.vision_width // sizes.heads)
    ids = {name: tokenizer.convert_tokens_to_ids(f"<{token}>") for name, token in (
        ("image_start_token_id", "im_start"), ("low_res_image_start_token_id", "low_res_im_start"),
        ("image_end_token_id", "im_end"), ("image_patch_id", "im_patch"),
        ("frame_start_token_id", "frame_start"), ("frame_end_token_id", "frame_end"),
    )}  # fmt: skip
    config = transformers.Molmo2Config(
        vision_config=vision | {"image_size": [sizes.image_size] * 2},
        adapter_config={
            "vision_feature_layer": [-1, 0],
            **{name: vision[name] for name in ("hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim")},
            "intermediate_size": 2 * sizes.width,
            "text_hidden_size": sizes.width,
        },
        text_config=sizes.text(
            tokenizer,
            head_dim=sizes.width // sizes.heads,
            additional_vocab_size=8,
            rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        ),
        **ids,
    )
    return sizes.model("molmo2", transformers.Molmo2ForConditionalGeneration, config, processor)
