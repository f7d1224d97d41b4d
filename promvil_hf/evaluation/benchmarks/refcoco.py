# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""RefCOCO, RefCOCO+ and RefCOCOg: the authors' refs pickle with instances.json, or Parquet as it lies on the Hub.

One row per expression, as published accuracies count; its id is the sentence's own. Floor 2.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks.benchmark_rows import Benchmark, BenchmarkRow, left_out
from promvil_hf.evaluation.benchmarks.known_sizes import mixed_warning, size_warning
from promvil_hf.files import Files, paths_of, read_json, read_parquet, read_pickle
from promvil_hf.frames import ImageSize, Pixels


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
        objects = _ref_objects(read_pickle(refs), read_json(instances), split, refs)
    rows, lost, count = [], [], 0
    for count, found in enumerate(objects, 1):  # noqa: B007
        box = Box.clipped(*found["corners"])
        if box is None:
            lost += [_NO_BOX] * len(found["sentences"])
            continue
        for sentence_id, text in found["sentences"]:
            rows.append(
                BenchmarkRow(
                    id=str(sentence_id), image=found["image"], text=text, boxes=(box,), image_size=found["image_size"]
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


def _ref_objects(refs: Any, instances: Any, split: str, path: Path) -> Iterator[dict]:
    try:
        images = {image["id"]: image for image in instances["images"]}
        boxes = {annotation["id"]: annotation for annotation in instances["annotations"]}
        splits = {ref["split"] for ref in refs}
    except (TypeError, KeyError) as error:
        raise ValueError(
            f"{path} and its instances.json are not RefCOCO's: a list of references with `split`, and `images` and "
            f"`annotations` with `id` ({error!r} is missing)."
        ) from error
    if split not in splits:
        raise ValueError(f"{path} has no split {split!r}: it has {', '.join(sorted(splits))}.")
    for ref in refs:
        if ref["split"] != split:
            continue
        yield _annotated(images[ref["image_id"]], boxes[ref["ann_id"]], ref["sentences"])


def _parquet_objects(paths: list[Path]) -> Iterator[dict]:
    for record in read_parquet(paths):
        if "raw_image_info" in record:
            yield _with_raw_annotations(record)
        elif "answer" in record and "bbox" in record:
            yield _with_answers(record)
        else:
            raise ValueError(
                f"{paths[0]} has the columns {', '.join(record)}: known are layouts with `raw_anns`, `raw_image_info` and "
                "`sentences`, or with `answer`, `bbox` and `image`."
            )


def _with_raw_annotations(record: Mapping[str, Any]) -> dict:
    """The box is read from the annotation itself, whose frame is known to be COCO's; copies differ in their `bbox` column."""
    return _annotated(
        _parsed(record["raw_image_info"]), _parsed(record["raw_anns"]), map(_parsed, record["sentences"])
    )


def _annotated(image: Mapping, annotation: Mapping, sentences: Iterable[Mapping]) -> dict:
    """An object as COCO describes it."""
    size = (image["width"], image["height"])
    return {
        "image": image["file_name"],
        "image_size": size,
        "corners": _XYWH.corners(annotation["bbox"], size),
        "sentences": [(sentence["sent_id"], sentence["sent"]) for sentence in sentences],
    }


def _with_answers(record: Mapping[str, Any]) -> dict:
    size = _image_size(record["image"])
    sentences = record["answer"] if isinstance(record["answer"], list) else [record["answer"]]
    name = record.get("file_name") or f"{record['question_id']}.jpg"
    return {
        "image": name,
        "image_size": size,
        "corners": _XYWH.corners(record["bbox"], size),
        "sentences": [(f"{record['question_id']}_{place}", text) for place, text in enumerate(sentences)],
    }


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _image_size(image: Any) -> ImageSize:
    from promvil_hf.images import UnreadableImage, image_size

    try:
        return image_size(image)
    except UnreadableImage as error:
        raise ValueError(
            f"The column `image` holds no picture, and its size is needed to read boxes in pixels ({error})."
        ) from error
