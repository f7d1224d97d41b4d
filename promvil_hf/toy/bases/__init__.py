# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The trained toy bases that come with the package: checkpoint folders, each with its card. Standard library only.

    from promvil_hf.backends.loading import load

    backend = load("toy:kosmos2")

Wherever a checkpoint is named, "toy:kosmos2", "toy:llava" and "toy:llava_boxes" name these, and "real:smol" what `promvil fetch
real` brought.
"""

import os
from pathlib import Path

from promvil_hf.fetching import real_parts
from promvil_hf.hub_names import local_or_hub


BASES = ("kosmos2", "llava", "llava_boxes")
PREFIX = "toy:"


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


def located(checkpoint: str | os.PathLike) -> str | os.PathLike:
    """The folder of a model that is named "toy:NAME" or "real:NAME"; else a path or a name on the Hub that there is."""
    if isinstance(checkpoint, str) and checkpoint.startswith(PREFIX):
        return folder(checkpoint.removeprefix(PREFIX))
    if isinstance(checkpoint, str) and checkpoint.startswith(real_parts.PREFIX):
        return real_parts.folder(checkpoint.removeprefix(real_parts.PREFIX))
    return local_or_hub(checkpoint, "model", "a checkpoint")
