# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Dialects: how one model family writes boxes as text, both ways. Text only, no torch, no image.

Collator, grounder and metrics share these, so a box is written and read in one place. A dialect is a small frozen value
with `prompt`, `target` and `parse`; its fields are the named options of its family.
"""

from promvil_hf.dialects.base import GroundingDialect, Parsed
from promvil_hf.dialects.florence_loc import FlorenceLoc
from promvil_hf.dialects.kosmos2 import Kosmos2
from promvil_hf.dialects.llava_brackets import LlavaBrackets
from promvil_hf.dialects.paligemma_loc import PaliGemmaLoc
from promvil_hf.dialects.pointing import GeminiPoints, MolmoPoints, PointDialect, QwenPoints, RefSpatialPoints
from promvil_hf.dialects.qwen_json import GeminiJson, GlmBoxes, QwenJson
from promvil_hf.dialects.tagged_boxes import DeepSeekTags, InternVLTags, QwenTags, RexTags


__all__ = [
    "DeepSeekTags", "FlorenceLoc", "GeminiJson", "GeminiPoints", "GlmBoxes", "GroundingDialect", "InternVLTags", "Kosmos2",
    "LlavaBrackets", "MolmoPoints", "PaliGemmaLoc", "Parsed", "PointDialect", "QwenJson", "QwenPoints", "QwenTags",
    "RefSpatialPoints", "RexTags",
]  # fmt: skip
