# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""LLaVA-1.5 and what grew from it."""

from dataclasses import replace

from promvil_hf.backends import token_boxes
from promvil_hf.backends.families.family import Family, Shown
from promvil_hf.backends.token_boxes import TokenBoxes
from promvil_hf.dialects import LlavaBrackets


def _llava(shown: Shown) -> TokenBoxes:
    processor = shown.processor
    # Towers with a CLS token keep it as the first image token under the strategy "full".
    extra = processor.num_additional_image_tokens - (processor.vision_feature_select_strategy == "default")
    return [None] * extra + token_boxes.single_view(shown.settings, shown.image_size, processor.patch_size)


def _llava_next(shown: Shown) -> TokenBoxes:
    return token_boxes.best_grid_with_newlines(shown.settings, shown.image_size, shown.processor.patch_size)


def _llava_onevision(shown: Shown) -> TokenBoxes:
    most = int(shown.processor.vision_aspect_ratio.removeprefix("anyres_max_"))
    return token_boxes.best_grid_with_newlines(shown.settings, shown.image_size, shown.patch, most)


_LLAVA = Family(
    known_as="LLaVA-1.5",
    dialect=lambda _: LlavaBrackets(),
    token_boxes=_llava,
    prompt="USER: {picture}\n{prompt} ASSISTANT:",
    causal=True,
)
FAMILIES = {
    "llava": _LLAVA,
    "llava_next": replace(_LLAVA, known_as="LLaVA-NeXT", token_boxes=_llava_next),
    "llava_onevision": replace(
        _LLAVA,
        known_as="LLaVA-OneVision",
        token_boxes=_llava_onevision,
        processor="promvil_hf.backends.image_text_processors:LlavaOnevisionImageTextProcessor",
        prompt="<|im_start|>user {picture}\n{prompt}<|im_end|><|im_start|>assistant\n",
    ),
}
