# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""An expression becomes its nested noun phrases, simple to complex: `decompose("the man in the red hat")`.

It works offline with no downloaded data, is deterministic and linear in the length of the text. Another tagger or a
language model takes its place behind one callable type, `Decomposer`. Standard library only; nltk and spaCy are loaded
only when their taggers are asked for.
"""

from promvil_hf.nesting.decomposers import (
    Decomposer,
    NestingError,
    decompose,
    endpoint_decomposer,
    tagged_decomposer,
)
from promvil_hf.nesting.levels import NestedPhrase, Nesting
from promvil_hf.nesting.places import Place, places
from promvil_hf.nesting.taggers import RULES, TAGGERS, Tagger, nltk_tagger, spacy_tagger, tagger


__all__ = [
    "Decomposer",
    "RULES",
    "TAGGERS",
    "NestedPhrase",
    "Nesting",
    "NestingError",
    "Place",
    "Tagger",
    "decompose",
    "endpoint_decomposer",
    "nltk_tagger",
    "places",
    "spacy_tagger",
    "tagged_decomposer",
    "tagger",
]
