# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Reads Visual Genome, releases 1.0, 1.2 and 1.4, one image at a time, and joins its files by image id.

    with VisualGenome("visual_genome") as source:
        for image in source.images():
            graph = source.graph(image)

Special: the dump is several GB of JSON and is never held. A first pass notes where in each file an image's record lies;
after that a record is decoded straight from the mapped file, typed, in any order and in any process. A record that does
not fit is returned in `SceneGraph.broken` with its reason. Damaged JSON (a download that was cut) stops with a sentence.
Floor 2: msgspec and numpy; reads the folder it is given, writes nothing.
"""

import hashlib
import math
import mmap
import re
from array import array
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec
import numpy as np

from promvil_hf.compovl.scene_graph import Broken, Corners, Region, Relation, SceneGraph, Thing


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


class VisualGenome:
    """A folder of Visual Genome's JSON files. `release` is found out from the files, or checked when given."""

    def __init__(self, folder, files: tuple[str, ...] | None = None, release: str | None = None):
        self.folder = Path(folder)
        self.files = tuple(_present(self.folder, files))
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
            yield Image(line.id_, line.width, line.height, line.url or "", line.coco_id, spans)

    def graph(self, image: Image) -> SceneGraph:
        return self._reader.graph(image)

    def questions(self, image: Image) -> tuple[tuple[Question, ...], tuple[Broken, ...]]:
        return self._reader.questions(image)

    def fingerprint(self) -> dict[str, str]:
        """SHA-256 of each file that is read: what a resumable job must not find changed."""
        return {file: _digest(self.folder / f"{file}.json") for file in self.files}

    def _release(self, wanted: str | None) -> str:
        if wanted is not None and wanted not in RELEASES:
            raise ValueError(f"You passed release={wanted!r}. This reader knows {', '.join(RELEASES)}.")
        found = release_of(self._reader.start_of("objects"))
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
            reason, detail = _problem_of_image(self._reader, decode, starts[rank], sizes[rank])
            if not reason and image_id in seen:
                reason = "second line of the image"
            if reason:
                self.broken.append(Broken("image_data", image_id if image_id >= 0 else None, None, reason, detail))
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
        own, starts, sizes, lost = split_file(self._reader, file)
        self.broken += lost
        own, starts, sizes = np.asarray(own), np.asarray(starts), np.asarray(sizes)
        if len(own) == len(ids) and np.array_equal(own, ids):
            return starts, sizes
        place = np.searchsorted(ordered, own).clip(max=max(len(ids) - 1, 0))
        known = ordered[place] == own if len(ids) else np.zeros(len(own), bool)
        aligned = np.zeros(len(ids), np.uint64), np.zeros(len(ids), np.uint32)
        for position in np.flatnonzero(~known):
            if own[position] >= 0:
                self.broken.append(Broken(file, int(own[position]), None, "image is not in image_data"))
        for position in np.flatnonzero(known):
            rank = order[place[position]]
            if aligned[1][rank]:
                self.broken.append(Broken(file, int(own[position]), None, "second record of the image"))
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
                lost += sum(own.file.startswith(file) and own.reason.startswith("dangling") for own in graph.broken)
                own = graph.relations if file == "relationships" else [one for r in graph.regions for one in r.relations]
                kept += len(own)
            if lost >= 10 and lost > 9 * kept:  # a sound 1.4 image can lose half
                raise ValueError(
                    f"{lost} of the first {lost + kept} relations of {self.folder / file}.json name objects that objects.json "
                    "does not have: the two are of different releases. Take all files from one release."
                )


def _present(folder: Path, wanted: tuple[str, ...] | None) -> Iterator[str]:
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


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Where records lie

_GAP = re.compile(rb"[\s,]*")
_FIRST_KEY = re.compile(rb'\{\s*"(?:image_id|id)"\s*:\s*(\d{1,18})\s*[,}]')
_LAST_KEY = re.compile(rb'"(?:image_id|id)"\s*:\s*(\d{1,18})\s*\}\Z')


class _Head(msgspec.Struct):
    image_id: int | None = None
    id: int | None = None


class _ImageData(msgspec.Struct, gc=False):
    width: int
    height: int
    image_id: int | None = None
    id: int | None = None
    url: str | None = None
    coco_id: int | None = None

    @property
    def id_(self) -> int:
        return self.id if self.image_id is None else self.image_id


def split_file(reader: "Reader", file: str):
    """Image id (-1: none), start and length of each element of a file's top-level array."""
    view = reader.mapped(file)
    path = reader.folder / f"{file}.json"
    try:
        elements = msgspec.json.decode(memoryview(view), type=list[msgspec.Raw])
    except msgspec.ValidationError as error:
        raise ValueError(f"{path} is not a list of images, as Visual Genome's files are ({error}).") from None
    except msgspec.DecodeError as error:
        raise ValueError(
            f"{path} is not whole JSON ({error}; the file has {len(view):,} bytes). The download was probably cut: "
            "unpack or download it again."
        ) from None
    ids, starts, sizes = array("q"), array("Q"), array("I")
    lost = []
    head = msgspec.json.Decoder(_Head).decode
    at = view.find(b"[") + 1
    for element in elements:
        at = _GAP.match(view, at).end()
        size = memoryview(element).nbytes
        found = _FIRST_KEY.match(view, at) or _LAST_KEY.search(view, max(at, at + size - 48), at + size)
        image_id = int(found[1]) if found else -1
        if not found:
            try:
                own = head(element)
                image_id = own.image_id if own.image_id is not None else own.id if own.id is not None else -1
                why = "" if image_id >= 0 else "no image id"
            except msgspec.DecodeError as error:
                why = f"no image record: {error}"
            if why:
                lost.append(Broken(file, None, None, "record without an image", f"element {len(ids)}: {why}"))
        ids.append(image_id)
        starts.append(at)
        sizes.append(size)
        at += size
    return ids, starts, sizes, lost


def _problem_of_image(reader, decode, start, size) -> tuple[str, str]:
    try:
        line = decode(reader.bytes_of("image_data", (start, size)))
    except msgspec.DecodeError as error:
        return "wrong type or missing field", str(error)
    if line.width < 1 or line.height < 1:
        return "image without a size", f"{line.width} x {line.height}"
    return "", ""


def release_of(start: bytes) -> str | None:
    if re.search(rb'"merged_object_ids"\s*:', start):
        return "1.4"
    if re.search(rb'"object_id"\s*:', start):
        return "1.2"
    return "1.0" if re.search(rb'"names"\s*:[^{}]*"id"\s*:|"id"\s*:[^{}]*"names"\s*:', start) else None


# Records


class _Object(msgspec.Struct, gc=False):
    x: float
    y: float
    w: float
    h: float
    object_id: int | None = None
    id: int | None = None
    names: list[str] | None = None
    name: str | None = None
    merged_object_ids: list[int] | None = None


class _Attributed(msgspec.Struct, gc=False):
    object_id: int | None = None
    id: int | None = None
    attributes: list[str] | None = None


class _End(msgspec.Struct, gc=False):
    object_id: int | None = None
    id: int | None = None
    merged_object_ids: list[int] | None = None


class _Relationship(msgspec.Struct, gc=False):
    predicate: str
    subject: _End
    object: _End
    relationship_id: int | None = None
    id: int | None = None


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
    subject_id: int
    object_id: int
    relationship_id: int | None = None
    id: int | None = None


class _Region(msgspec.Struct, gc=False):
    phrase: str
    x: float
    y: float
    width: float
    height: float
    region_id: int | None = None
    id: int | None = None
    objects: list[_End] = []
    relationships: list[_RegionRelation] = []


class _Qa(msgspec.Struct, gc=False):
    question: str
    answer: str
    qa_id: int | None = None
    id: int | None = None


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


class Reader:
    """Decodes single images out of the mapped files. Picklable: another process maps them again."""

    def __init__(self, folder, files: tuple[str, ...], release: str = "1.2"):
        self.folder, self.files, self.release = Path(folder), files, release
        self._maps: dict[str, mmap.mmap] = {}

    def __reduce__(self):
        return Reader, (self.folder, self.files, self.release)

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
        return view[span[0] : span[0] + span[1]]

    def start_of(self, file: str, size: int = 1 << 16) -> bytes:
        return self.mapped(file)[:size]

    def records(self, image: Image, file: str, broken: list[Broken]) -> list:
        """The typed records of an image in a file. One bad record costs itself, not the image."""
        if file not in image.spans:
            return []
        key, decoder, record = (_RECORDS_1_0 if self.release == "1.0" else _RECORDS)[file]
        data = self.bytes_of(file, image.spans[file])
        try:
            return getattr(decoder.decode(data), key)
        except msgspec.DecodeError as error:
            why = str(error)
        try:
            loose = msgspec.json.decode(data).get(key)
        except (msgspec.DecodeError, UnicodeDecodeError, AttributeError) as error:
            broken.append(Broken(file, image.image_id, None, "unreadable record of the image", str(error)))
            return []
        if not isinstance(loose, list):
            broken.append(Broken(file, image.image_id, None, "unreadable record of the image", why))
            return []
        good = []
        for entry in loose:
            try:
                good.append(msgspec.convert(entry, record))
            except msgspec.ValidationError as error:
                broken.append(
                    Broken(file, image.image_id, _loose_id(entry), "wrong type or missing field", str(error))
                )
        return good

    def questions(self, image: Image) -> tuple[tuple[Question, ...], tuple[Broken, ...]]:
        broken: list[Broken] = []
        found = []
        for qa in self.records(image, "question_answers", broken):
            own_id = qa.qa_id if qa.qa_id is not None else qa.id
            question, answer = _words(qa.question), _words(qa.answer)
            if own_id is None or not question or not answer:
                broken.append(Broken("question_answers", image.image_id, own_id, "blank question or answer"))
            else:
                found.append(Question(own_id, question, answer))
        return tuple(found), tuple(broken)

    def graph(self, image: Image) -> SceneGraph:
        """Clean and join what the files say about one image."""
        return _Joined(self, image).graph()


def _loose_id(entry) -> int | None:
    if not isinstance(entry, dict):
        return None
    for key in ("object_id", "relationship_id", "region_id", "qa_id", "id"):
        if isinstance(entry.get(key), int):
            return entry[key]
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
            own_id = self._end(record)
            thing = self.alias.get(own_id)
            if thing is None:
                self._reject("attributes", own_id, "dangling object")
                continue
            if record.attributes:
                mine = found.setdefault(thing, [])
                for attribute in record.attributes:
                    clean = _lower(attribute)
                    if clean and clean not in mine:
                        mine.append(clean)
        return found

    def _relations(self) -> Iterator[Relation]:
        for record in self._read("relationships"):
            own_id = record.relationship_id if record.relationship_id is not None else record.id
            ends = self._end(record.subject), self._end(record.object)
            relation = self._relation("relationships", own_id, ends[0], record.predicate, ends[1])
            if relation is not None:
                yield relation

    def _end(self, end: _End | _Attributed) -> int | None:
        """The id of an object where it is mentioned, if possible one that the image's objects know."""
        own_id = end.object_id if end.object_id is not None else end.id
        if own_id in self.alias:
            return own_id
        if self.places and end.name:
            return self.places.get((_lower(end.name), end.x, end.y, end.w, end.h), own_id)
        for merged in getattr(end, "merged_object_ids", None) or ():
            if merged in self.alias:
                return merged
        return own_id

    def _relation(self, file, own_id, subject, predicate, thing) -> Relation | None:
        alias = self.alias
        predicate = _lower(predicate)
        if own_id is None:
            self._reject(file, None, "no relationship id")
        elif subject not in alias:
            self._reject(file, own_id, "dangling subject", f"object {subject}")
        elif thing not in alias:
            self._reject(file, own_id, "dangling object", f"object {thing}")
        elif not predicate:
            self._reject(file, own_id, "blank predicate")
        elif alias[subject] == alias[thing]:
            self._reject(file, own_id, "relates an object to itself", f"object {alias[subject]}")
        else:
            return Relation(own_id, alias[subject], predicate, alias[thing])
        return None

    def _regions(self) -> Iterator[Region]:
        file = "region_graphs" if "region_graphs" in self.image.spans else "region_descriptions"
        alias = self.alias
        inner = f"{file}/relationships"
        for record in self._read(file):
            own_id = record.region_id if record.region_id is not None else record.id
            phrase = _words(record.phrase)
            if own_id is None or not phrase:
                self._reject(file, own_id, "no region id" if own_id is None else "blank phrase")
                continue
            corners = self._corners(record.x, record.y, record.width, record.height)
            if corners is None:
                self._reject(file, own_id, "box is empty or outside the image")
                continue
            relations = []
            for relation in record.relationships:
                relation_id = relation.relationship_id if relation.relationship_id is not None else relation.id
                ends = relation.subject_id, relation.object_id
                found = self._relation(inner, relation_id, ends[0], relation.predicate, ends[1])
                if found is not None:
                    relations.append(found)
            ids = (end.object_id if end.object_id is not None else end.id for end in record.objects)
            things = tuple(dict.fromkeys([alias[own] for own in ids if own in alias]))
            yield Region(own_id, phrase, corners, things, tuple(relations))
