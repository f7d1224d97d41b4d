# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A world small enough to be understood whole: drawn scenes with their truth (`promvil_hf.toy.world`), tiny models in code.

Names are loaded when first used, so that drawing scenes never imports torch.
"""

from importlib import import_module


_WORLD = (
    "Scene",
    "WorldConfig",
    "held_out_pairs",
    "scene",
    "scenes",
    "write_ground_truth",
    "write_questions",
    "write_visual_genome",
    "write_world",
)

__all__ = list(_WORLD)


def __getattr__(name: str):
    if name in _WORLD:
        return getattr(import_module("promvil_hf.toy.world"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
