# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Keeps evaluation images out of training data: lists of COCO or Visual Genome ids, and what they exclude.

Half of Visual Genome's images are COCO images, RefCOCO's test images among them, and GQA's images are Visual Genome's.
A list is read from whatever the benchmark ships: its questions, its refs (JSON or pickle), its splits, COCO instances, or a
text file with ids or file names.
"""

import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promvil_hf.files import read_pickle
from promvil_hf.json_records import Damaged, lines, read_bytes, salvaged, shown


KINDS = ("coco", "vg")
_HELD_OUT = re.compile(r"val|test|minival", re.IGNORECASE)
_SPLIT = re.compile(r"train|val|test", re.IGNORECASE)
_COCO_NAME = re.compile(r"(?:COCO_(?:train|val|test)\d{4}_)?(\d{12})(?:\.\w+)?\Z|COCO_(?:train|val|test)\d{4}_(\d+)")
_NOT_VISUAL_GENOME = re.compile(r"n\d+\Z")
_NUMBER = re.compile(r"\d{1,18}\Z")
_FILE_NAME = re.compile(r"[\w.-]*?(\d+)\.(?:jpe?g|png)\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LeakageList:
    """Images that must not be trained on. `kind` says whose ids these are; `unmatched` counts names that are no id."""

    name: str
    kind: str
    ids: frozenset[int]
    unmatched: int = 0

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"You passed kind={self.kind!r}: ids are {' or '.join(KINDS)}.")


@dataclass(slots=True)
class Leakage:
    """What a set of lists found. `excluded` counts images once, `by_list` once for each list that names them, by its place."""

    lists: tuple[LeakageList, ...] = ()
    images: int = 0
    with_coco_id: int = 0
    excluded: int = 0
    by_list: Counter = field(default_factory=Counter)

    def hits(self, image_id: int | None, coco_id: int | None) -> list[int]:
        """Places of the lists that hold this image."""
        return [
            place
            for place, id_list in enumerate(self.lists)
            if (coco_id if id_list.kind == "coco" else image_id) in id_list.ids
        ]

    def keeps(self, image_id: int | None, coco_id: int | None) -> bool:
        """Count an image; False when it must be left out."""
        self.images += 1
        self.with_coco_id += coco_id is not None
        found = self.hits(image_id, coco_id)
        self.by_list.update(found)
        self.excluded += bool(found)
        return not found

    def to_dict(self) -> dict[str, Any]:
        return {
            "images": self.images,
            "images_with_coco_id": self.with_coco_id,
            "excluded": self.excluded,
            "lists": [
                {
                    "name": id_list.name,
                    "ids_of": id_list.kind,
                    "ids": len(id_list.ids),
                    "images_found": self.by_list[place],
                    "names_that_are_no_id": id_list.unmatched,
                }
                for place, id_list in enumerate(self.lists)
            ],
        }


def read_list(path, kind: str, name: str | None = None) -> LeakageList:
    """A list from a file. Rows that carry a `split` count only when it is a val or test split (RefCOCO's refs)."""
    path = Path(path)
    if kind not in KINDS:
        raise ValueError(f"You passed kind={kind!r}: ids are {' or '.join(KINDS)}.")
    try:
        found = list(_names(path))
    except OSError as error:
        raise ValueError(f"Cannot read the list {path}: {error.strerror}.") from None
    ids, others = set(), set()
    for entry in found:
        image_id = _id(entry, kind)
        if image_id is None:
            others.add(entry if isinstance(entry, str) else shown(entry))
        else:
            ids.add(image_id)
    if not ids and not any(map(_NOT_VISUAL_GENOME.match, others)):  # GQA's testdev excludes nothing: its images are others
        such = ", ".join(map(shown, found[:2]))
        raise ValueError(
            f"{path} names no {kind} image: {len(found)} entries{such and f', such as {such}'}. Give ids or file names with "
            "ids in them, GQA's questions, RefCOCO's refs, splits or a COCO instances file, and say whose ids they are."
        )
    return LeakageList(name or path.stem, kind, frozenset(ids), len(others))


def coco_id_of(path: str) -> int | None:
    """The COCO id in a COCO file name (`COCO_train2014_000000380440.jpg`, `000000380440.jpg`); None for other names."""
    match = _COCO_NAME.match(path.rpartition("/")[2])
    return int(match[1] or match[2]) if match else None


def _id(name: Any, kind: str) -> int | None:
    if isinstance(name, int) and not isinstance(name, bool):
        return name
    if not isinstance(name, str):
        return None
    if _NUMBER.match(name):
        return int(name)
    file_name = name.rpartition("/")[2]
    if kind == "coco":
        return coco_id_of(file_name)
    match = _FILE_NAME.match(file_name)
    return int(match[1]) if match and file_name[0].isdigit() else None


def _names(path: Path) -> Iterator[Any]:
    if path.suffix in (".p", ".pkl", ".pickle"):
        yield from _of_json(read_pickle(path))
        return
    data = read_bytes(path)
    start = data.lstrip()[:1]
    if start in (b"{", b"["):
        whole = salvaged(data)
        if not isinstance(whole, Damaged):
            yield from _of_json(whole)
            return
        rows = list(lines(io.BytesIO(data), path))
        if any(row.fault is None for row in rows):
            yield from _of_json([Damaged(row.fault) if row.fault else row.fields for row in rows])
            return
        if start == b"{":
            raise ValueError(f"{path} is neither JSON nor JSON Lines ({whole.why}).")
    for line in data.decode("utf-8", "replace").split("\n"):
        line = line.strip().removeprefix("[image]")  # as PromViL's own prompt lists have it
        line = re.split(r"<tab>|\t|,", line)[0].strip()
        if line and not line.startswith("#"):
            yield line


def _of_json(value: Any) -> Iterator[Any]:
    """Image names in what GQA, RefCOCO, COCO, VSR, POPE, densecap and plain lists look like."""
    if isinstance(value, Mapping):
        kinds = {kind for kind in (Mapping, list) if any(isinstance(part, kind) for part in value.values())}
        if isinstance(value.get("images"), list):  # COCO instances
            value = [row.get("id", row) if isinstance(row, Mapping) else row for row in value["images"]]
        elif not kinds or any(key in value for key in _KEYS):
            value = [value]
        elif Mapping in kinds:
            rows = [part if isinstance(part, Mapping) else Damaged("no object") for part in value.values()]
            named = any(key in row for row in rows if isinstance(row, Mapping) for key in _KEYS)
            value = rows if named else list(value)  # GQA's scene graphs: the keys are the ids
        else:  # ids by split, as densecap ships them
            named = any(map(_SPLIT.match, map(str, value)))
            held_out = [part for split, part in value.items() if not named or _HELD_OUT.search(str(split))]
            value = [entry for part in held_out for entry in (part if isinstance(part, list) else [Damaged("no list")])]
    for row in value if isinstance(value, Iterable) and not isinstance(value, str) else ():
        if not isinstance(row, Mapping):
            yield row
            continue
        if isinstance(row.get("split"), str) and not _HELD_OUT.search(row["split"]):
            continue
        key = next((key for key in _KEYS if row.get(key) is not None), None)
        yield Damaged("no image") if key is None else row[key]


_KEYS = ("coco_id", "image_id", "imageId", "image", "file_name", "id")


def read_lists(paths: Iterable[str | os.PathLike], kind: str) -> list[LeakageList]:
    """Lists from files, each by the name of its file; of several files of one name with that of its folder."""
    paths = [Path(path) for path in paths]
    stems = Counter(path.stem for path in paths)
    return [read_list(path, kind, f"{path.parent.name}/{path.stem}" if stems[path.stem] > 1 else None) for path in paths]
