# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Which dialect the model under evaluation speaks. A harness hands a task its answers, but not its model."""

import os

from promvil_hf.conventions import DEFAULT_DIALECT, dialect
from promvil_hf.dialects import GroundingDialect


VARIABLE, FRAME = "PROMVIL_DIALECT", "PROMVIL_FRAME"
_spoken: list[GroundingDialect] = []


def speak(model_dialect: GroundingDialect) -> None:
    """Called by a model that knows its dialect."""
    _spoken[:] = [model_dialect]


def spoken() -> GroundingDialect:
    """What the environment names, in the frame it names; else the model's own, else the default."""
    if VARIABLE in os.environ or not _spoken:
        return dialect(os.environ.get(VARIABLE, DEFAULT_DIALECT), os.environ.get(FRAME))
    return _spoken[0]
