# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Decodes Visual Genome's records of one image, releases 1.0, 1.2 and 1.4, and joins them to a scene graph.

A record that does not fit is returned in `SceneGraph.broken` with its reason.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

import msgspec

from promvil_hf.compovl.scene_graph import Broken, Corners, Region, Relation, SceneGraph, Thing
from promvil_hf.compovl.visual_genome_files import LARGEST, Id, MappedFiles, entries
from promvil_hf.json_records import RecordError


class Image(NamedTuple):
    """One line of `image_data.json`, and where in the other files this image's records lie (None: nowhere)."""

    image_id: int
    width: int
    height: int
    url: str
    coco_id: int | None
    spans: dict[str, tuple[int, int]]

    @property
    def path(self) -> str:
        """`VG_100K/2.jpg`: folder and file name as in the released archives."""
        return "/".join(PurePosixPath(self.url).parts[-2:]) or f"{self.image_id}.jpg"


class Question(msgspec.Struct, frozen=True, gc=False):
    """A question about an image and its answer."""

    qa_id: int
    question: str
    answer: str


class _Object(msgspec.Struct, gc=False):
    x: float
    y: float
    w: float
    h: float
    object_id: Id | None = None
    id: Id | None = None
    names: list[str] | None = None
    name: str | None = None
    merged_object_ids: list[Id] | None = None


class _Attributed(msgspec.Struct, gc=False):
    object_id: Id | None = None
    id: Id | None = None
    attributes: list[str] | None = None


class _End(msgspec.Struct, gc=False):
    object_id: Id | None = None
    id: Id | None = None
    merged_object_ids: list[Id] | None = None


class _Relationship(msgspec.Struct, gc=False):
    predicate: str
    subject: _End
    object: _End
    relationship_id: Id | None = None
    id: Id | None = None


# Release 1.0 gives an object a new id nearly wherever it is mentioned; its name and box stay the same, and join it.
class _PlacedEnd(_End, gc=False):
    x: float | None = None
    y: float | None = None
    w: float | None = None
    h: float | None = None
    name: str | None = None


class _PlacedRelationship(_Relationship, gc=False):
    subject: _PlacedEnd
    object: _PlacedEnd


class _PlacedAttributed(_Attributed, gc=False):
    x: float | None = None
    y: float | None = None
    w: float | None = None
    h: float | None = None
    object_names: list[str] | None = None

    @property
    def name(self) -> str | None:
        return self.object_names[0] if self.object_names else None


class _RegionRelation(msgspec.Struct, gc=False):
    predicate: str
    subject_id: Id
    object_id: Id
    relationship_id: Id | None = None
    id: Id | None = None


class _Region(msgspec.Struct, gc=False):
    phrase: str
    x: float
    y: float
    width: float
    height: float
    region_id: Id | None = None
    id: Id | None = None
    objects: list[_End] = []
    relationships: list[_RegionRelation] = []


class _Qa(msgspec.Struct, gc=False):
    question: str
    answer: str
    qa_id: Id | None = None
    id: Id | None = None


def _image_record(file: str, key: str, record: type) -> tuple[str, msgspec.json.Decoder, type]:
    whole = msgspec.defstruct(f"_{file}", [(key, list[record])], gc=False)
    return key, msgspec.json.Decoder(whole), record


_RECORDS = {
    "objects": _image_record("objects", "objects", _Object),
    "attributes": _image_record("attributes", "attributes", _Attributed),
    "relationships": _image_record("relationships", "relationships", _Relationship),
    "region_graphs": _image_record("region_graphs", "regions", _Region),
    "region_descriptions": _image_record("region_descriptions", "regions", _Region),
    "question_answers": _image_record("question_answers", "qas", _Qa),
}
_RECORDS_1_0 = _RECORDS | {
    "attributes": _image_record("attributes", "attributes", _PlacedAttributed),
    "relationships": _image_record("relationships", "relationships", _PlacedRelationship),
}


class Reader(MappedFiles):
    """Decodes the records of single images."""

    def __init__(self, folder, files: tuple[str, ...], release: str = "1.2"):
        super().__init__(folder, files)
        self.release = release

    def __reduce__(self):
        return Reader, (self.folder, self.files, self.release)

    def records(self, image: Image, file: str, broken: list[Broken]) -> list:
        """The typed records of an image in a file. One bad record costs itself, not the image."""
        if file not in image.spans:
            return []
        key, decoder, record = (_RECORDS_1_0 if self.release == "1.0" else _RECORDS)[file]
        data = self.bytes_of(file, image.spans[file])
        try:
            good, bad = entries(data, key, decoder, record)
        except RecordError as error:
            broken.append(Broken(file, image.image_id, None, "unreadable record of the image", str(error)))
            return []
        for entry, why in bad:
            broken.append(Broken(file, image.image_id, _loose_id(entry), "wrong type or missing field", why))
        return good

    def questions(self, image: Image) -> tuple[tuple[Question, ...], tuple[Broken, ...]]:
        broken: list[Broken] = []
        found = []
        for qa in self.records(image, "question_answers", broken):
            question_id = qa.qa_id if qa.qa_id is not None else qa.id
            question, answer = _words(qa.question), _words(qa.answer)
            if question_id is None or not question or not answer:
                broken.append(Broken("question_answers", image.image_id, question_id, "blank question or answer"))
            else:
                found.append(Question(question_id, question, answer))
        return tuple(found), tuple(broken)

    def graph(self, image: Image) -> SceneGraph:
        """Clean and join what the files say about one image."""
        return _Joined(self, image).graph()


def _loose_id(entry) -> int | None:
    if not isinstance(entry, dict):
        return None
    for key in ("object_id", "relationship_id", "region_id", "qa_id", "id"):
        number = entry.get(key)
        if isinstance(number, int) and not isinstance(number, bool) and abs(number) <= LARGEST:
            return number
    return None


def _words(text: str) -> str:
    return " ".join(text.split())


@lru_cache(maxsize=1 << 14)
def _lower(text: str) -> str:
    """Names, predicates and attributes repeat; phrases do not."""
    return " ".join(text.split()).lower()


class _Joined:
    """One image being joined; the parts share the id map and the list of broken records."""

    def __init__(self, reader: Reader, image: Image):
        self.reader, self.image = reader, image
        self.broken: list[Broken] = []
        self.counts: dict[str, int] = {}
        self.clipped = 0
        self.alias: dict[int, int] = {}  # any id an object goes by -> the id it has here
        self.places: dict[tuple, int] = {}  # release 1.0: name and box -> id
        self.things: dict[int, Thing] = {}

    def graph(self) -> SceneGraph:
        image = self.image
        objects = self._objects()
        attributes = self._attributes()
        for object_id, names, corners in objects:
            self.things[object_id] = Thing(object_id, names, corners, tuple(attributes.get(object_id, ())))
        relations = tuple(self._relations())
        regions = tuple(self._regions())
        return SceneGraph(
            image.image_id,
            image.width,
            image.height,
            image.path,
            image.url,
            image.coco_id,
            self.things,
            relations,
            regions,
            tuple(self.broken),
            self.counts,
            self.clipped,
        )

    def _read(self, file: str) -> list:
        before = len(self.broken)
        records = self.reader.records(self.image, file, self.broken)
        self.counts[file] = len(records) + len(self.broken) - before
        return records

    def _reject(self, file: str, record_id: int | None, reason: str, detail: str = ""):
        self.broken.append(Broken(file, self.image.image_id, record_id, reason, detail))

    def _objects(self) -> list[tuple[int, tuple[str, ...], Corners]]:
        kept, alias, reject = [], self.alias, self._reject
        for record in self._read("objects"):
            object_id = record.object_id if record.object_id is not None else record.id
            names = record.names or ([record.name] if record.name else [])
            names = tuple([clean for name in names if (clean := _lower(name))])
            if object_id is None:
                reject("objects", None, "no object id")
            elif object_id in alias:
                reject("objects", object_id, "second object of this id")
            elif not names:
                reject("objects", object_id, "no name")
            elif (corners := self._corners(record.x, record.y, record.w, record.h)) is None:
                numbers = f"x {record.x:g}, y {record.y:g}, w {record.w:g}, h {record.h:g}"
                reject("objects", object_id, "box is empty or outside the image", numbers)
            else:
                alias[object_id] = object_id
                if self.reader.release == "1.0":
                    self.places.setdefault((names[0], record.x, record.y, record.w, record.h), object_id)
                for merged in record.merged_object_ids or ():
                    alias.setdefault(merged, object_id)
                kept.append((object_id, names, corners))
        return kept

    def _corners(self, x: float, y: float, w: float, h: float) -> Corners | None:
        width, height = self.image.width, self.image.height
        right, bottom = x + w, y + h
        if not (x >= 0 and y >= 0 and right <= width and bottom <= height):
            if not all(map(math.isfinite, (x, y, right, bottom))):
                return None
            x, y, right, bottom = max(x, 0.0), max(y, 0.0), min(right, width), min(bottom, height)
            self.clipped += 1
        corners = (x / width, y / height, right / width, bottom / height)
        return corners if corners[0] < corners[2] and corners[1] < corners[3] else None

    def _attributes(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for record in self._read("attributes"):
            object_id = self._end(record)
            thing = self.alias.get(object_id)
            if thing is None:
                self._reject("attributes", object_id, "dangling object")
                continue
            if record.attributes:
                attributes = found.setdefault(thing, [])
                for attribute in record.attributes:
                    clean = _lower(attribute)
                    if clean and clean not in attributes:
                        attributes.append(clean)
        return found

    def _relations(self) -> Iterator[Relation]:
        for record in self._read("relationships"):
            relation_id = record.relationship_id if record.relationship_id is not None else record.id
            ends = self._end(record.subject), self._end(record.object)
            relation = self._relation("relationships", relation_id, ends[0], record.predicate, ends[1])
            if relation is not None:
                yield relation

    def _end(self, end: _End | _Attributed) -> int | None:
        """The id of an object where it is mentioned, if possible one that the image's objects know."""
        object_id = end.object_id if end.object_id is not None else end.id
        if object_id in self.alias:
            return object_id
        if self.places and end.name:
            return self.places.get((_lower(end.name), end.x, end.y, end.w, end.h), object_id)
        for merged in getattr(end, "merged_object_ids", None) or ():
            if merged in self.alias:
                return merged
        return object_id

    def _relation(self, file, relation_id, subject, predicate, thing) -> Relation | None:
        alias = self.alias
        predicate = _lower(predicate)
        if relation_id is None:
            self._reject(file, None, "no relationship id")
        elif subject not in alias:
            self._reject(file, relation_id, "dangling subject", f"object {subject}")
        elif thing not in alias:
            self._reject(file, relation_id, "dangling object", f"object {thing}")
        elif not predicate:
            self._reject(file, relation_id, "blank predicate")
        elif alias[subject] == alias[thing]:
            self._reject(file, relation_id, "relates an object to itself", f"object {alias[subject]}")
        else:
            return Relation(relation_id, alias[subject], predicate, alias[thing])
        return None

    def _regions(self) -> Iterator[Region]:
        file = "region_graphs" if "region_graphs" in self.image.spans else "region_descriptions"
        alias = self.alias
        inner = f"{file}/relationships"
        for record in self._read(file):
            region_id = record.region_id if record.region_id is not None else record.id
            phrase = _words(record.phrase)
            if region_id is None or not phrase:
                self._reject(file, region_id, "no region id" if region_id is None else "blank phrase")
                continue
            corners = self._corners(record.x, record.y, record.width, record.height)
            if corners is None:
                self._reject(file, region_id, "box is empty or outside the image")
                continue
            relations = []
            for relation in record.relationships:
                relation_id = relation.relationship_id if relation.relationship_id is not None else relation.id
                ends = relation.subject_id, relation.object_id
                found = self._relation(inner, relation_id, ends[0], relation.predicate, ends[1])
                if found is not None:
                    relations.append(found)
            ids = (end.object_id if end.object_id is not None else end.id for end in record.objects)
            things = tuple(dict.fromkeys([alias[object_id] for object_id in ids if object_id in alias]))
            yield Region(region_id, phrase, corners, things, tuple(relations))
