# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The vision-language models of Qwen."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from promvil_hf.backends import token_boxes
from promvil_hf.backends.families.family import Family, Shown
from promvil_hf.backends.token_boxes import TokenBoxes
from promvil_hf.dialects import GroundingDialect, QwenJson, QwenTags
from promvil_hf.frames import StretchedPixels


def _qwen(shown: Shown) -> TokenBoxes:
    _, rows, columns = shown.grid
    merge = shown.settings["merge_size"]
    return token_boxes.raster(token_boxes.WHOLE, rows // merge, columns // merge)


def _stretched_pixels(settings: Mapping[str, Any]) -> GroundingDialect:
    size = settings["size"]
    multiple = settings["patch_size"] * settings["merge_size"]
    return QwenJson(frame=StretchedPixels(multiple, size["shortest_edge"], size["longest_edge"]))


OURS = "promvil_hf.backends.image_text_processors"
QWEN3 = Family(
    known_as="Qwen3-VL",
    dialect=lambda _: QwenJson(),
    token_boxes=_qwen,
    processor=f"{OURS}:Qwen3VLImageTextProcessor",
    mark="<|vision_start|><|image_pad|><|vision_end|>",
    prompt="<|im_start|>user\n{picture}{prompt}<|im_end|>\n<|im_start|>assistant\n",
    grid="image_grid_thw",
    causal=True,
    rotary_axes=3,
    projector="merger",
)
FAMILIES = {
    "qwen2_vl": replace(
        QWEN3,
        known_as="Qwen2-VL",
        dialect=lambda _: QwenTags(),
        processor=f"{OURS}:Qwen2VLImageTextProcessor",
    ),
    "qwen2_5_vl": replace(
        QWEN3,
        known_as="Qwen2.5-VL",
        dialect=_stretched_pixels,
        processor=f"{OURS}:Qwen2_5_VLImageTextProcessor",
    ),
    "qwen3_vl": QWEN3,
    "qwen3_vl_moe": replace(QWEN3, known_as="Qwen3-VL, mixtures of experts"),
    "qwen3_5": replace(
        QWEN3,
        known_as="Qwen3.5",
        causal=False,
        keeps_state="Only every fourth layer has attention heads; the others keep a state (linear attention), not keys and "
        "values that another prompt could be read behind.",
    ),
}
