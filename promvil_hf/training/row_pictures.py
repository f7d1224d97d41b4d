# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The picture of a training row: which one it is, and opened."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.images import UnreadableImage, read_image


def picture_of(row: Mapping, image_root: str | os.PathLike = "") -> Any:
    """The `image` of a row (a picture, a path, bytes or an undecoded column of `datasets`), else its `image_path`, else
    None. Paths start from `image_root`; one that is not there is looked for below it, as rows of a mixture name pictures of
    several data sets."""
    image = row.get("image")
    if isinstance(image, Mapping):
        image = image["bytes"] if image.get("bytes") is not None else image.get("path")
    if image is None:
        image = row.get("image_path") or None
    return _found(image, image_root) if isinstance(image, (str, os.PathLike)) else image


def _found(image: str | os.PathLike, image_root: str | os.PathLike) -> Path:
    path = Path(image_root, image)
    if not os.fspath(image_root) or path.is_file() or not Path(image_root).is_dir():
        return path
    return _pictures(os.fspath(image_root)).path(os.fspath(image)) or path


@lru_cache(8)
def _pictures(folder: str) -> Pictures:
    """Walked through at the first name that is not at its place."""
    return Pictures(folder)


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


def needed_picture(row: Mapping, image_root: str | os.PathLike = "") -> Any:
    """As `picture_of`, for rows that are about nothing else."""
    image = picture_of(row, image_root)
    if image is None:
        named = row.get("image_id") or row.get("chain_id") or (row.get("text") or ["?"])[0]
        raise ValueError(
            f"The row {str(named)[:80]!r} has no image: each row needs `image` (a picture, a path or bytes) or "
            "`image_path`, relative to the folder of images."
        )
    return image


def by_picture(
    rows: Sequence[Mapping], texts_of: Callable[[Mapping, Image.Image], list], image_root: str | os.PathLike = ""
) -> list[tuple[Image.Image, list]]:
    """(picture, all texts about it), in order, of the pictures that have any; each is opened once. If none has a text, the
    first picture stays: the model must still run, or other ranks would wait."""
    pictures, texts = {}, {}
    for row in rows:
        image = needed_picture(row, image_root)
        key = id(image) if isinstance(image, Image.Image) else image  # as equal as can be known without decoding
        if key not in pictures:
            pictures[key] = opened(image, image_root)
        if found := texts_of(row, pictures[key]):
            texts.setdefault(key, []).extend(found)
    return [(pictures[key], found) for key, found in texts.items()] or [(next(iter(pictures.values())), [])]
