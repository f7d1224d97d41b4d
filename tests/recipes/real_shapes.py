# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Checkpoints with the published shapes of the models that recipes name, random weights, and as little depth as they run with.

Widths, heads, picture sizes and patches are the published ones. Cut are the layers, and the vocabulary, which is that of a tiny
tokenizer; Kosmos-2 keeps the real tokenizer and processor where their files are at hand.
"""

from pathlib import Path
from typing import Any

import transformers

from promvil_hf.toy import models
from promvil_hf.toy.chains import toy_sentences
from promvil_hf.toy.models.parts import with_random_weights


_QWEN3_VL = {"rope_theta": 5_000_000.0, "mrope_interleaved": True, "rope_type": "default", "mrope_section": [24, 20, 20]}
_QWEN3_5 = {
    "rope_theta": 10_000_000.0, "mrope_interleaved": True, "rope_type": "default", "mrope_section": [11, 11, 10],
    "partial_rotary_factor": 0.25,
}  # fmt: skip
_SIGLIP = {"hidden_size": 1152, "intermediate_size": 4304, "num_attention_heads": 16}
_VIT = {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16}
_QWEN_VIT = {"hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16, "num_position_embeddings": 2304}


def _text(width: int, inner: int, heads: int, kv_heads: int, head_dim: int, **other: Any) -> dict[str, Any]:
    return {
        "hidden_size": width, "intermediate_size": inner, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
        "head_dim": head_dim, "max_position_embeddings": 4096, **other,
    }  # fmt: skip


# Checkpoint: (tiny model whose processor and settings are taken, its sizes, settings of text and vision).
SHAPES: dict[str, tuple[str, dict, dict, dict]] = {
    "llava-hf/llava-1.5-7b-hf": (
        "llava",
        {"image_size": 336, "patch_size": 14, "layers": 1, "vision_layers": 2},  # the last but one of the tower is read
        _text(4096, 11008, 32, 32, 128),
        _VIT,
    ),
    "runs/seeing/model": (  # real:smol, after recipes/assemble/see.py
        "llava",
        {"image_size": 224, "patch_size": 32, "layers": 1, "vision_layers": 2},
        _text(576, 1536, 9, 3, 64),
        {"hidden_size": 1280, "intermediate_size": 1280, "num_attention_heads": 16},
    ),
    "google/paligemma2-3b-pt-448": (
        "paligemma",
        {"image_size": 448, "patch_size": 14, "layers": 1, "vision_layers": 1},
        _text(2304, 9216, 8, 4, 256, model_type="gemma2", query_pre_attn_scalar=256, layer_types=["full_attention"]),
        _SIGLIP | {"projection_dim": 2304},
    ),
    "HuggingFaceTB/SmolVLM-500M-Instruct": (
        "smolvlm",
        {"image_size": 512, "patch_size": 16, "scale_factor": 4, "longest_edge": 2048, "layers": 1, "vision_layers": 1},
        _text(960, 2560, 15, 5, 64),
        {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
    ),
    "OpenGVLab/InternVL3-2B-hf": (
        "internvl",
        {"image_size": 448, "patch_size": 14, "max_tiles": 12, "layers": 1, "vision_layers": 1},
        _text(1536, 8960, 12, 2, 128),
        _VIT,
    ),
    "Qwen/Qwen3-VL-2B-Instruct": (
        "qwen3_vl",
        {"patch_size": 16, "min_pixels": 256**2, "layers": 1, "vision_layers": 1},
        _text(2048, 6144, 16, 8, 128, rope_parameters=_QWEN3_VL),
        _QWEN_VIT | {"out_hidden_size": 2048},
    ),
    "Qwen/Qwen3-VL-8B-Instruct": (
        "qwen3_vl",
        {"patch_size": 16, "min_pixels": 256**2, "layers": 1, "vision_layers": 1},
        _text(4096, 12288, 32, 8, 128, rope_parameters=_QWEN3_VL),
        _QWEN_VIT | {"hidden_size": 1152, "intermediate_size": 4304, "out_hidden_size": 4096},
    ),
    "Qwen/Qwen3.5-4B": (
        "qwen3_5",
        {"patch_size": 16, "min_pixels": 256**2, "layers": 4, "vision_layers": 1},  # one of four layers has attention heads
        _text(2560, 9216, 16, 4, 256, rope_parameters=_QWEN3_5, linear_num_key_heads=16, linear_num_value_heads=32,
              linear_key_head_dim=128, linear_value_head_dim=128),
        _QWEN_VIT | {"out_hidden_size": 2560},
    ),
}  # fmt: skip


def checkpoint(name: str, folder: Path, real_kosmos2: Path | None) -> Path:
    """A checkpoint in `folder` with the shape of this model. `real_kosmos2` has the files of Kosmos-2's own processor."""
    model, processor = _kosmos2(real_kosmos2) if "kosmos-2" in name else _patch_tokens(name)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _patch_tokens(name: str) -> tuple[Any, Any]:
    family, sizes, text, vision = SHAPES[name]
    tiny = getattr(models, f"tiny_{family}")(**sizes, sentences=toy_sentences())
    settings = tiny.model.config.to_dict()
    settings["text_config"] |= text
    settings["vision_config"] |= vision
    settings |= {key: text["hidden_size"] for key in ("projection_dim", "hidden_size") if key in settings}
    return with_random_weights(type(tiny.model), type(tiny.model.config)(**settings), seed=0), tiny.processor


def _kosmos2(real: Path | None) -> tuple[Any, Any]:
    processor = (
        models.tiny_kosmos2(image_size=224, latent_query_num=64, sentences=toy_sentences()).processor
        if real is None
        else transformers.AutoProcessor.from_pretrained(real)
    )
    config = transformers.Kosmos2Config(
        text_config={"layers": 1, "vocab_size": len(processor.tokenizer)}, vision_config={"num_hidden_layers": 1}
    )
    return with_random_weights(transformers.Kosmos2ForConditionalGeneration, config, seed=0), processor
