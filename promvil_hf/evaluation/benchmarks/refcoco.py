# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""RefCOCO, RefCOCO+ and RefCOCOg: the authors' refs pickle with instances.json, or Parquet as it lies on the Hub.

One row per expression, as published accuracies count; its id is the sentence's own.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks.benchmark_rows import Benchmark, BenchmarkRow, left_out
from promvil_hf.evaluation.benchmarks.known_sizes import mixed_warning, size_warning
from promvil_hf.files import Files, paths_of, read_pickle
from promvil_hf.frames import Pixels
from promvil_hf.images import UnreadableImage, image_size
from promvil_hf.json_records import Record, decoded, document, records, shown


NAMES = ("refcoco", "refcoco+", "refcocog")
_NO_BOX = "the box has no area inside the image"
_XYWH = Pixels(wh=True)


def read_refcoco(files: Files, split: str, name: str = "refcoco") -> Benchmark:
    """`files`: refs(unc).p and instances.json (or the folder that holds them), or the Parquet files of a split.

    Of Parquet, two layouts are known: one object a row with `raw_anns`, `raw_image_info` and `sentences`, and one
    with `answer` (the expressions), `bbox` (x, y, width, height) and `image`.
    """
    if name not in NAMES:
        raise ValueError(f"You passed name={name!r}: it is one of {', '.join(NAMES)}.")
    paths = paths_of(files)
    if len(paths) == 1 and paths[0].is_dir():
        paths = _in_folder(paths[0])
    parquet = [path for path in paths if path.suffix == ".parquet"]
    if parquet:
        objects, partition = _parquet_objects(parquet), ""
    else:
        refs, instances = _pair(paths)
        partition = refs.stem.partition("(")[2].rstrip(")")
        objects = _ref_objects(read_pickle(refs), document(instances), split, refs)
    rows, lost, count = [], [], 0
    for count, found in enumerate(objects, 1):  # noqa: B007
        box = Box.clipped(*found["corners"])
        if box is None:
            lost += [_NO_BOX] * len(found["sentences"])
            continue
        for sentence_id, text in found["sentences"]:
            rows.append(
                BenchmarkRow(
                    id=sentence_id, image=found["image"], text=text, boxes=(box,), image_size=found["image_size"]
                )
            )
    expected = {"refcocog": "umd"}.get(name, "unc")
    warnings = left_out(lost)
    if partition and partition != expected:
        warnings.append(f"The partition is {partition}; published {name} numbers are on {expected}'s.")
    else:
        mixed = mixed_warning(name, split, count)
        warnings.append(mixed or size_warning(name, split, len(rows) + len(lost), "expressions"))
    return Benchmark(name, split, "grounding", rows, paths, warnings)


def _in_folder(folder: Path) -> list[Path]:
    pickles, instances = sorted(folder.glob("refs(*).p")), folder / "instances.json"
    if len(pickles) > 1:
        raise ValueError(
            f"{folder} holds {', '.join(path.name for path in pickles)}: pass the one you mean, and instances.json."
        )
    if pickles and instances.exists():
        return [pickles[0], instances]
    parquet = sorted(folder.rglob("*.parquet"))
    if not parquet:
        raise ValueError(f"{folder} holds neither refs(...).p with instances.json nor Parquet files.")
    return parquet


def _pair(paths: list[Path]) -> tuple[Path, Path]:
    refs = [path for path in paths if path.suffix in (".p", ".pkl", ".pickle")]
    instances = [path for path in paths if path.suffix == ".json"]
    if len(refs) != 1 or len(instances) != 1:
        raise ValueError(
            f"You passed {', '.join(path.name for path in paths)}: pass one refs pickle and instances.json, or Parquet files."
        )
    return refs[0], instances[0]


def _ref_objects(refs: Any, instances: Record, split: str, path: Path) -> Iterator[dict]:
    if not isinstance(refs, list | tuple):
        raise ValueError(f"{path} holds {shown(refs)}: RefCOCO's references are a list.")
    listed = [Record.of(f"{path} item {number}", ref) for number, ref in enumerate(refs, 1)]
    splits = {ref.text("split") for ref in listed}
    if split not in splits:
        raise ValueError(f"{path} has no split {split!r}: it has {', '.join(sorted(splits))}.")
    images = {image.whole("id"): image for image in instances.records("images")}
    boxes = {annotation.whole("id"): annotation for annotation in instances.records("annotations")}
    for ref in listed:
        if ref.text("split") == split:
            image, annotation = images.get(ref.whole("image_id")), boxes.get(ref.whole("ann_id"))
            if image is None or annotation is None:
                raise ValueError(f"{ref.where} names an image or an annotation that {instances.where} does not have.")
            yield _annotated(image, annotation, ref.records("sentences"))


def _parquet_objects(paths: list[Path]) -> Iterator[dict]:
    for record in (record for path in paths for record in records(path)):
        if "raw_image_info" in record.fields:
            # The box is read from the annotation itself, whose frame is known to be COCO's; copies differ in their `bbox`.
            image, annotation = (_inner(record, name, record.get(name)) for name in ("raw_image_info", "raw_anns"))
            sentences = record.get("sentences")
            if not isinstance(sentences, list):
                raise record.wrong(("sentences",), sentences, "a list")
            yield _annotated(image, annotation, [_inner(record, "sentences", sentence) for sentence in sentences])
        elif {"answer", "bbox"} <= record.fields.keys():
            yield _with_answers(record)
        else:
            raise ValueError(
                f"{record.where} has the columns {', '.join(record.fields)}: known are layouts with `raw_anns`, "
                "`raw_image_info` and `sentences`, or with `answer`, `bbox` and `image`."
            )


def _annotated(image: Record, annotation: Record, sentences: Iterable[Record]) -> dict:
    """An object as COCO describes it."""
    size = (image.whole("width", least=1), image.whole("height", least=1))
    return {
        "image": image.text("file_name"),
        "image_size": size,
        "corners": _XYWH.corners(annotation.numbers("bbox", 4), size),
        "sentences": [(sentence.identifier("sent_id"), sentence.text("sent")) for sentence in sentences],
    }


def _with_answers(record: Record) -> dict:
    try:
        size = image_size(record.get("image", default=None))
    except UnreadableImage as error:
        raise ValueError(
            f"{record.where}: the column `image` holds no picture, and its size is needed to read boxes in pixels ({error})."
        ) from error
    question_id = record.identifier("question_id")
    sentences = record.texts("answer") if isinstance(record.get("answer"), list) else (record.text("answer"),)
    return {
        "image": record.text("file_name", default=f"{question_id}.jpg"),
        "image_size": size,
        "corners": _XYWH.corners(record.numbers("bbox", 4), size),
        "sentences": [(f"{question_id}_{place}", text) for place, text in enumerate(sentences)],
    }


def _inner(record: Record, name: str, value: Any) -> Record:
    """An object of a column, which some copies hold as JSON."""
    return Record.of(f"{record.where}, `{name}`", decoded(value) if isinstance(value, str) else value)
