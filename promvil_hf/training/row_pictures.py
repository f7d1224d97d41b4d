# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The picture of a training row: which one it is, and opened."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from promvil_hf.images import UnreadableImage, read_image


def picture_of(row: Mapping, image_root: str | os.PathLike = "") -> Any:
    """The `image` of a row (a picture, a path, bytes or an undecoded column of `datasets`), else its `image_path`, else
    None. Paths start from `image_root`."""
    image = row.get("image")
    if isinstance(image, Mapping):
        image = image["bytes"] if image.get("bytes") is not None else image.get("path")
    if image is None:
        image = row.get("image_path") or None
    return Path(image_root, image) if isinstance(image, (str, os.PathLike)) else image


def opened(image: Any, image_root: str | os.PathLike = "") -> Image.Image:
    """The picture, upright, in RGB."""
    try:
        return read_image(image)
    except UnreadableImage as error:
        what = f"{len(image):,} bytes" if isinstance(image, bytes) else image
        raise ValueError(
            f"Cannot open the image {what}: {error}. Check the folder of images that relative paths start from (now "
            f"{str(image_root) or '.'!r})."
        ) from error
