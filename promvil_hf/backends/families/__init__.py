# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The families of models that are served here: all that differs between them, as one `Family` each.

Nothing else in the package compares a `config.model_type`: it asks `family_of(model)` and reads a field. `FAMILIES` has
a value for each model type; families that are alike share a module. `docs/extending.md` shows how to make another. No
torch and no transformers on import.
"""

from importlib.util import find_spec
from pkgutil import resolve_name
from typing import Any

from promvil_hf.backends.families import (
    florence2,
    gemma,
    glm,
    idefics,
    internvl,
    kosmos2,
    lfm2_vl,
    llava,
    mistral,
    molmo2,
    qwen,
)
from promvil_hf.backends.families.family import Family, Shown
from promvil_hf.backends.families.kosmos2 import KOSMOS2


__all__ = [
    "FAMILIES",
    "KOSMOS2",
    "LANGUAGE_LAYERS",
    "LANGUAGE_MODEL",
    "PATCH_FAMILIES",
    "PROJECTORS",
    "Family",
    "Shown",
    "family_of",
    "load_processor",
]

FAMILIES: dict[str, Family] = {
    **kosmos2.FAMILIES,
    **llava.FAMILIES,
    **idefics.FAMILIES,
    **internvl.FAMILIES,
    **lfm2_vl.FAMILIES,
    **molmo2.FAMILIES,
    **qwen.FAMILIES,
    **glm.FAMILIES,
    **gemma.FAMILIES,
    **mistral.FAMILIES,
    **florence2.FAMILIES,
}
PATCH_FAMILIES = {name: family for name, family in FAMILIES.items() if family.token_boxes is not None}
PROJECTORS = tuple(sorted({family.projector for family in FAMILIES.values()}))
# What the names of a language model's modules begin with in every family; vision towers have neither of the two.
LANGUAGE_MODEL = r"(.*\.)?(language_model|text_model)\."
# Its linear layers alone.
LANGUAGE_LAYERS = (
    LANGUAGE_MODEL + r"(.*\.)?layers\.\d+\.(.*\.)?"
    "(q_proj|k_proj|v_proj|o_proj|out_proj|gate_proj|up_proj|gate_up_proj|down_proj|fc1|fc2|w1|w2|w3"
    "|in_proj|in_proj_qkv|in_proj_z|in_proj_a|in_proj_b|per_layer_input_gate|per_layer_projection)"
)


def family_of(model: Any) -> Family | None:
    """The family of a model, plain or wrapped, or of a model's configuration; None if `FAMILIES` has no such type."""
    return FAMILIES.get(getattr(getattr(model, "config", model), "model_type", None))


def load_processor(source: str, family: Family, **options: Any):
    """The processor of a checkpoint, without the video half that would need torchvision where pictures do not."""
    if family.needs_torchvision and find_spec("torchvision") is None:
        raise ImportError(
            f"You asked for the processor of {source}: transformers has the image processor of this family for torchvision "
            "only, which is not installed. Install it beside your torch: pip install torchvision."
        )
    return resolve_name(family.processor).from_pretrained(source, trust_remote_code=False, **options)
