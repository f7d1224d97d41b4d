# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Finds the picture of a row in a folder, wherever the benchmark's own path would put it, and whatever its ending.

Pillow, no torch.
"""

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

from msgspec.structs import replace
from PIL import Image

from promvil_hf.evaluation.benchmarks import BenchmarkRow
from promvil_hf.frames import ImageSize
from promvil_hf.images import UnreadableImage, image_size, read_image


_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")


class Pictures:
    """Pictures below a folder, by the path a row gives or by its file name alone."""

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise FileNotFoundError(f"There is no folder {self.folder} to look for pictures in.")

    def path(self, name: str) -> Path | None:
        """None where no such picture lies, or several of that name do and no single one ends in the row's own path."""
        relative = PurePosixPath(name)
        if not name:
            return None
        for candidate in (Path(str(relative)), Path(relative.name)):
            if not candidate.is_absolute() and ".." not in candidate.parts and (self.folder / candidate).is_file():
                return self.folder / candidate
        found = self._like(relative)
        if len(found) > 1:
            found = [path for path in found if f"/{path.as_posix()}".endswith(f"/{relative}")]
        return found[0] if len(found) == 1 else None

    def open(self, name: str) -> Image.Image:
        """The picture upright, in RGB: the frame that boxes count in."""
        path = self.path(name)
        if path is None:
            found = self._like(PurePosixPath(name))
            where = f"{len(found)} pictures of that name lie" if found else "no such picture lies"
            raise UnreadableImage(f"A row asks about the picture {name!r}, but {where} under {self.folder}.")
        return read_image(path)

    def size(self, name: str) -> ImageSize | None:
        path = self.path(name)
        return None if path is None else image_size(path)

    def with_sizes(self, rows: Iterable[BenchmarkRow]) -> tuple[BenchmarkRow, ...]:
        """Rows with the image sizes that their files did not give."""
        known: dict[str, ImageSize | None] = {}
        sized = []
        for row in rows:
            if row.image_size is None:
                if row.image not in known:
                    known[row.image] = self.size(row.image)
                row = replace(row, image_size=known[row.image])
            sized.append(row)
        return tuple(sized)

    def _like(self, name: PurePosixPath) -> list[Path]:
        """Pictures of this file name anywhere below; failing that, of this name with another ending."""
        return self._by_name.get(name.name) or self._by_name.get(name.stem, [])

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                if name.lower().endswith(_ENDINGS):
                    for key in (name, Path(name).stem):
                        found.setdefault(key, []).append(Path(folder) / name)
        return found
