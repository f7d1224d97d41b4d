# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A tiny Grounding DINO and a tiny SAM: phrases become boxes, boxes become masks."""

from typing import Any

import transformers

from promvil_hf.toy.models.parts import TinyModel, TinySizes
from promvil_hf.toy.models.tokenizers import wordpiece_tokenizer


def tiny_grounding_dino(*, queries: int = 12, **sizes: Any) -> TinyModel:
    """Grounding DINO: phrases separated by full stops in, boxes with phrases out; `image_size` is the shorter side.

    Its text is at most `context` (256) tokens, and `queries` boxes come out of every picture before a threshold is
    applied. `sizes` are those of `TinySizes`; the vision tower and the vocabulary have sizes of their own.
    """
    sizes = TinySizes(**{"heads": 2, "image_size": 64, "context": 256, **sizes}, patch_size=4)
    width, layers, heads, image_size = sizes.width, sizes.layers, sizes.heads, sizes.image_size
    if width % 32:
        raise ValueError(
            f"width={width} is not a multiple of 32, the number of groups Grounding DINO normalises over."
        )
    if layers < 2:
        raise ValueError(
            f"layers={layers}: the decoder of Grounding DINO ties its box heads to each other and needs at least 2."
        )
    tokenizer = wordpiece_tokenizer(sizes.sentences)
    processor = transformers.GroundingDinoProcessor(
        transformers.GroundingDinoImageProcessorPil(
            size={"shortest_edge": image_size, "longest_edge": 2 * image_size}, do_pad=True
        ),
        tokenizer,
    )
    config = transformers.GroundingDinoConfig(
        backbone_config={
            "model_type": "swin",
            "image_size": image_size,
            "patch_size": 4,
            "embed_dim": 8,
            "depths": [1, 1, 1],
            "num_heads": [1, 2, 2],
            "window_size": 4,
            "mlp_ratio": 2,
            "drop_path_rate": 0.0,
            "out_indices": [1, 2, 3],
        },
        text_config={
            "model_type": "bert",
            "vocab_size": len(tokenizer),
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "max_position_embeddings": sizes.context,
        },
        d_model=width,
        encoder_layers=layers,
        encoder_ffn_dim=2 * width,
        encoder_attention_heads=heads,
        decoder_layers=layers,
        decoder_ffn_dim=2 * width,
        decoder_attention_heads=heads,
        num_queries=queries,
        num_feature_levels=4,
        encoder_n_points=2,
        decoder_n_points=2,
        dropout=0.0,
        fusion_droppath=0.0,
        max_text_len=sizes.context,
    )
    return sizes.model("grounding_dino", transformers.GroundingDinoForObjectDetection, config, processor)


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
