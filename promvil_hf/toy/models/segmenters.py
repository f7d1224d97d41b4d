# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Tiny segmenters: boxes become masks (SAM, SAM 2), or phrases become boxes and masks (SAM 3)."""

from typing import Any

import transformers

from promvil_hf.toy.models.parts import TinyModel, TinySizes
from promvil_hf.toy.models.tokenizers import clip_tokenizer
from promvil_hf.toy.models.without_torchvision import without_torchvision


def tiny_sam(**sizes: Any) -> TinyModel:
    """SAM: boxes or points in, masks of a fourth of a patch out; `image_size` is the longer side of a picture.

    `sizes` are those of `TinySizes` that a model without text has.
    """
    sizes = TinySizes(**{"width": 16, "heads": 2, "image_size": 64, "patch_size": 8, **sizes})
    width, layers, heads = sizes.width, sizes.layers, sizes.heads
    image_size, patch_size = sizes.image_size, sizes.patch_size
    mask_side = 4 * sizes.patches
    processor = transformers.SamProcessor(
        transformers.SamImageProcessorPil(
            size={"longest_edge": image_size},
            pad_size=sizes.square,
            mask_size={"longest_edge": mask_side},
            mask_pad_size={"height": mask_side, "width": mask_side},
        )
    )
    config = transformers.SamConfig(
        vision_config={
            "hidden_size": width,
            "output_channels": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "image_size": image_size,
            "patch_size": patch_size,
            "mlp_dim": 2 * width,
            "num_pos_feats": width // 2,
            "window_size": 4,
            "global_attn_indexes": [layers - 1],
            "initializer_range": 0.02,
        },
        prompt_encoder_config={
            "hidden_size": width,
            "image_size": image_size,
            "patch_size": patch_size,
            "mask_input_channels": 4,
        },
        mask_decoder_config={
            "hidden_size": width,
            "mlp_dim": 2 * width,
            "num_hidden_layers": 2,
            "num_attention_heads": heads,
            "iou_head_hidden_dim": width,
        },
    )
    return sizes.model("sam", transformers.SamModel, config, processor)


def tiny_sam3(*, queries: int = 6, **sizes: Any) -> TinyModel:
    """SAM 3: phrases in, `queries` boxes with masks out before a threshold is applied. A picture is stretched to a square.

    `sizes` are those of `TinySizes`; a text is at most 32 tokens, as in the published checkpoint.
    """
    sizes = TinySizes(**{"width": 16, "heads": 2, "image_size": 56, "patch_size": 14, "context": 32, **sizes})
    width = sizes.width
    tokenizer = clip_tokenizer(sizes.sentences)
    side = {"height": 4 * sizes.patches, "width": 4 * sizes.patches}
    image_processor = without_torchvision("sam3.image_processing_sam3", "Sam3ImageProcessor")
    processor = transformers.Sam3Processor(
        image_processor(size=sizes.square, mask_size=side), tokenizer, target_size=sizes.image_size
    )
    blocks = {"hidden_size": width, "num_layers": 1, "num_attention_heads": sizes.heads, "intermediate_size": 2 * width}
    config = transformers.Sam3Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam3_vit_model",
                "hidden_size": width,
                "intermediate_size": 2 * width,
                "num_hidden_layers": sizes.layers,
                "num_attention_heads": sizes.heads,
                "image_size": sizes.image_size,
                "patch_size": sizes.patch_size,
                "window_size": 2,
                "global_attn_indexes": [sizes.layers - 1],
                "pretrain_image_size": sizes.image_size,
            },
            "fpn_hidden_size": width,
            "backbone_feature_sizes": [[scale * sizes.patches] * 2 for scale in (4, 2, 1)],
        },
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "projection_dim": width,
            "num_hidden_layers": 1,
            "num_attention_heads": sizes.heads,
            "max_position_embeddings": sizes.context,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        },
        geometry_encoder_config={**blocks, "roi_size": 3},
        detr_encoder_config=blocks,
        detr_decoder_config={**blocks, "num_queries": queries},
        mask_decoder_config={"hidden_size": width, "num_upsampling_stages": 3, "num_attention_heads": sizes.heads},
    )
    return sizes.model("sam3", transformers.Sam3Model, config, processor)
