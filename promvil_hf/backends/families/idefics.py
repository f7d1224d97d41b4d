# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Idefics3 and SmolVLM."""

from dataclasses import replace

from promvil_hf.backends import token_boxes
from promvil_hf.backends.families.family import FRACTIONS, Family, Shown
from promvil_hf.backends.token_boxes import TokenBoxes


def _idefics3(shown: Shown) -> TokenBoxes:
    words = shown.processor.tokenizer.convert_ids_to_tokens(shown.input_ids)
    each = shown.processor.image_seq_len
    # The picture was stretched to whole tiles; an uncut one is one tile.
    return token_boxes.named_tiles(words, each) + token_boxes.square(token_boxes.WHOLE, each)


_IDEFICS3 = Family(
    known_as="Idefics3",
    dialect=lambda _: FRACTIONS,
    token_boxes=_idefics3,
    prompt="User:{picture}{prompt}<end_of_utterance>\nAssistant:",
    causal=True,
    behind_picture=("<fake_token_around_image>",),
    projector="connector",
)
FAMILIES = {
    "idefics3": _IDEFICS3,
    # Its own processor asks for num2words and, through its videos, for torchvision.
    "smolvlm": replace(_IDEFICS3, known_as="SmolVLM", processor="transformers:Idefics3Processor"),
}
