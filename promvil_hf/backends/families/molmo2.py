# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Molmo 2: the whole picture, then overlapping crops of it; blocks of patches are pooled to one token."""

from promvil_hf.backends import token_boxes
from promvil_hf.backends.families.family import FRACTIONS, Family, Shown
from promvil_hf.backends.token_boxes import TokenBoxes


def _molmo2(shown: Shown) -> TokenBoxes:
    settings, block = shown.settings, shown.settings["pooling_size"]
    side = settings["size"]["height"] // settings["patch_size"]
    overlap = sum(settings["overlap_margins"])
    stride = side - overlap  # patches from one crop's start to the next

    def patches(cells: int, pooled: int) -> int:
        """Of a side of the mosaic of crops, whose patches were pooled to so many cells."""
        return (cells * pooled - overlap) // stride * stride + overlap

    _, _, *mosaic = shown.grid
    return token_boxes.pooled((side, side), block) + token_boxes.pooled(tuple(map(patches, mosaic, block)), block)


FAMILIES = {
    "molmo2": Family(
        known_as="Molmo 2",
        dialect=lambda _: FRACTIONS,  # it was taught to point, which `MolmoPoints` asks for and reads
        token_boxes=_molmo2,
        needs_torchvision=True,
        mark="<|image|>",
        prompt="<|im_start|>user\n{picture}{prompt}<|im_end|>\n<|im_start|>assistant\n",
        begins=True,
        grid="image_grids",
        # Not `causal`: all tokens of a picture see each other, those behind its last patch too.
        behind_picture=("<im_col>", "<im_end>"),
    )
}
