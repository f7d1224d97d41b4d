# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Tiny detectors: phrases become boxes. Grounding DINO, MM-Grounding DINO and OWLv2."""

from typing import Any

import transformers

from promvil_hf.toy.models.parts import TinyModel, TinySizes
from promvil_hf.toy.models.tokenizers import clip_tokenizer, wordpiece_tokenizer


def tiny_grounding_dino(*, queries: int = 12, **sizes: Any) -> TinyModel:
    """Grounding DINO: phrases separated by full stops in, boxes with phrases out; `image_size` is the shorter side.

    Its text is at most `context` (256) tokens, and `queries` boxes come out of every picture before a threshold is
    applied. `sizes` are those of `TinySizes`; the vision tower and the vocabulary have sizes of their own.
    """
    return _tiny_dino("grounding_dino", "GroundingDino", queries, sizes)


def tiny_mm_grounding_dino(*, queries: int = 12, **sizes: Any) -> TinyModel:
    """MM-Grounding DINO: as `tiny_grounding_dino`, with the heads of OpenMMLab's training."""
    return _tiny_dino("mm_grounding_dino", "MMGroundingDino", queries, sizes)


def _tiny_dino(family: str, name: str, queries: int, asked: dict[str, Any]) -> TinyModel:
    sizes = TinySizes(**{"heads": 2, "image_size": 64, "context": 256, **asked}, patch_size=4)
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
    config = getattr(transformers, f"{name}Config")(
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
    return sizes.model(family, getattr(transformers, f"{name}ForObjectDetection"), config, processor)


def tiny_owlv2(**sizes: Any) -> TinyModel:
    """OWLv2: nouns in, a box for each patch out. A picture is padded to a square below or on its right.

    `sizes` are those of `TinySizes`; a text is at most 16 tokens, as in the published checkpoints.
    """
    sizes = TinySizes(**{"heads": 2, "image_size": 32, "patch_size": 8, "context": 16, **sizes})
    tokenizer = clip_tokenizer(sizes.sentences)
    processor = transformers.Owlv2Processor(transformers.Owlv2ImageProcessorPil(size=sizes.square), tokenizer)
    layer = {"num_hidden_layers": sizes.layers, "num_attention_heads": sizes.heads}
    config = transformers.Owlv2Config(
        vision_config=sizes.vision(),
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": sizes.width,
            "intermediate_size": 2 * sizes.width,
            "max_position_embeddings": sizes.context,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            **layer,
        },
        projection_dim=sizes.width,
    )
    return sizes.model("owlv2", transformers.Owlv2ForObjectDetection, config, processor)
