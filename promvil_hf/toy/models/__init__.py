# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Tiny vision-language models with random weights, made in code: the real classes of transformers, no download.

One function a family. Each returns a `TinyModel` whose processor and model are the family's own, small enough for a
test and, with more width and layers, large enough to learn the toy world. The same arguments give the same weights in
every process, and the caller's random state is left as it was. Sizes may be chosen; what makes a family itself (its
special tokens, its way with pictures, its order of image tokens) is as in the published checkpoints. Models come in
evaluation mode. transformers is used through its lazy names, so a family costs its import only when
it is asked for.
"""

from promvil_hf.toy.models.detectors import tiny_grounding_dino, tiny_mm_grounding_dino, tiny_owlv2
from promvil_hf.toy.models.florence2 import tiny_florence2
from promvil_hf.toy.models.gemma import tiny_gemma3, tiny_gemma4, tiny_paligemma
from promvil_hf.toy.models.glm import tiny_glm4v, tiny_glm46v
from promvil_hf.toy.models.idefics import tiny_idefics3, tiny_smolvlm
from promvil_hf.toy.models.internvl import tiny_aya_vision, tiny_cohere2_vision, tiny_internvl
from promvil_hf.toy.models.kosmos2 import tiny_kosmos2
from promvil_hf.toy.models.lfm2_vl import tiny_lfm2_vl
from promvil_hf.toy.models.llava import tiny_llava, tiny_llava_next, tiny_llava_onevision
from promvil_hf.toy.models.mistral import tiny_mistral3
from promvil_hf.toy.models.molmo2 import tiny_molmo2
from promvil_hf.toy.models.parts import TinyModel
from promvil_hf.toy.models.qwen import (
    tiny_qwen2_5_vl,
    tiny_qwen2_vl,
    tiny_qwen3_5,
    tiny_qwen3_vl,
    tiny_qwen3_vl_moe,
)
from promvil_hf.toy.models.segmenters import tiny_sam, tiny_sam3
from promvil_hf.toy.models.tokenizers import DEFAULT_SENTENCES


__all__ = [
    "DEFAULT_SENTENCES",
    "TinyModel",
    "tiny_aya_vision",
    "tiny_cohere2_vision",
    "tiny_florence2",
    "tiny_gemma3",
    "tiny_gemma4",
    "tiny_glm4v",
    "tiny_glm46v",
    "tiny_grounding_dino",
    "tiny_idefics3",
    "tiny_internvl",
    "tiny_kosmos2",
    "tiny_lfm2_vl",
    "tiny_llava",
    "tiny_llava_next",
    "tiny_llava_onevision",
    "tiny_mistral3",
    "tiny_mm_grounding_dino",
    "tiny_molmo2",
    "tiny_owlv2",
    "tiny_paligemma",
    "tiny_qwen2_5_vl",
    "tiny_qwen2_vl",
    "tiny_qwen3_5",
    "tiny_qwen3_vl",
    "tiny_qwen3_vl_moe",
    "tiny_sam",
    "tiny_sam3",
    "tiny_smolvlm",
]
