# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""An expression becomes its nested noun phrases, simple to complex: `decompose("the man in the red hat")`.

Special: works offline with no downloaded data, is deterministic and linear in the length of the text. Another tagger
or a language model takes its place behind one callable type, `Decomposer`. Standard library only; nltk and spaCy are
touched only by their own decomposers.
"""

from promvil_hf.nesting.decomposers import (
    Decomposer,
    NestingError,
    decompose,
    endpoint_decomposer,
    nltk_decomposer,
    spacy_decomposer,
)
from promvil_hf.nesting.levels import NestedPhrase, Nesting


__all__ = [
    "Decomposer",
    "NestedPhrase",
    "Nesting",
    "NestingError",
    "decompose",
    "endpoint_decomposer",
    "nltk_decomposer",
    "spacy_decomposer",
]
