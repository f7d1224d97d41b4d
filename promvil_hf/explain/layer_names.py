# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How attention layers and heads are named: by the stack they stand in and the model's own number of the layer.

Most models have one stack, their language model; its layers are "0", "1" and so on, and a head is layer.head, such as
"14.11". Layers of another stack carry its name: "encoder.3", and a head there is "encoder.3.11". Layers without heads
(linear attention, convolutions) keep their number, so the others are not counted anew. Standard library only.
"""

import re
from typing import NamedTuple


LANGUAGE = "language"  # the only stack of most models
_NAMED = re.compile(r"(?:([a-z_]+)\.)?(\d+)")


class Layer(NamedTuple):
    """A layer of a stack; `index` is the model's own, from 0."""

    stack: str
    index: int

    def __str__(self) -> str:
        return str(self.index) if self.stack == LANGUAGE else f"{self.stack}.{self.index}"

    @classmethod
    def named(cls, text: str) -> "Layer":
        """What `str` wrote."""
        found = _NAMED.fullmatch(text)
        if found is None:
            raise ValueError(f"You passed the layer {text!r}: write its number, from 0, with its stack where it has one.")
        return cls(found[1] or LANGUAGE, int(found[2]))


class Head(NamedTuple):
    """A head of a layer, counted from 0."""

    layer: Layer
    number: int

    def __str__(self) -> str:
        return f"{self.layer}.{self.number}"

    @classmethod
    def named(cls, text: str) -> "Head":
        """What `str` wrote."""
        layer, _, head = text.rpartition(".")
        if not (_NAMED.fullmatch(layer) and head.isdecimal()):
            raise ValueError(
                f"You passed the head {text!r}: write layer.head, both from 0, such as 14.11; where a model has several "
                "stacks of layers, the stack first, such as encoder.3.11."
            )
        return cls(Layer.named(layer), int(head))

    @classmethod
    def of(cls, layer: int, number: int) -> "Head":
        """A head of the language model."""
        return cls(Layer(LANGUAGE, layer), number)
