# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The numbers of a score as functions of their own: a harness calls one function for each number it prints."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any


def aggregates(score: Callable[[Sequence[Mapping[str, Any]]], Any], names: Iterable[str]) -> list[Callable]:
    """For each name a function that scores judged answers and gives this field of the score."""

    def aggregate(name: str) -> Callable:
        def field(results):
            return getattr(score(results), name)

        field.__name__ = name
        return field

    return [aggregate(name) for name in names]
