# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Image processors that transformers has for torchvision only, with torch in its place.

All that makes a family itself (tiles, crops, the order of patches) is upstream's own code; only pictures are resized
and normalised by torch, in floating point. For tiny models and for tests of where tokens lie: what is served uses
upstream's processor.
"""

import sys
from importlib import import_module
from types import ModuleType
from unittest.mock import patch

import torch
from transformers.image_processing_backends import TorchvisionBackend
from transformers.utils import is_torchvision_available


class _TorchBackend(TorchvisionBackend):
    """What upstream's image processors ask torchvision for."""

    def resize(self, image: torch.Tensor, size, resample=None, antialias: bool = True, **_) -> torch.Tensor:
        sides = (size.height, size.width)
        return torch.nn.functional.interpolate(image.float(), sides, mode="bilinear", antialias=antialias)

    def normalize(self, image: torch.Tensor, mean, std, **_) -> torch.Tensor:
        mean, std = (torch.as_tensor(colour)[:, None, None] for colour in (mean, std))
        return (image - mean) / std


def without_torchvision(module: str, name: str) -> type:
    """The image processor of this name, in a module of `transformers.models`, which may import torchvision."""
    stand_ins = {}
    if not is_torchvision_available():
        parts = ("", ".transforms", ".transforms.v2", ".ops", ".ops.boxes")
        stand_ins = {f"torchvision{part}": ModuleType("torchvision") for part in parts}
        stand_ins["torchvision.transforms.v2"].functional = None  # named in types alone
        stand_ins["torchvision.ops.boxes"].batched_nms = None  # of SAM 3's masks without phrases, which nobody asks for here
    with patch.dict(sys.modules, stand_ins):
        upstream = getattr(import_module(f"transformers.models.{module}"), name)
    return type(name, (upstream, _TorchBackend), {})
