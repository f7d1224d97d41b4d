# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Scene graphs of other sources than Visual Genome's own files: GQA's, and a plain form that anyone can write.

GQA's `train_sceneGraphs.json` is one object, image id to graph; boxes are x, y, w, h in pixels, and relations stand with
their subject. The plain form is JSON Lines, one image a line, boxes as corners in pixels:

    {"image": "kitchen/7.jpg", "width": 640, "height": 480,
     "objects": [{"id": 1, "name": "man", "box": [10, 20, 110, 420], "attributes": ["tall"]},
                 {"id": 2, "name": "cup", "box": [80, 200, 120, 250]}],
     "relations": [{"subject": 1, "predicate": "holding", "object": 2}]}

`attributes` and `relations` may be missing, `image_id` may be given, else it is the image's name. Records that cannot be
used stand in `SceneGraph.broken` with their reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from promvil_hf.compovl.scene_graph import Broken, Corners, Relation, SceneGraph, Thing
from promvil_hf.compovl.visual_genome_records import Image
from promvil_hf.files import sha256_of
from promvil_hf.json_records import RecordError, decoded, split


GQA, PLAIN = FORMS = ("gqa", "plain")
TITLES = {GQA: "GQA's scene graphs", PLAIN: "scene graphs in the plain form"}


class GraphFiles:
    """Files of scene graphs, read image by image; takes the place of `VisualGenome` in a build.

    `form` is "gqa" or "plain". Building keeps one file in memory while its images are looked up; workers read from disk.
    """

    def __init__(self, files: Sequence[str | PathLike], form: str):
        if form not in FORMS:
            raise ValueError(f"You passed form={form!r}: scene graphs are {' or '.join(FORMS)}.")
        self.paths = tuple(map(Path, files))
        if not self.paths:
            raise ValueError("You passed no file of scene graphs: name at least one.")
        self.folder = self.paths[0]
        self.form, self.release = form, TITLES[form]
        self.broken: list[Broken] = []
        self.reader = GraphReader(self.paths, form)
        self._images = list(self._index())

    def __enter__(self) -> "GraphFiles":
        return self

    def __exit__(self, *_):
        pass

    def __len__(self) -> int:
        return len(self._images)

    def images(self) -> Iterator[Image]:
        return iter(self._images)

    def graph(self, image: Image) -> SceneGraph:
        return self.reader.graph(image)

    def fingerprint(self) -> dict[str, str]:
        return {path.name: sha256_of(path) for path in self.paths}

    def _index(self) -> Iterator[Image]:
        seen: set = set()
        for number, path in enumerate(self.paths):
            data = path.read_bytes()
            for name, start, size in _members(data, path) if self.form == GQA else _lines(data):
                record = _decoded(data[start : start + size])
                image_id, width, height = name, 0, 0
                if isinstance(record, dict):
                    image_id = name or record.get("image_id") or record.get("image")
                    width, height = record.get("width"), record.get("height")
                image_id = int(image_id) if str(image_id).isdigit() else image_id
                reason = "" if isinstance(record, dict) else "no record of an image"
                if not reason and not (_is_size(width) and _is_size(height)):
                    reason = "image without a size"
                if not reason and (not isinstance(image_id, str | int) or image_id in seen):
                    reason = "second record of the image" if image_id in seen else "image without a name"
                if reason:
                    known = image_id if isinstance(image_id, str | int) else None
                    self.broken.append(Broken(path.stem, known, None, reason))
                    continue
                seen.add(image_id)
                yield Image(image_id, width, height, "", None, {str(number): (start, size)})


@dataclass(frozen=True)
class GraphReader:
    """Reads the graph of one image from the files; small and picklable, for worker processes."""

    paths: tuple[Path, ...]
    form: str

    def graph(self, image: Image) -> SceneGraph:
        [(number, (start, size))] = image.spans.items()
        path = self.paths[int(number)]
        with open(path, "rb") as file:
            file.seek(start)
            record = _decoded(file.read(size))
        return _Joined(path.stem, image, record, self.form).graph()


class _Joined:
    """One image: its objects by the ids that the file gives them, numbered here from 1."""

    def __init__(self, file: str, image: Image, record: dict, form: str):
        self.file, self.image, self.record, self.form = file, image, record, form
        self.broken: list[Broken] = []
        self.things: dict[int, Thing] = {}
        self.numbers: dict[str, int] = {}
        self.stated = 0

    def graph(self) -> SceneGraph:
        objects = self.record.get("objects") or {}
        if isinstance(objects, dict):
            named = list(objects.items())
        else:
            named = [(thing.get("id"), thing) for thing in objects if _is_object(thing)]
        for name, thing in named:
            self._add(name, thing)
        relations = tuple(self._relations(named))
        image = self.image
        path = self.record.get("image") if self.form == PLAIN else None
        counts = {"objects": len(objects), "relations": self.stated}
        return SceneGraph(
            image.image_id, image.width, image.height, path or f"{image.image_id}.jpg", "", None, self.things, relations, (),
            tuple(self.broken), counts,
        )  # fmt: skip

    def _add(self, name: Any, thing: Any) -> None:
        if not _is_object(thing) or not isinstance(thing.get("name"), str) or not thing["name"].strip() or name is None:
            self._reject(None, "object without a name or id")
            return
        corners = self._corners(thing)
        if corners is None:
            self._reject(name, "object without a box in the image")
            return
        number = int(name) if str(name).isdigit() else len(self.numbers) + 1
        while number in self.things:
            number += 1_000_000
        self.numbers[str(name)] = number
        attributes = thing.get("attributes")
        words = tuple(" ".join(word.lower().split()) for word in attributes or () if isinstance(word, str))
        self.things[number] = Thing(number, (" ".join(thing["name"].lower().split()),), corners, words)

    def _corners(self, thing: dict) -> Corners | None:
        box = thing.get("box") if self.form == PLAIN else [thing.get(side) for side in "xywh"]
        if not isinstance(box, list) or len(box) != 4 or not all(_is_number(value) for value in box):
            return None
        x0, y0, x1, y1 = box if self.form == PLAIN else (box[0], box[1], box[0] + box[2], box[1] + box[3])
        width, height = self.image.width, self.image.height
        left, top = max(x0 / width, 0.0), max(y0 / height, 0.0)
        right, bottom = min(x1 / width, 1.0), min(y1 / height, 1.0)
        return (left, top, right, bottom) if left < right and top < bottom else None

    def _relations(self, named: list) -> Iterator[Relation]:
        for subject, predicate, thing in self._stated(named):
            self.stated += 1
            ends = self.numbers.get(str(subject)), self.numbers.get(str(thing))
            if None in ends or not isinstance(predicate, str):
                self._reject(subject, "dangling end" if isinstance(predicate, str) else "relation without a predicate")
                continue
            yield Relation(self.stated, ends[0], " ".join(predicate.lower().split()), ends[1])

    def _stated(self, named: list) -> Iterator[tuple]:
        if self.form == PLAIN:
            for relation in filter(_is_object, self.record.get("relations") or ()):
                yield relation.get("subject"), relation.get("predicate"), relation.get("object")
            return
        for name, thing in named:
            for relation in filter(_is_object, (thing.get("relations") or ()) if _is_object(thing) else ()):
                yield name, relation.get("name"), relation.get("object")

    def _reject(self, name: Any, reason: str) -> None:
        number = int(name) if str(name).isdigit() else None
        self.broken.append(Broken(self.file, self.image.image_id, number, reason, str(name or "")[:80]))


def _members(data: bytes, path: Path) -> Iterator[tuple[str, int, int]]:
    """(image id, start, size) of each member of one JSON object."""
    try:
        for name, start, end in split(data, path):
            if name is None:
                raise RecordError(f"{path} is a list.")
            yield name, start, end - start
    except RecordError as error:
        raise ValueError(
            f"You passed {path} as GQA's scene graphs, and it is no JSON object of image ids ({error}). Pass "
            "train_sceneGraphs.json or val_sceneGraphs.json as GQA published it."
        ) from error


def _lines(data: bytes) -> Iterator[tuple[None, int, int]]:
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0  # a mark before UTF-8
    for line in data[start:].split(b"\n"):
        if line.strip():
            yield None, start, len(line)
        start += len(line) + 1


def _decoded(text: bytes) -> dict[str, Any] | None:
    try:
        value = decoded(text)
    except RecordError:
        return None
    return value if isinstance(value, dict) else None


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
