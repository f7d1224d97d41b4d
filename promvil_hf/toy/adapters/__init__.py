# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Trained LoRA adapters of the toy bases that come with the package, each with its card. Standard library only.

    from promvil_hf.backends.loading import load

    backend = load("toy:kosmos2", "toy:chains")

Wherever an adapter is named, the names of `ADAPTERS` behind "toy:" name these. `python -m studies.toy_adapters` makes them.
"""

import os
from pathlib import Path

from promvil_hf.hub_names import local_or_hub
from promvil_hf.toy.bases import PREFIX


ADAPTERS = {  # name: the base it belongs to
    "chains": "kosmos2",
    "flat": "kosmos2",
    "vision_loss": "llava",
    "no_vision_loss": "llava",
}


def folder(name: str) -> Path:
    """Where an adapter lies; `PeftModel.from_pretrained` takes it."""
    if name not in ADAPTERS:
        raise ValueError(f"You asked for the toy adapter {name!r}: there are {', '.join(ADAPTERS)}.")
    return Path(__file__).parent / name


def located(adapter: str | os.PathLike) -> str | os.PathLike:
    """The folder of an adapter that is named "toy:NAME"; of anything else, a path or a name on the Hub that there is."""
    if isinstance(adapter, str) and adapter.startswith(PREFIX):
        return folder(adapter.removeprefix(PREFIX))
    return local_or_hub(adapter, "model", "an adapter")
