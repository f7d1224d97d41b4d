# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""LFM2-VL: tiles and a thumbnail of any shape before a language model of convolutions and attention."""

from promvil_hf.backends import token_boxes
from promvil_hf.backends.families.family import Family, Shown
from promvil_hf.backends.token_boxes import TokenBoxes
from promvil_hf.dialects import QwenJson


def _lfm2_vl(shown: Shown) -> TokenBoxes:
    settings, processor = shown.settings, shown.processor
    patch, merged = settings["encoder_patch_size"], settings["downsample_factor"]
    words = processor.tokenizer.convert_ids_to_tokens(shown.input_ids)
    tiles = token_boxes.named_tiles(words, (settings["tile_size"] // patch // merged) ** 2)
    if tiles and not settings["use_thumbnail"]:
        return tiles
    width, height = processor.image_processor.smart_resize(
        *reversed(shown.image_size), merged, settings["min_image_tokens"], settings["max_image_tokens"], patch
    )
    return tiles + token_boxes.raster(token_boxes.WHOLE, height // patch // merged, width // patch // merged)


FAMILIES = {
    "lfm2_vl": Family(
        known_as="LFM2-VL",
        dialect=lambda _: QwenJson(),  # as LiquidAI's demo asks for boxes
        token_boxes=_lfm2_vl,
        needs_torchvision=True,
        prompt="<|im_start|>user\n{picture}{prompt}<|im_end|>\n<|im_start|>assistant\n",
        keeps_state="Only some layers have attention heads; the others keep a state (convolutions), not keys and values that "
        "another prompt could be read behind.",
        behind_picture=("<|image_end|>",),
    )
}
