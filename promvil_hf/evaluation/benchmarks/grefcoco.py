# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""gRefCOCO: expressions of nothing, one thing or many things in the picture; of many, all are to be found."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks.benchmark_rows import Benchmark, BenchmarkRow, left_out
from promvil_hf.evaluation.benchmarks.expressions import NO_BOX, XYWH, captioned_images, is_document
from promvil_hf.files import Files, paths_of
from promvil_hf.frames import ImageSize
from promvil_hf.json_records import Record, RecordError, document, records


_NOTHING = -1  # how the files write that there is no target
_COUNTS = ("none", "one", "many")


def read_grefcoco(files: Files, split: str | None = None) -> Benchmark:
    """grefs(unc).json and instances.json (or the folder that holds them) with a split: train, val, testA or testB; or a file in
    COCO's form with one image entry a sentence, as its own scoring reads (finetune_grefcoco_val.json).

    A row's id is the sentence's (of COCO's form the image entry's), and `targets` in its `strata` is none, one or many.
    """
    paths = paths_of(files)
    if len(paths) == 1 and paths[0].is_dir():
        paths = _in_folder(paths[0])
    refs = [path for path in paths if not is_document(path)]
    coco = [path for path in paths if path not in refs]
    if len(refs) == 1 and len(coco) == 1:
        found, split = _of_refs(refs[0], document(coco[0]), split), split or ""
    elif len(coco) == 1 and not refs:
        found, split = _of_coco(document(coco[0])), split or coco[0].stem.rpartition("_")[2]
    else:
        raise ValueError(
            f"You passed {', '.join(path.name for path in paths)}: pass grefs(unc).json and instances.json, or one file in "
            "COCO's form with a caption for each image entry."
        )
    rows, lost = [], []
    for row_id, image, text, size, boxes in found:
        inside = tuple(box for corners in boxes if (box := Box.clipped(*XYWH.corners(corners, size))) is not None)
        if len(inside) < len(boxes):
            lost.append(NO_BOX)
            continue
        rows.append(
            BenchmarkRow(
                id=row_id,
                image=image,
                text=text,
                boxes=inside,
                image_size=size,
                absent=not inside,
                wanted="all" if inside else "one",
                strata={"targets": _COUNTS[min(len(inside), 2)]},
            )
        )
    return Benchmark("grefcoco", split, "grounding", rows, paths, left_out(lost))


_Found = tuple[str, str, str, ImageSize, Sequence[Sequence[float]]]  # id, picture, text, its size, boxes


def _of_refs(path: Path, instances: Record, split: str | None) -> Iterator[_Found]:
    listed = list(records(path))
    splits = sorted({ref.text("split") for ref in listed})
    if split not in splits:
        raise ValueError(
            f"You passed {'no split' if split is None else f'split={split!r}'} for {path}: it has {', '.join(splits)}."
        )
    images = {image.whole("id"): image for image in instances.records("images")}
    annotations = {annotation.whole("id"): annotation for annotation in instances.records("annotations")}
    for ref in listed:
        if ref.text("split") != split:
            continue
        image = images.get(ref.whole("image_id"))
        if image is None:
            raise RecordError(f"{ref.where} names an image that {instances.where} does not have.")
        boxes = []
        for name in _targets(ref, ref.get("ann_id")):
            if name not in annotations:
                raise RecordError(f"{ref.where} names the annotation {name}, which {instances.where} does not have.")
            boxes.append(annotations[name].numbers("bbox", 4))
        size = (image.whole("width", least=1), image.whole("height", least=1))
        for sentence in ref.records("sentences"):
            yield sentence.identifier("sent_id"), _picture(image), sentence.text("sent"), size, boxes


def _targets(ref: Record, value: Any) -> list[int]:
    """The annotations of a reference: a list, or one number; none is written as -1."""
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(name, int) and not isinstance(name, bool) for name in listed):
        raise ref.wrong(("ann_id",), value, "a whole number or a list of them, with [-1] for no target")
    return [] if listed == [_NOTHING] else list(dict.fromkeys(listed))


def _of_coco(found: Record) -> Iterator[_Found]:
    for image, annotations in captioned_images(found):
        if not annotations:
            raise RecordError(f"{image.where} has no annotation: one with `empty` stands for no target.")
        boxes = [thing.numbers("bbox", 4) for thing in annotations if not _is_empty(thing)]
        size = (image.whole("width", least=1), image.whole("height", least=1))
        yield image.identifier("id"), _picture(image), image.text("caption"), size, boxes


def _is_empty(annotation: Record) -> bool:
    return annotation.get("empty", default=False) is True or annotation.whole("category_id", default=0) == _NOTHING


def _picture(image: Record) -> str:
    """The name of the picture: some copies add the number of the annotation, COCO_train2014_000000000001_2.jpg."""
    name = PurePosixPath(image.text("file_name"))
    parts = name.stem.split("_")
    return f"{'_'.join(parts[:3])}{name.suffix}" if len(parts) == 4 and parts[0] == "COCO" else name.name


def _in_folder(folder: Path) -> list[Path]:
    refs = sorted(folder.glob("grefs(*).json"))
    if len(refs) != 1 or not (folder / "instances.json").exists():
        raise ValueError(f"{folder} holds no grefs(unc).json with instances.json.")
    return [refs[0], folder / "instances.json"]
