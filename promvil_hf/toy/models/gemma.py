# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny PaliGemma, a tiny Gemma 3 and a tiny Gemma 4: patches before a Gemma, image tokens that see each other both ways."""

from typing import Any

import transformers

from promvil_hf.backends.image_text_processors import Gemma4ImageTextProcessor
from promvil_hf.toy.models.chat_templates import GEMMA4_CHAT, GEMMA_CHAT
from promvil_hf.toy.models.parts import HALF_MEAN, TinyModel, TinySizes


def tiny_paligemma(**sizes: Any) -> TinyModel:
    """PaliGemma: a stretched picture, raster patches, a prefix that sees itself both ways.

    `<loc0000>` to `<loc1023>` and `<seg000>` to `<seg127>` are tokens. It has no chat template, as published: prompts
    are `"<image>" + text`, answers go into `suffix=`. `sizes` are those of `TinySizes`.
    """
    sizes = TinySizes(**sizes)
    tokenizer = _tokenizer(sizes, {"image_token": "<image>"}, "<image>")
    shown = {"size": sizes.square, "image_seq_length": sizes.patches**2, **HALF_MEAN}
    image_processor = transformers.SiglipImageProcessorPil(**shown)
    processor = transformers.PaliGemmaProcessor(image_processor, tokenizer)
    config = transformers.PaliGemmaConfig(
        vision_config=_siglip(sizes),
        text_config=sizes.text(
            tokenizer, model_type="gemma", num_key_value_heads=1, head_dim=sizes.width // sizes.heads
        ),
        image_token_index=tokenizer.image_token_id,
        projection_dim=sizes.width,
        hidden_size=sizes.width,
    )
    return sizes.model("paligemma", transformers.PaliGemmaForConditionalGeneration, config, processor)


def tiny_gemma3(*, tokens_per_side: int = 2, **sizes: Any) -> TinyModel:
    """Gemma 3: a stretched picture whose patches are averaged to `tokens_per_side` x `tokens_per_side` tokens.

    Crops of a long picture are asked for at the call of the processor: `do_pan_and_scan=True` and a
    `pan_and_scan_min_crop_size` (256 unless given). Settings of the image processor do not count there. `sizes` are
    those of `TinySizes`.
    """
    sizes = TinySizes(**{"context": 1024, **sizes})
    if sizes.patches % tokens_per_side:
        raise ValueError(
            f"tokens_per_side={tokens_per_side} does not divide the {sizes.patches} patches of a side "
            f"(image_size={sizes.image_size}, patch_size={sizes.patch_size}): Gemma 3 averages whole blocks of patches."
        )
    named = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    special = ("<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>")
    tokenizer = _tokenizer(sizes, named, *special, add_bos_token=True)
    processor = transformers.Gemma3Processor(
        transformers.Gemma3ImageProcessorPil(size=sizes.square),
        tokenizer,
        chat_template=GEMMA_CHAT,
        image_seq_length=tokens_per_side**2,
    )
    head_dim = sizes.width // sizes.heads
    turn_ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<end_of_turn>")]
    config = transformers.Gemma3Config(
        vision_config=_siglip(sizes),
        text_config=sizes.text(
            tokenizer,
            head_dim=head_dim,
            query_pre_attn_scalar=head_dim,
            # Real layers take turns; a tiny model has both kinds too, the last one with the full view.
            layer_types=["full_attention" if (sizes.layers - i) % 2 else "sliding_attention" for i in range(sizes.layers)],
            sliding_window=64,
            eos_token_id=turn_ends,
        ),
        mm_tokens_per_image=tokens_per_side**2,
        boi_token_index=tokenizer.boi_token_id,
        eoi_token_index=tokenizer.eoi_token_id,
        image_token_index=tokenizer.image_token_id,
        eos_token_id=turn_ends,
    )
    return sizes.model("gemma3", transformers.Gemma3ForConditionalGeneration, config, processor)


def tiny_gemma4(*, both_ways: bool = True, **sizes: Any) -> TinyModel:
    """Gemma 4: a picture keeps its shape, stretched to at most 70 tokens, each the average of 3 x 3 patches.

    70 is the least that its image processor takes (`max_soft_tokens`). Layers differ as in the published ones: those
    with a sliding window have narrower heads. `both_ways` lets image tokens see each other in those, as the large
    published models do. `sizes` are those of `TinySizes`, without `image_size`.
    """
    sizes = TinySizes(**{"context": 1024, "patch_size": 4, **sizes}, image_size=sizes.get("patch_size", 4))
    named = {"image_token": "<|image|>", "boi_token": "<|image>", "eoi_token": "<image|>"}
    named |= {"audio_token": "<|audio|>", "boa_token": "<|audio>", "eoa_token": "<audio|>"}
    tokenizer = _tokenizer(sizes, named, "<|turn>", "<turn|>", *named.values(), "<|video|>", add_bos_token=True)
    processor = Gemma4ImageTextProcessor(
        transformers.Gemma4ImageProcessorPil(patch_size=sizes.patch_size, max_soft_tokens=70, pooling_kernel_size=3),
        tokenizer,
        chat_template=GEMMA4_CHAT,
        image_seq_length=70,
    )
    head_dim = sizes.width // sizes.heads
    turn_ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<turn|>")]
    kinds = ["full_attention" if (sizes.layers - i) % 2 else "sliding_attention" for i in range(sizes.layers)]
    config = transformers.Gemma4Config(
        vision_config={
            **sizes.vision(num_key_value_heads=sizes.heads, head_dim=sizes.vision_width // sizes.heads),
            "position_embedding_size": 256,
        },
        text_config=sizes.text(
            tokenizer,
            head_dim=head_dim,
            global_head_dim=2 * head_dim,
            layer_types=kinds,
            sliding_window=64,
            hidden_size_per_layer_input=8,
            vocab_size_per_layer_input=len(tokenizer),
            use_bidirectional_attention="vision" if both_ways else None,
            eos_token_id=turn_ends,
        ),
        audio_config=None,
        boi_token_id=tokenizer.boi_token_id,
        eoi_token_id=tokenizer.eoi_token_id,
        image_token_id=tokenizer.image_token_id,
        audio_token_id=tokenizer.audio_token_id,
        video_token_id=processor.video_token_id,
        eos_token_id=turn_ends,
    )
    return sizes.model("gemma4", transformers.Gemma4ForConditionalGeneration, config, processor)


def _tokenizer(sizes: TinySizes, named: dict[str, str], *special: str, **options: Any):
    """`special` tokens stand behind those that both families have; the named ones become attributes of the tokenizer."""
    common = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
    special = ["<pad>", "<eos>", "<bos>", "<unk>", *special]
    return sizes.tokenizer(special_tokens=special, named_tokens=named, **common, **options)


def _siglip(sizes: TinySizes) -> dict[str, Any]:
    return sizes.vision(model_type="siglip_vision_model", vision_use_head=False)
