# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Versions, machine and accelerators: what a report or a bug report needs to be comparable."""

import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from promvil_hf import __version__


CORE = (
    "torch transformers peft trl accelerate datasets evaluate huggingface_hub safetensors nltk numpy scipy pycocotools "
    "msgspec pillow pydantic"
).split()
OPTIONAL = {
    "bitsandbytes": "quant",
    "supervision": "viz",
    "gradio": "app",
    "ray": "ray",
    "torchvision": None,
    "spacy": "nlp",
    "onnxruntime": "onnx",
    "gguf": "real",
}


def environment(devices: bool = True) -> dict[str, dict[str, str]]:
    """What a report needs to be comparable: software, machine, accelerators."""
    facts = {
        "promvil_hf": {"version": __version__, "python": platform.python_version(), "platform": platform.platform()},
        "packages": {name: _version(name) or "MISSING" for name in CORE},
        "optional": {name: _version(name) or _how_to_get(name, extra) for name, extra in OPTIONAL.items()},
        "machine": {"cores": str(os.cpu_count()), "memory_gib": _memory()},
    }
    if devices:
        facts["devices"] = _devices()
    return facts


@cache  # reading one takes about a millisecond, and every report has all of them
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _how_to_get(name: str, extra: str | None) -> str:
    return f'not installed (pip install "promvil_hf[{extra}]")' if extra else "not installed"


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f}"
    except (AttributeError, ValueError, OSError):
        return "unknown"


def _devices() -> dict[str, str]:
    try:
        import torch
    except ImportError as error:
        return {"torch": f"does not load: {error}"}
    found = {"threads": str(torch.get_num_threads())}
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        found[f"cuda:{index}"] = f"{card.name}, {card.total_memory / 2**30:.0f} GiB"
    if torch.backends.mps.is_available():
        found["mps"] = "available"
    if len(found) == 1:
        found["accelerator"] = "none, the CPU is used"
    return found
