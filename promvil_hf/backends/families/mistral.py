# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Mistral Small 3.1 and later (`mistral3`)."""

from promvil_hf.backends import token_boxes
from promvil_hf.backends.families.family import FRACTIONS, Family, Shown
from promvil_hf.backends.token_boxes import TokenBoxes


def _mistral3(shown: Shown) -> TokenBoxes:
    height, width = shown.grid  # of the stretched picture, in pixels; breaks between rows are no image tokens
    block = shown.processor.patch_size * shown.processor.spatial_merge_size
    return token_boxes.raster(token_boxes.WHOLE, height // block, width // block)


FAMILIES = {
    "mistral3": Family(
        known_as="Mistral Small 3.1",
        dialect=lambda _: FRACTIONS,
        token_boxes=_mistral3,
        processor="promvil_hf.backends.image_text_processors:PixtralImageTextProcessor",
        mark="[IMG]",
        prompt="[INST]{picture}{prompt}[/INST]",
        grid="image_sizes",
        causal=True,
        behind_picture=("[IMG_END]",),
    ),
}
