# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Hard referring expressions, one box each: Ref-Adv, with distractors and negations, and Ref-L4, long and of 365 classes."""

import re
from collections.abc import Iterator
from pathlib import Path

from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks.benchmark_rows import Benchmark, BenchmarkRow, left_out
from promvil_hf.evaluation.benchmarks.known_sizes import size_warning
from promvil_hf.files import Files, paths_of, unfolded
from promvil_hf.frames import ImageSize, Pixels
from promvil_hf.json_records import Record, RecordError, decoded, document, first_name, records


NO_BOX = "the box has no area inside the image"
XYXY, XYWH = Pixels(), Pixels(wh=True)
_OF_COCO = ("info", "licenses", "images", "annotations", "categories", "type")

# Ref-L4 takes COCO's classes for the classes of Objects365 that mean the same; its table is in ref_l4/evaluation.py of its
# repository. COCO's id, then that of Objects365. COCO's 37 (sports ball) has no partner: Ref-L4 gives it one of its own.
_CLASSES = """
1 1 2 47 3 6 4 59 5 115 6 56 7 117 8 66 9 22 10 41 11 177 13 128 14 250 15 25 16 56 17 140 18 93 19 79 20 100 21 97 22 145
23 296 24 179 25 181 27 39 28 40 31 13 32 44 33 194 34 220 35 119 36 174 37 100000 38 155 39 138 40 114 41 146 42 147 43 205
44 9 46 36 47 11 48 89 49 85 50 94 51 26 52 113 53 83 54 266 55 104 56 142 57 153 58 235 59 144 60 151 61 98 62 3 63 51 64 26
65 76 67 98 70 154 72 37 73 74 74 116 75 133 76 107 77 62 78 164 79 135 80 278 81 82 82 134 84 19 85 95 86 31 87 170 88 70
89 328 90 227
""".split()
_OBJECTS365 = {f"refcoco_{coco}": f"o365_{objects365}" for coco, objects365 in zip(_CLASSES[::2], _CLASSES[1::2], strict=True)}


def read_refadv(files: Files, split: str | None = None) -> Benchmark:
    """Ref-Adv's rows: the data set (Parquet, its folder, or JSON), or the predictions of a model, which hold the truth as well.

    Boxes count pixels, and rows of predictions do not give the size of the picture: pass a COCO file whose `images` do, such
    as instances_val2017.json, beside them. A row's id is its `row_idx`, else its place in the file, from 0.
    """
    paths = unfolded(paths_of(files), "**/*.parquet")
    sizes, listed = {}, []
    for path in paths:
        if is_document(path):
            sizes |= image_sizes(document(path))
        else:
            listed.append(path)
    rows, lost = [], []
    for place, record in enumerate(record for path in listed for record in records(path)):
        image = record.text("file_name")
        size = _size(record) or sizes.get(image)
        if size is None:
            raise RecordError(
                f"{record.where} counts a box in pixels and does not tell the size of {image}: pass a COCO file whose "
                "`images` do, such as instances_val2017.json, beside this one."
            )
        name = "solution" if record.has("solution") else "gt_bbox_xyxy"
        box = Box.clipped(*XYXY.corners(record.numbers(name, 4), size))
        if box is None:
            lost.append(NO_BOX)
            continue
        row_id = record.identifier("row_idx", default=None)
        rows.append(
            BenchmarkRow(
                id=str(place) if row_id is None else row_id,
                image=image,
                text=record.text("normal_caption"),
                boxes=(box,),
                image_size=size,
                strata={
                    "distractors": _band(_distractors(record)),
                    "negation": _yes_no(record, "use_negation"),
                    "author": "person" if _yes_no(record, "human_authored") == "yes" else "model",
                },
            )
        )
    name = split or "s"
    warnings = [*left_out(lost), size_warning("refadv", name, len(rows) + len(lost), "expressions")]
    return Benchmark("refadv", name, "grounding", rows, paths, warnings)


def read_ref_l4(files: Files, split: str | None = None) -> Benchmark:
    """Ref-L4's Parquet or JSON files, or their folder. `split` is val, test or all, which is both (and the default).

    Its classes are strata; those of COCO are called by their partners in Objects365, as its own scores count them.
    """
    paths = unfolded(paths_of(files), "**/*.parquet")
    rows, lost = [], []
    for record in (record for path in paths for record in records(path)):
        row_split = record.text("split", default=None)
        if split not in (None, "all", row_split):
            continue
        size = (record.whole("width", least=1), record.whole("height", least=1))
        box = Box.clipped(*XYWH.corners(record.numbers("bbox", 4), size))
        if box is None:
            lost.append(NO_BOX)
            continue
        category = record.identifier("ori_category_id")
        rows.append(
            BenchmarkRow(
                id=record.identifier("id"),
                image=record.text("file_name"),
                text=record.text("caption"),
                boxes=(box,),
                image_size=size,
                strata={
                    "class": _OBJECTS365.get(category, category),
                    "pictures": "COCO" if category.startswith("refcoco") else "Objects365",
                    "reworded": _yes_no(record, "is_rewrite", default="no"),
                },
            )
        )
    name = split or "all"
    warnings = [*left_out(lost), size_warning("ref_l4", name, len(rows) + len(lost), "expressions")]
    return Benchmark("ref_l4", name, "grounding", rows, paths, warnings)


def image_sizes(found: Record) -> dict[str, ImageSize]:
    """The sizes that a COCO file gives, by file name."""
    return {
        image.text("file_name"): (image.whole("width", least=1), image.whole("height", least=1))
        for image in found.records("images")
    }


def captioned_images(found: Record) -> Iterator[tuple[Record, list[Record]]]:
    """The image entries of a file in COCO's form that has one for each expression, with the annotations of each."""
    annotations: dict[str, list[Record]] = {}
    for annotation in found.records("annotations"):
        annotations.setdefault(annotation.identifier("image_id"), []).append(annotation)
    for image in found.records("images"):
        yield image, annotations.get(image.identifier("id"), [])


def is_document(path: Path) -> bool:
    """Whether a file is one JSON object that begins as COCO's do, and not a list of rows or an object of rows by their ids."""
    return path.suffix == ".json" and first_name(path) in _OF_COCO


def _size(record: Record) -> ImageSize | None:
    if not record.has("width") or not record.has("height"):
        return None
    return record.whole("width", least=1), record.whole("height", least=1)


def _distractors(record: Record) -> int:
    """How many there are: a number, also as text, or a list of them."""
    found = record.get("distractor_count", "distractors", default=0)
    if isinstance(found, list):
        return len(found)
    if isinstance(found, str) and found.lstrip().startswith("["):
        return len(decoded(found))
    if isinstance(found, str) and re.fullmatch(r"\s*[0-9]{1,6}\s*", found):
        return int(found)
    return record.whole("distractor_count", "distractors", least=0, most=10**6, default=0)


def _band(count: int) -> str:
    """The parts that Ref-Adv's report has; every expression of it has two distractors at least."""
    return next((band for most, band in ((1, "0-1"), (3, "2-3"), (6, "4-6")) if count <= most), "7 and more")


def _yes_no(record: Record, name: str, default: str = "") -> str:
    value = record.get(name, default=default)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value in (0, 1):
        return "yes" if value else "no"
    if isinstance(value, str) and value.strip().lower() in ("yes", "true", "no", "false"):
        return "yes" if value.strip().lower() in ("yes", "true") else "no"
    raise record.wrong((name,), value, "true or false")
