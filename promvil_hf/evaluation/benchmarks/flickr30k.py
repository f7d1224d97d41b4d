# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Flickr30k Entities: Annotations/*.xml with boxes per entity, Sentences/*.txt with phrases in brackets.

A row is one phrase of one sentence that has boxes; phrases of the whole scene, of nothing visible or without a box are
counted, not asked. Boxes of this data set count pixels from 1 and hold their last pixel.
"""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks.benchmark_rows import Benchmark, BenchmarkRow, left_out
from promvil_hf.evaluation.benchmarks.known_sizes import size_warning
from promvil_hf.files import Files, paths_of
from promvil_hf.frames import ImageSize, Pixels
from promvil_hf.json_records import read_bytes


_PHRASE = re.compile(r"\[/EN#(\d+)((?:/[^\s/\]]+)*)\s+([^\]]*)\]")


def read_flickr30k(files: Files, split: str = "test") -> Benchmark:
    """`files` is the folder with Annotations/ and Sentences/; its test.txt, val.txt or train.txt names the images.

    A row's id is image, sentence and phrase, all from 0: "36979/0/2". Several boxes of a phrase are all gold.
    """
    (folder,) = paths_of(files)
    listing = folder / f"{split}.txt"
    if not (folder / "Annotations").is_dir() or not (folder / "Sentences").is_dir() or not listing.exists():
        raise ValueError(
            f"You passed {folder} with split={split!r}: it needs the folders Annotations and Sentences and the list "
            f"{split}.txt of image ids, one a line."
        )
    rows, lost = [], []
    for image_id in _text(listing).split():
        size, boxes, nowhere = _annotations(folder / "Annotations" / f"{image_id}.xml")
        sentences = _text(folder / "Sentences" / f"{image_id}.txt")
        for number, sentence in enumerate(filter(str.strip, sentences.split("\n"))):
            for place, (entity, types, phrase) in enumerate(_PHRASE.findall(sentence)):
                if entity not in boxes:
                    lost.append(
                        "phrases of nothing visible" if entity == "0" else
                        "phrases of the whole scene or of nothing that has a box" if entity in nowhere else
                        "phrases whose entity the annotations do not hold"
                    )  # fmt: skip
                    continue
                rows.append(
                    BenchmarkRow(
                        id=f"{image_id}/{number}/{place}",
                        image=f"{image_id}.jpg",
                        text=phrase,
                        boxes=tuple(boxes[entity]),
                        image_size=size,
                        group=types.strip("/").split("/")[0] or None,
                    )
                )
    warnings = [*left_out(lost), size_warning("flickr30k", split, len(rows), "phrases with a box")]
    return Benchmark("flickr30k", split, "grounding", rows, [folder], warnings)


def _text(path: Path) -> str:
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}): get it again.") from error
    except (OSError, ValueError) as error:  # a name that no file can have
        reason = getattr(error, "strerror", error)
        raise ValueError(f"{path} cannot be read ({reason}), and the list of images names it.") from error


def _annotations(path: Path) -> tuple[ImageSize, dict[str, list[Box]], set[str]]:
    text = _text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError(f"{path} declares entities of its own, which annotations never do: it is refused.")
    try:
        root = ElementTree.fromstring(text)
        size = (int(root.findtext("size/width")), int(root.findtext("size/height")))
        boxes: dict[str, list[Box]] = {}
        nowhere: set[str] = set()
        for thing in root.iter("object"):
            names = [name.text for name in thing.findall("name")]
            corners = thing.find("bndbox")
            if corners is None:
                nowhere.update(names)
                continue
            x0, y0, x1, y1 = (float(corners.findtext(edge)) for edge in ("xmin", "ymin", "xmax", "ymax"))
            box = Box.clipped(*Pixels().corners((x0 - 1, y0 - 1, x1, y1), size))
            for name in names:
                if box is None:
                    nowhere.add(name)
                else:
                    boxes.setdefault(name, []).append(box)
    except (ElementTree.ParseError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not an annotation of Flickr30k Entities ({error}).") from error
    return size, boxes, nowhere - boxes.keys()
