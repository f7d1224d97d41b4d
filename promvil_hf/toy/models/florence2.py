# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny Florence-2: a DaViT of two stages before a BART."""

from typing import Any

import transformers

from promvil_hf.toy.models.parts import TinyModel, TinySizes, clip_image_processor, token_ids


def tiny_florence2(*, strides: tuple[int, ...] = (4, 2), **sizes: Any) -> TinyModel:
    """Florence-2: a stretched picture that convolutions of these `strides` make small, first of all the mean of it.

    Published are strides of 4, 2, 2 and 2. `<loc_0>` to `<loc_999>` are tokens. The other `sizes` are those of
    `TinySizes`, without a patch size and with 32 pixels a picture.
    """
    stride = 1
    for step in strides:
        stride *= step
    sizes = TinySizes(**{"image_size": 4 * stride, **sizes}, patch_size=stride)
    tokenizer = sizes.tokenizer(
        special_tokens=["<s>", "<pad>", "</s>", "<image>"],
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        named_tokens={"image_token": "<image>"},
    )
    tokenizer.add_tokens([f"<loc_{place}>" for place in range(1000)], special_tokens=True)
    image_processor = clip_image_processor(sizes.image_size, "stretch")
    image_processor.image_seq_length = 1 + sizes.patches**2
    stages = len(strides)
    config = transformers.Florence2Config(
        vision_config={
            "depths": [1] * stages,
            "patch_size": [7, *[3] * (stages - 1)],
            "patch_stride": list(strides),
            "patch_padding": [3, *[1] * (stages - 1)],
            "patch_prenorm": [False, *[True] * (stages - 1)],
            "embed_dim": [sizes.vision_width] * stages,
            "num_heads": [sizes.heads] * stages,
            "num_groups": [sizes.heads] * stages,
            "window_size": 4,
            "drop_path_rate": 0.0,
            "mlp_ratio": 2.0,
            "projection_dim": sizes.width,
        },
        text_config={
            "model_type": "bart",
            "vocab_size": len(tokenizer),
            "d_model": sizes.width,
            "max_position_embeddings": sizes.context,
            "decoder_start_token_id": tokenizer.eos_token_id,
            **{f"{part}_layers": sizes.layers for part in ("encoder", "decoder")},
            **{f"{part}_attention_heads": sizes.heads for part in ("encoder", "decoder")},
            **{f"{part}_ffn_dim": 2 * sizes.width for part in ("encoder", "decoder")},
            "dropout": 0.0,
            **token_ids(tokenizer),
        },
        image_token_id=tokenizer.image_token_id,
    )
    processor = transformers.Florence2Processor(image_processor, tokenizer)
    made = sizes.model("florence2", transformers.Florence2ForConditionalGeneration, config, processor)
    made.model.generation_config.update(
        decoder_start_token_id=tokenizer.eos_token_id,
        forced_bos_token_id=tokenizer.bos_token_id,
        forced_eos_token_id=tokenizer.eos_token_id,
        num_beams=3,
        no_repeat_ngram_size=3,
        **token_ids(tokenizer),
    )
    return made
