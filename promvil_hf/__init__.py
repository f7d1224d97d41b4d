# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""promvil_hf: vision-language models that point at what they talk about.

Public names load on first use, so `import promvil_hf` costs next to nothing and never loads torch.
"""

from importlib import import_module

from promvil_hf.after_import import after_import


__version__ = "0.1.0.dev0"

_HOME = {
    "Box": "boxes",
    "iou": "boxes",
    "GroundedPhrase": "phrases",
    "GroundedSpan": "phrases",
    "GroundedText": "phrases",
    "PhraseChain": "phrases",
    "PhraseStep": "phrases",
    "Wording": "phrases",
    "KeyExpression": "key_expressions",
    "Rle": "key_expressions",
    "Turn": "key_expressions",
    "Kosmos2": "dialects",
    "LlavaBrackets": "dialects",
    "PaliGemmaLoc": "dialects",
    "QwenJson": "dialects",
    "load": "backends.loading",
    "decompose": "nesting",
    "Nesting": "nesting",
}

__all__ = [*_HOME, "__version__"]

# transformers gets to know the package's vision tower when its auto classes are loaded.
after_import("transformers.models.auto.configuration_auto", "promvil_hf.backends.convolutional_tower_config")
after_import("transformers.models.auto.modeling_auto", "promvil_hf.backends.convolutional_tower")


def __getattr__(name: str):
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'promvil_hf' has no attribute {name!r}")
    return getattr(import_module(f"promvil_hf.{home}"), name)


def __dir__():
    return sorted(__all__)
