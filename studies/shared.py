# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the studies of both papers share: settings that are changed by name, a world back from JSON, curves through scores."""

from collections.abc import Mapping
from typing import Any

from promvil_hf.pages.charts import Series
from promvil_hf.toy.config import WorldConfig
from studies.results import Score


def changed(plain: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a training with some of them changed; a name that is none of them is refused."""
    unknown = changes.keys() - plain.keys()
    if unknown:
        raise ValueError(f"You passed {sorted(unknown)} to tuned: it knows {', '.join(sorted(plain))}.")
    return {**plain, **changes}


def world_of(settings: Mapping[str, Any]) -> WorldConfig:
    """Back from JSON, where tuples are lists."""
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    return WorldConfig(**{**plain, "held_out": tuple(map(tuple, settings["held_out"]))})


def curve(name: str, scores: Mapping[Any, Score]) -> Series:
    """A curve through scores, by their places or names along x."""
    values = scores.values()
    return Series(
        name, list(scores), [own.estimate for own in values], [own.low for own in values], [own.high for own in values]
    )
