# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a build of CompoVL makes."""

import os
from dataclasses import dataclass
from pathlib import Path

from promvil_hf.compovl.compose import DEFAULT, Composing
from promvil_hf.compovl.compose_images import Writer
from promvil_hf.compovl.compovl_rows import USUAL_VIEWS, Splitting
from promvil_hf.compovl.leakage import LeakageList
from promvil_hf.compovl.mixture import Mixing


@dataclass(frozen=True, slots=True)
class CompoVLSettings:
    """What a build makes.

    Args:
        composing: How expressions are composed.
        splitting: How images are divided into splits.
        mixing: Other parts of PromViL's training data.
        release: Refuse Visual Genome files of another release.
        leakage: Lists of images that are left out before the splits are drawn.
        limit: Only the first images.
        writer: Words the expressions; None keeps the grammar's wording.
        writer_name: What the report calls the writer.
        embed_images: Folder of the photographs; None: rows refer to them.
        views: Which views of the chains are written. That of the negatives is written where `composing` makes some.
    """

    composing: Composing = DEFAULT
    splitting: Splitting = Splitting()
    mixing: Mixing = Mixing()
    release: str | None = None
    leakage: tuple[LeakageList, ...] = ()
    limit: int | None = None
    writer: Writer | None = None
    writer_name: str = "grammar"
    embed_images: str | os.PathLike | None = None
    views: tuple[str, ...] = USUAL_VIEWS

    def __post_init__(self):
        if not self.views or set(self.views) - set(USUAL_VIEWS):
            raise ValueError(f"You passed views={self.views}: choose from {', '.join(USUAL_VIEWS)}.")
        if self.embed_images is not None and not Path(self.embed_images).is_dir():
            raise ValueError(f"You asked to embed the images of {self.embed_images}, and there is no such folder.")

    @property
    def written(self) -> tuple[str, ...]:
        """Every view that is written."""
        return (*self.views, "negatives") if self.composing.negatives else self.views


USUAL = CompoVLSettings()


def source_of(release: str) -> str:
    """What a report calls the source of its graphs: a release of Visual Genome, or the name of another source."""
    return f"Visual Genome {release}" if release[0].isdigit() else release
