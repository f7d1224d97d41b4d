# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The families of tiny models, each made once, and the batches they take."""

import copy
import functools

import pytest

from promvil_hf.backends.families import PATCH_FAMILIES
from promvil_hf.toy import models


# Those whose answers stand behind their prompts; Florence-2 has tests of its own, in `backends/test_florence2.py`.
ONE_STACK = sorted(name for name, family in PATCH_FAMILIES.items() if not family.encoder_decoder)
FAMILIES = {"kosmos2": "<grounding> "} | {name: PATCH_FAMILIES[name].mark for name in ONE_STACK}  # before a prompt
# Molmo 2's processor writes its begin token after the template has counted which tokens are the assistant's.
CHATTY = [family for family in FAMILIES if family not in ("kosmos2", "paligemma", "molmo2")]
TEXTS = ("the red circle", "the large blue square above the green star")
every_family = pytest.mark.parametrize("family", FAMILIES)


@functools.cache
def tiny(family: str, **sizes) -> models.TinyModel:
    """One that the caller may leave with gradients, or with its padding on another side."""
    return fresh(family, **sizes)


def fresh(family: str, **sizes) -> models.TinyModel:
    """One that the caller may change: a copy, which is less than half the work of making another."""
    return copy.deepcopy(untouched(family, tuple(sorted(sizes.items()))))


@functools.cache
def untouched(family: str, sizes: tuple) -> models.TinyModel:
    """One that several files read; nobody changes it."""
    return getattr(models, f"tiny_{family}")(**dict(sizes))


def encode(tiny_model: models.TinyModel, images, texts, side: str = "left", processor=None) -> dict:
    """What the model takes: a padded batch of tensors.

    PaliGemma's processor trips over its own tensors when asked for "pt" (a DeprecationWarning of numpy) and always answers with
    labels, so every family is asked for lists, which are turned into tensors here.
    """
    processor = processor or tiny_model.processor
    processor.tokenizer.padding_side = side
    prompts = [FAMILIES[tiny_model.family] + text for text in texts]
    pictures = list(images) if tiny_model.family == "kosmos2" else [[image] for image in images]
    if tiny_model.family == "paligemma":
        batch = processor(images=pictures, text=prompts, padding=True).convert_to_tensors("pt")
    else:
        batch = processor(images=pictures, text=prompts, padding=True, return_tensors="pt")
    return {key: value for key, value in batch.items() if key != "labels"}


def parameter_count(model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
