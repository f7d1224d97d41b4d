# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The families of tiny models, each made once, and the batches they take."""

import functools

import pytest

from promvil_hf.toy import models


FAMILIES = {
    "kosmos2": "<grounding> ",
    "llava": "USER: <image>\n",
    "llava_next": "USER: <image>\n",
    "paligemma": "<image>",
    "idefics3": "User:<image> ",
    "smolvlm": "User:<image> ",
    "qwen2_5_vl": "<|vision_start|><|image_pad|><|vision_end|>",
    "qwen3_vl": "<|vision_start|><|image_pad|><|vision_end|>",
    "gemma3": "<start_of_image>",
}
CHATTY = [family for family in FAMILIES if family not in ("kosmos2", "paligemma")]
NESTED_IMAGES = ("idefics3", "smolvlm", "gemma3")
TEXTS = ("the red circle", "the large blue square above the green star")
every_family = pytest.mark.parametrize("family", FAMILIES)


@functools.cache
def tiny(family: str, **sizes) -> models.TinyModel:
    return getattr(models, f"tiny_{family}")(**sizes)


def encode(tiny_model: models.TinyModel, images, texts, side: str = "left", processor=None) -> dict:
    """What the model takes: a padded batch of tensors.

    PaliGemma's processor trips over its own tensors when asked for "pt" (a DeprecationWarning of numpy) and always answers with
    labels, so every family is asked for lists, which are turned into tensors here.
    """
    processor = processor or tiny_model.processor
    processor.tokenizer.padding_side = side
    prompts = [FAMILIES[tiny_model.family] + text for text in texts]
    pictures = [[image] for image in images] if tiny_model.family in NESTED_IMAGES else list(images)
    if tiny_model.family == "paligemma":
        batch = processor(images=pictures, text=prompts, padding=True).convert_to_tensors("pt")
    else:
        batch = processor(images=pictures, text=prompts, padding=True, return_tensors="pt")
    return {key: value for key, value in batch.items() if key != "labels"}


def parameter_count(model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
