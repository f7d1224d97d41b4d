# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Reads Visual Genome, releases 1.0, 1.2 and 1.4, one image at a time, and joins its files by image id.

    with VisualGenome("visual_genome") as source:
        for image in source.images():
            graph = source.graph(image)
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from promvil_hf.compovl.scene_graph import Broken, SceneGraph
from promvil_hf.compovl.visual_genome_files import RELEASES, Id, present, release_of, split_file
from promvil_hf.compovl.visual_genome_records import Image, Question, Reader
from promvil_hf.files import sha256_of
from promvil_hf.json_records import UNREADABLE, fault_of


class VisualGenome:
    """A folder of Visual Genome's JSON files. `release` is found out from the files, or checked when given."""

    def __init__(self, folder, files: tuple[str, ...] | None = None, release: str | None = None):
        self.folder = Path(folder)
        self.files = tuple(present(self.folder, files))
        self.broken: list[Broken] = []  # records that belong to no image
        self._reader = Reader(self.folder, self.files)
        self.release = self._reader.release = self._release(release)
        self._ids, self._spans = self._index()
        self._check_ids_agree()

    def __enter__(self) -> "VisualGenome":
        return self

    def __exit__(self, *_):
        self._reader.close()

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def reader(self) -> "Reader":
        """What a worker process needs to read graphs; small and picklable."""
        return self._reader

    def images(self) -> Iterator[Image]:
        """In the order of `image_data.json`. Broken lines are left out and stand in `broken`."""
        decode = msgspec.json.Decoder(_ImageData).decode
        for rank in range(len(self._ids)):
            spans = {}
            for file, (starts, sizes) in self._spans.items():
                if sizes[rank]:
                    spans[file] = (int(starts[rank]), int(sizes[rank]))
            line = decode(self._reader.bytes_of("image_data", spans.pop("image_data")))
            yield Image(int(self._ids[rank]), line.width, line.height, line.url or "", line.coco_id, spans)

    def graph(self, image: Image) -> SceneGraph:
        return self._reader.graph(image)

    def questions(self, image: Image) -> tuple[tuple[Question, ...], tuple[Broken, ...]]:
        return self._reader.questions(image)

    def fingerprint(self) -> dict[str, str]:
        """SHA-256 of each file that is read: what a resumable job must not find changed."""
        return {file: sha256_of(self.folder / f"{file}.json") for file in self.files}

    def _release(self, wanted: str | None) -> str:
        if wanted is not None and wanted not in RELEASES:
            raise ValueError(f"You passed release={wanted!r}. This reader knows {', '.join(RELEASES)}.")
        found = next(filter(None, map(release_of, self._reader.windows_of("objects"))), None)
        if found is None:
            raise ValueError(
                f"{self.folder / 'objects.json'} is of no Visual Genome release this reader knows ({', '.join(RELEASES)}): "
                "its first objects have neither `object_id` nor `id`. Download objects.json.zip of release 1.2 or 1.4."
            )
        if wanted is not None and wanted != found:
            raise ValueError(
                f"You asked for release {wanted}, and {self.folder / 'objects.json'} is of release {found}. Their ids and "
                f"boxes differ: pass {found}, or the folder of release {wanted}."
            )
        return found

    def _index(self):
        ids, starts, sizes, lost = split_file(self._reader, "image_data")
        good, seen = [], set()
        decode = msgspec.json.Decoder(_ImageData).decode
        for rank, image_id in enumerate(ids):
            if image_id < 0:
                continue  # it is among the lost
            reason, detail = _problem_of_image(self._reader, decode, starts[rank], sizes[rank])
            if not reason and image_id in seen:
                reason = "second line of the image"
            if reason:
                self.broken.append(Broken("image_data", image_id, None, reason, detail))
            else:
                good.append(rank)
                seen.add(image_id)
        del seen
        keep = np.array(good, dtype=np.int64)
        ids, starts, sizes = (np.asarray(column)[keep] for column in (ids, starts, sizes))
        self.broken += lost
        spans = {"image_data": (starts, sizes)}
        order = np.argsort(ids, kind="stable")
        ordered = ids[order]
        for file in self.files[1:]:
            spans[file] = self._aligned(file, ids, order, ordered)
        return ids, spans

    def _aligned(self, file, ids, order, ordered):
        """Where each image's record lies in a file, by rank of the image: joined by id, whatever the file's order."""
        file_ids, starts, sizes, lost = split_file(self._reader, file)
        self.broken += lost
        file_ids, starts, sizes = np.asarray(file_ids), np.asarray(starts), np.asarray(sizes)
        if len(file_ids) == len(ids) and np.array_equal(file_ids, ids):
            return starts, sizes
        place = np.searchsorted(ordered, file_ids).clip(max=max(len(ids) - 1, 0))
        known = ordered[place] == file_ids if len(ids) else np.zeros(len(file_ids), bool)
        aligned = np.zeros(len(ids), np.uint64), np.zeros(len(ids), np.uint32)
        for position in np.flatnonzero(~known):
            if file_ids[position] >= 0:
                self.broken.append(Broken(file, int(file_ids[position]), None, "image is not in image_data"))
        for position in np.flatnonzero(known):
            rank = order[place[position]]
            if aligned[1][rank]:
                self.broken.append(Broken(file, int(file_ids[position]), None, "second record of the image"))
            else:
                aligned[0][rank], aligned[1][rank] = starts[position], sizes[position]
        return aligned

    def _check_ids_agree(self, sample: int = 100):
        """Refuse files of different releases: ids of 1.0 and 1.2 look alike and mean other things."""
        for file in ("relationships", "region_graphs"):
            if file not in self.files:
                continue
            kept = lost = 0
            for number, image in enumerate(self.images()):
                if number == sample:
                    break
                graph = self._reader.graph(image)
                lost += sum(fault.file.startswith(file) and fault.reason.startswith("dangling") for fault in graph.broken)
                relations = graph.relations if file == "relationships" else [one for r in graph.regions for one in r.relations]
                kept += len(relations)
            if lost >= 10 and lost > 9 * kept:  # a sound 1.4 image can lose half
                raise ValueError(
                    f"{lost} of the first {lost + kept} relations of {self.folder / file}.json name objects that objects.json "
                    "does not have: the two are of different releases. Take all files from one release."
                )


class _ImageData(msgspec.Struct, gc=False):
    width: Annotated[int, msgspec.Meta(le=2**31 - 1)]  # what Parquet's column holds
    height: Annotated[int, msgspec.Meta(le=2**31 - 1)]
    url: str | None = None
    coco_id: Id | None = None


def _problem_of_image(reader, decode, start, size) -> tuple[str, str]:
    data = reader.bytes_of("image_data", (start, size))
    try:
        line = decode(data)
    except UNREADABLE as error:
        return "wrong type or missing field", fault_of(data) or str(error)
    if line.width < 1 or line.height < 1:
        return "image without a size", f"{line.width} x {line.height}"
    return "", ""
