# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Finds Visual Genome's JSON files in a folder, and where in each of them the record of each image lies.

A dump is several GB of JSON and is never held: one pass over a file notes the place of each record, and records are read
from the mapped file afterwards, in any order and in any process. What is damaged costs itself: an entry of a record, or the
record. A file that is no JSON (a download that was cut) stops with a sentence.
"""

import mmap
import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec

from promvil_hf.compovl.scene_graph import Broken
from promvil_hf.json_records import UNREADABLE, Damaged, Record, RecordError, salvaged, shown, split
from promvil_hf.json_scanning import let_go


LARGEST = 2**63 - 1  # what Parquet holds
Id = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)]


FILES = (
    "image_data",
    "objects",
    "attributes",
    "relationships",
    "region_graphs",
    "region_descriptions",
    "question_answers",
)
RELEASES = ("1.0", "1.2", "1.4")
GRAPH_FILES = ("objects", "attributes", "relationships", "region_graphs", "region_descriptions")


def present(folder: Path, wanted: tuple[str, ...] | None) -> Iterator[str]:
    if not folder.is_dir():
        raise ValueError(f"You passed {folder} as the Visual Genome folder, and there is no such folder.")
    for file in FILES if wanted is None else wanted:
        there = (folder / f"{file}.json").is_file()
        if not there and (wanted is not None or file in ("image_data", "objects")):
            raise ValueError(
                f"{folder} has no {file}.json. Download {file}.json.zip of Visual Genome, unpack it there, and try again."
            )
        if there:
            yield file


def graph_files(folder: Path, sources: str) -> tuple[str, ...]:
    """The files that are read when relations come from `sources`: "both", "regions" or "graph"."""
    there = [file for file in GRAPH_FILES if (folder / f"{file}.json").is_file()]
    if "region_graphs" in there:
        there = [file for file in there if file != "region_descriptions"]
    needed = {"graph": ("relationships",), "regions": ("region_graphs",)}.get(sources, ("relationships", "region_graphs"))
    if sources == "regions" and {"relationships", "region_descriptions"} <= set(there):
        needed = ("region_descriptions",)  # region graphs are assembled from them
    if folder.is_dir() and not any(file in there for file in needed):
        names = " or ".join(f"{file}.json" for file in needed)
        raise ValueError(f"{folder} has no {names}: expressions are composed of relations, so one of Visual Genome's is needed.")
    return ("image_data", *dict.fromkeys(("objects", *there)))


_HELD = 1 << 24  # bytes of mapped files that stay in memory, about


class MappedFiles:
    """Some of the files of a folder, mapped when they are first read."""

    def __init__(self, folder, files: tuple[str, ...]):
        self.folder, self.files = Path(folder), files
        self._maps: dict[str, mmap.mmap] = {}
        self._read = 0  # bytes since the maps were let go

    def close(self):
        self._maps.clear()  # records still in use keep their map; the last one closes it

    def mapped(self, file: str) -> mmap.mmap:
        if file not in self._maps:
            path = self.folder / f"{file}.json"
            with open(path, "rb") as handle:
                try:
                    self._maps[file] = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
                except ValueError:
                    raise ValueError(f"{path} is empty: unpack or download it again.") from None
        return self._maps[file]

    def bytes_of(self, file: str, span: tuple[int, int]) -> bytes:
        view = self.mapped(file)
        data = view[span[0] : span[0] + span[1]]
        self._read += len(data)
        if self._read > _HELD:
            self._read = 0
            for mapped in self._maps.values():
                let_go(mapped)
        return data

    def windows_of(self, file: str, size: int = 1 << 16, overlap: int = 1 << 10) -> Iterator[bytes]:
        """The content piece by piece, each with the start of the next."""
        view = self.mapped(file)
        return (view[at : at + size + overlap] for at in range(0, len(view), size))


_FIRST_KEY = re.compile(rb'\{\s*"(?:image_id|id)"\s*:\s*(\d{1,18})\s*[,}]')
_LAST_KEY = re.compile(rb'"(?:image_id|id)"\s*:\s*(\d{1,18})\s*\}\Z')


class _Head(msgspec.Struct):
    image_id: Id | None = None
    id: Id | None = None


def split_file(files: MappedFiles, file: str):
    """Image id (-1: none), start and length of each element of a file's top-level array."""
    view = files.mapped(file)
    ids, starts, sizes = array("q"), array("Q"), array("I")
    lost = []
    for at, size in _elements(view, files.folder / f"{file}.json"):
        found = _FIRST_KEY.match(view, at) or _LAST_KEY.search(view, max(at, at + size - 48), at + size)
        if found:
            image_id = int(found[1])
        else:
            image_id, why = _image_id(view[at : at + size])
            if why:
                lost.append(Broken(file, None, None, "record without an image", f"element {len(ids)}: {why}"))
        ids.append(image_id)
        starts.append(at)
        sizes.append(size)
    return ids, starts, sizes, lost


def _elements(view: mmap.mmap, path: Path) -> Iterator[tuple[int, int]]:
    """Start and length of each element."""
    try:
        if view[-64:].strip()[-1:] not in (b"]", b"}", b""):
            raise RecordError("it is cut")
        for key, start, end in split(view, path):
            if key is not None:
                raise ValueError(f"{path} is not a list of images, as Visual Genome's files are.")
            yield start, end - start
    except RecordError as error:
        raise ValueError(
            f"{path} is not whole JSON ({error} The file has {len(view):,} bytes). The download was probably cut: "
            "unpack or download it again."
        ) from None


_head = msgspec.json.Decoder(_Head).decode


def _image_id(element: bytes) -> tuple[int, str]:
    """The image id of a record in which it does not stand first or last; -1 with the reason where there is none."""
    try:
        head = _head(element)
        image_id = head.image_id if head.image_id is not None else head.id
        if image_id is not None and image_id >= 0:
            return image_id, ""
    except UNREADABLE:
        pass
    try:
        return Record.of("the record", salvaged(element)).whole("image_id", "id", least=0), ""
    except RecordError as error:
        return -1, str(error)


def entries(data: bytes, key: str, of_image: msgspec.json.Decoder, entry: type) -> tuple[list, list[tuple[Any, str]]]:
    """The typed entries of an image's record, and those that do not fit, each with the reason.

    `of_image` decodes the whole record. Where it fails, entries are decoded one by one. A `RecordError` says why there are
    none at all.
    """
    try:
        return getattr(of_image.decode(data), key), []
    except UNREADABLE:
        pass
    loose = Record.of("the record", salvaged(data)).get(key)
    if not isinstance(loose, list):
        raise RecordError(f"`{key}` is {shown(loose)}, and it must be a list")
    good, bad = [], []
    for number, value in enumerate(loose, 1):
        try:
            if isinstance(value, Damaged):
                raise RecordError(value.why)
            good.append(msgspec.convert(value, entry))
        except ValueError as error:
            bad.append((value, f"`{key}` {number}: {error}"))
    return good, bad


def release_of(start: bytes) -> str | None:
    if re.search(rb'"merged_object_ids"\s*:', start):
        return "1.4"
    if re.search(rb'"object_id"\s*:', start):
        return "1.2"
    return "1.0" if re.search(rb'"names"\s*:[^{}]*"id"\s*:|"id"\s*:[^{}]*"names"\s*:', start) else None
