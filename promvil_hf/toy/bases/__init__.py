# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The trained toy bases that come with the package: checkpoint folders, each with its card. Standard library only.

    from promvil_hf.backends.loading import load

    backend = load("toy:kosmos2")

Wherever a checkpoint is named, "toy:kosmos2", "toy:llava" and "toy:llava_boxes" name these
(`promvil_hf.backends.checkpoint_names`).
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any


BASES = ("kosmos2", "llava", "llava_boxes")
PREFIX = "toy:"
SIDE = 64  # pixels of the scenes that they were trained on


def folder(name: str) -> Path:
    """Where a base lies; `from_pretrained` takes it."""
    if name not in BASES:
        raise ValueError(f"You asked for the toy base {name!r}: there are {', '.join(BASES)}.")
    found = Path(__file__).parent / name
    if not (found / "model.safetensors").is_file():
        raise FileNotFoundError(
            f"The toy base {name!r} is not in this copy of the package. Train it with `python -m "
            f"studies.toy_bases {name} --out DIR` and use DIR/base."
        )
    return found


_warned: set[str] = set()


def warn_of_other_pictures(model: Any, sizes: Iterable[tuple[int, int]]) -> None:
    """Say once in a process that a toy base is shown something else than a scene of its world; `sizes` are those of
    the pictures."""
    path = Path(getattr(model, "name_or_path", None) or ".")
    if path.parent != Path(__file__).parent or path.name in _warned:
        return
    if other := next((size for size in sizes if size != (SIDE, SIDE)), None):
        _warned.add(path.name)
        print(
            f"Warning: toy:{path.name} knows only drawn scenes of {SIDE}x{SIDE} pixels with ten shapes, and was shown one of "
            f"{other[0]}x{other[1]}: its answers about that say nothing. `python -m promvil_hf.toy.exam --out toy/exam` "
            "draws scenes that it knows.",
            file=sys.stderr,
        )
