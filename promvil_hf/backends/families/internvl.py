# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""InternVL 3 and 3.5, and Aya Vision and Command A Vision, which cut pictures alike."""

import math
from dataclasses import replace

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


def _cohere2_vision(shown: Shown) -> TokenBoxes:
    """As Aya Vision but for the choice of the grid, which is written again here: upstream's imports torchvision."""
    each, most = shown.processor.patch_size**2, shown.settings["max_patches"]
    (width, height), tile = shown.image_size, shown.settings["size"]["height"]
    grids = sorted(((columns, rows) for columns in range(1, most + 1) for rows in range(1, most // columns + 1)), key=math.prod)
    scales = {grid: min(grid[0] * tile / width, grid[1] * tile / height) for grid in grids}
    enough = [grid for grid in grids if scales[grid] >= 1]  # the picture is enlarged, if by none then made smaller
    columns, rows = min(enough, key=scales.get) if enough else max(grids, key=scales.get)
    cut = token_boxes.tiles(rows, columns, each) if shown.image_tokens > each else []
    return cut + token_boxes.square(token_boxes.WHOLE, each)


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
FAMILIES["cohere2_vision"] = replace(
    FAMILIES["aya_vision"], known_as="Command A Vision", token_boxes=_cohere2_vision, needs_torchvision=True, mark="<|IMG_PATCH|>"
)
