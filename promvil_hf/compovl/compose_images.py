# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Composes every image of a Visual Genome folder: a resumable job that leaves one `ImageRow` an image.

Worker processes import this module, so it does not import `datasets`.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from promvil_hf.compovl.chains import Chain
from promvil_hf.compovl.compose import Composing, compose
from promvil_hf.compovl.compovl_rows import ImageRow
from promvil_hf.compovl.leakage import Leakage, LeakageList
from promvil_hf.compovl.negatives import negatives
from promvil_hf.compovl.scene_graph import assembled
from promvil_hf.compovl.visual_genome import VisualGenome
from promvil_hf.compovl.visual_genome_records import Image, Reader
from promvil_hf.job_terms import Terms
from promvil_hf.jobs import JobReport


FORMAT = 3  # of the working folder: raise it when composing changes what it writes
SHARD = 256

Writer = Callable[[list[Chain]], list[Chain]]  # see promvil_hf.compovl.phrase_writer


@dataclass
class ComposeImages:
    """What worker processes do: images in, one `ImageRow` each out."""

    reader: Reader
    how: Composing
    writer: Writer | None = None

    def __call__(self, images: list[Image]) -> list[ImageRow]:
        rows = [self.one(image) for image in images]
        if self.writer is not None:
            written = iter(self.writer([chain for row in rows for chain in row.chains]))
            for row in rows:
                row.chains = [next(written) for _ in row.chains]
        return rows

    def one(self, image: Image) -> ImageRow:
        graph = self.reader.graph(image)
        if "region_graphs" not in image.spans and self.how.sources != "graph":
            graph = assembled(graph)
        composed = compose(graph, self.how)
        return ImageRow(
            str(graph.image_id),
            graph.image_path,
            graph.image_url,
            graph.width,
            graph.height,
            graph.coco_id,
            composed.chains,
            graph.broken,
            graph.counts,
            dict(composed.left_out),
            graph.clipped,
            negatives(graph, composed.chains, self.how.negatives) if self.how.negatives else [],
        )


@dataclass
class KeptImages:
    """The images to compose: those on no leakage list, the first `limit` of them."""

    source: VisualGenome
    lists: tuple[LeakageList, ...] = ()
    limit: int | None = None
    leakage: Leakage = field(init=False)
    size: int = field(init=False)

    def __post_init__(self):
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"You passed limit={self.limit}: pass 1 or more, or nothing for all images.")
        self.leakage = Leakage(self.lists)
        kept = sum(self.leakage.keeps(image.image_id, image.coco_id) for image in self.source.images())
        self.size = kept if self.limit is None else min(kept, self.limit)
        if not self.size:
            raise ValueError(
                f"No image is left to compose: {self.source.folder} has {len(self.source):,}, and the lists exclude "
                f"{self.leakage.excluded:,}."
            )

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Image]:
        left = self.size
        for image in self.source.images():
            if not left:
                return
            if not self.leakage.hits(image.image_id, image.coco_id):
                left -= 1
                yield image


def describe(images: KeptImages, how: Composing, writer_name: str) -> dict:
    """What decides the composed images: a folder begun with other settings cannot be resumed."""
    return {
        "dataset": "compovl",
        "format": FORMAT,
        "release": images.source.release,
        "files": images.source.fingerprint(),
        "composing": asdict(how),
        "writer": writer_name,
        "leakage": [[id_list.name, id_list.kind, hash_of(sorted(id_list.ids))] for id_list in images.lists],
        "limit": images.limit,
    }


def compose_images(
    images: KeptImages, how: Composing, writer: Writer | None, described: Mapping, out: Path, terms: Terms
) -> JobReport:
    """Compose all images into the folder `out`, or go on where an earlier run stopped."""
    if writer is not None and how.negatives:
        raise ValueError(
            f"You passed negatives={how.negatives} and a writer: it words expressions in its own way, and nothing would say that "
            "what its words mean is absent. Build negatives without it."
        )
    if writer is not None and terms.workers > 1:
        raise ValueError(
            f"You passed workers={terms.workers} and a writer: an endpoint has threads of its own, pass workers=1."
        )
    work = ComposeImages(images.source.reader, how, writer)
    return terms.run(images, work, out, key=_key, describe=described, shard_size=SHARD)


def _key(image: Image) -> str:
    return str(image.image_id)


def hash_of(value) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
