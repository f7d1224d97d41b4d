# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny PaliGemma and a tiny Gemma 3: SigLIP patches before a Gemma, with image tokens that see each other both ways.

Floor 3: transformers.
"""

from collections.abc import Iterable

import transformers

from promvil_hf.toy.models.chat_templates import GEMMA_CHAT
from promvil_hf.toy.models.parts import (
    HALF_MEAN,
    TinyModel,
    check_sizes,
    key_value_heads,
    token_ids,
    vision_sizes,
    with_random_weights,
)
from promvil_hf.toy.models.tokenizers import DEFAULT_SENTENCES, byte_tokenizer


def tiny_paligemma(
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
    context: int = 512,
    seed: int = 0,
) -> TinyModel:
    """PaliGemma: a stretched picture, raster patches, a prefix that sees itself both ways.

    `<loc0000>` to `<loc1023>` and `<seg000>` to `<seg127>` are tokens. It has no chat template, as published: prompts
    are `"<image>" + text`, answers go into `suffix=`.
    """
    vision_width = vision_width or width
    check_sizes(width, heads, vision_width, image_size, patch_size)
    tokenizer = byte_tokenizer(
        sentences,
        vocabulary_size,
        special_tokens=["<pad>", "<eos>", "<bos>", "<unk>", "<image>"],
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        named_tokens={"image_token": "<image>"},
    )
    image_processor = transformers.SiglipImageProcessorPil(
        size={"height": image_size, "width": image_size},
        **HALF_MEAN,
        image_seq_length=(image_size // patch_size) ** 2,
    )
    processor = transformers.PaliGemmaProcessor(image_processor, tokenizer)
    config = transformers.PaliGemmaConfig(
        vision_config=dict(
            model_type="siglip_vision_model",
            vision_use_head=False,
            **vision_sizes(vision_width, vision_layers, heads, image_size, patch_size),
        ),
        text_config=dict(
            model_type="gemma",
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=1,
            head_dim=width // heads,
            vocab_size=len(tokenizer),
            max_position_embeddings=context,
            **token_ids(tokenizer),
        ),
        image_token_index=tokenizer.image_token_id,
        projection_dim=width,
        hidden_size=width,
    )
    return TinyModel(
        "paligemma", with_random_weights(transformers.PaliGemmaForConditionalGeneration, config, seed), processor
    )


def tiny_gemma3(
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
    tokens_per_side: int = 2,
    context: int = 1024,
    seed: int = 0,
) -> TinyModel:
    """Gemma 3: a stretched picture whose patches are averaged to `tokens_per_side` x `tokens_per_side` tokens.

    Crops of a long picture are asked for at the call of the processor: `do_pan_and_scan=True` and a
    `pan_and_scan_min_crop_size` (256 unless given). Settings of the image processor do not count there.
    """
    vision_width = vision_width or width
    check_sizes(width, heads, vision_width, image_size, patch_size)
    if image_size // patch_size % tokens_per_side:
        raise ValueError(
            f"tokens_per_side={tokens_per_side} does not divide the {image_size // patch_size} patches of a side "
            f"(image_size={image_size}, patch_size={patch_size}): Gemma 3 averages whole blocks of patches."
        )
    tokenizer = byte_tokenizer(
        sentences,
        vocabulary_size,
        special_tokens=[
            "<pad>",
            "<eos>",
            "<bos>",
            "<unk>",
            "<start_of_turn>",
            "<end_of_turn>",
            "<start_of_image>",
            "<end_of_image>",
            "<image_soft_token>",
        ],
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        named_tokens={
            "image_token": "<image_soft_token>",
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
        },
        add_bos_token=True,
    )
    processor = transformers.Gemma3Processor(
        transformers.Gemma3ImageProcessorPil(
            size={"height": image_size, "width": image_size},
        ),
        tokenizer,
        chat_template=GEMMA_CHAT,
        image_seq_length=tokens_per_side**2,
    )
    turn_ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<end_of_turn>")]
    config = transformers.Gemma3Config(
        vision_config=dict(
            model_type="siglip_vision_model",
            vision_use_head=False,
            **vision_sizes(vision_width, vision_layers, heads, image_size, patch_size),
        ),
        text_config=dict(
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=key_value_heads(heads),
            head_dim=width // heads,
            query_pre_attn_scalar=width // heads,
            # Real layers take turns; a tiny model has both kinds too, the last one with the full view.
            layer_types=["full_attention" if (layers - i) % 2 else "sliding_attention" for i in range(layers)],
            sliding_window=64,
            vocab_size=len(tokenizer),
            max_position_embeddings=context,
            **(token_ids(tokenizer) | {"eos_token_id": turn_ends}),
        ),
        mm_tokens_per_image=tokens_per_side**2,
        boi_token_index=tokenizer.boi_token_id,
        eoi_token_index=tokenizer.eoi_token_id,
        image_token_index=tokenizer.image_token_id,
        eos_token_id=turn_ends,
    )
    return TinyModel(
        "gemma3", with_random_weights(transformers.Gemma3ForConditionalGeneration, config, seed), processor
    )
