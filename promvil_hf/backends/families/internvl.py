# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""InternVL 3 and 3.5, and Aya Vision, which cuts pictures alike."""

from promvil_hf.backends import token_boxes
from promvil_hf.backends.families.family import FRACTIONS, Family, Shown
from promvil_hf.backends.token_boxes import TokenBoxes
from promvil_hf.dialects import InternVLTags


def _internvl(shown: Shown) -> TokenBoxes:
    each = shown.processor.image_seq_length
    return token_boxes.grid_and_thumbnail(shown.settings, shown.image_size, shown.image_tokens // each, each)


def _aya_vision(shown: Shown) -> TokenBoxes:
    each = (shown.processor.img_size // shown.processor.patch_size) ** 2
    return token_boxes.grid_and_thumbnail(shown.settings, shown.image_size, shown.image_tokens // each, each)


FAMILIES = {
    "internvl": Family(
        known_as="InternVL 3 and 3.5",
        dialect=lambda _: InternVLTags(),
        token_boxes=_internvl,
        processor="promvil_hf.backends.image_text_processors:InternVLImageTextProcessor",
        mark="<IMG_CONTEXT>",
        prompt="<|im_start|>user\n{picture}\n{prompt}<|im_end|>\n<|im_start|>assistant\n",
        causal=True,
        behind_picture=("</img>",),
    ),
    "aya_vision": Family(
        known_as="Aya Vision",
        dialect=lambda _: FRACTIONS,
        token_boxes=_aya_vision,
        prompt="<|START_OF_TURN_TOKEN|><|USER_TOKEN|>{picture}{prompt}<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
        whole_prompts="Most layers see a window of places in a row: texts behind a kept picture would see less of it.",
    ),
}
