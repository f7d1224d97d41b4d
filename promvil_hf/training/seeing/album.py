# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Photographs whose content is known, with what a frozen tower gives of them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from promvil_hf.backends.base import unwrapped
from promvil_hf.backends.kept_features import kept_features
from promvil_hf.fivl.fivl_rows import image_file
from promvil_hf.fivl.photographs import Photograph, read_photographs


@dataclass(frozen=True, slots=True, eq=False)
class Album:
    """Photographs that can be used, their classes, and the tower's features of them."""

    classes: tuple[str, ...]
    photographs: list[Photograph]
    features: torch.Tensor

    def present(self, classes: Sequence[str]) -> torch.Tensor:
        """(photographs, classes) what is there."""
        return torch.tensor([[name in photograph.names for name in classes] for photograph in self.photographs])


def read_album(files: Sequence[str | os.PathLike], images: str | os.PathLike, backend, folder: Path) -> Album:
    """Photographs of COCO's files with features, computed once and kept in `folder`. All features are held in memory."""
    classes, photographs = read_photographs(files)
    usable = [each for each in photographs if each.fault is None and image_file(images, each.file_name).is_file()]
    if not usable:
        raise ValueError(f"None of the {len(photographs)} photographs of {files[0]} is in {images}: pass the folder they lie in.")
    kept = kept_features(
        backend.model, backend.processor, {each.image_id: image_file(images, each.file_name) for each in usable}, folder
    )
    return Album(classes, usable, kept.of([each.image_id for each in usable]).float())


@contextmanager
def random_tower(model, seed: int) -> Iterator[None]:
    """Inside the block the model's tower has random weights: what questions and alignment can do without pretrained features."""
    inner = unwrapped(model).model
    tower = inner.vision_tower
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        inner.vision_tower = type(tower)(tower.config).to(tower.device, tower.dtype).eval()
    try:
        yield
    finally:
        inner.vision_tower = tower
