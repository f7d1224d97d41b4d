# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FineCops-Ref: expressions on GQA's pictures in three levels, and negatives, whose thing is not in the picture.

Negatives are either another expression about the same picture or the same expression about an edited picture.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks.benchmark_rows import Benchmark, BenchmarkRow, left_out
from promvil_hf.evaluation.benchmarks.expressions import NO_BOX, XYWH, captioned_images, is_document
from promvil_hf.evaluation.benchmarks.known_sizes import size_warning
from promvil_hf.files import Files, paths_of, unfolded
from promvil_hf.frames import ImageSize
from promvil_hf.json_records import Record, RecordError, document, first_name, keyed, records


_PARTS = {"text": "negative text", "image": "negative image"}
POSITIVE = "positive"


def read_finecops(files: Files, split: str | None = None) -> Benchmark:
    """FineCops-Ref in COCO's form (test_expression_all_coco_format.json), or its own rows (test_expression_all.json) beside
    GQA's scene graphs (val_sceneGraphs.json), which hold the boxes that these rows name.

    A row's id is the expression's. Every row names its part (`strata`) and the positive that it is or was made of (`units`); a
    positive one has its level, a negative one its negative level.
    """
    paths = unfolded(paths_of(files), f"{split or 'test'}_expression_all_coco_format.json")
    coco = [path for path in paths if is_document(path)]
    graphs = [path for path in paths if path not in coco and path.suffix == ".json" and first_name(path) is not None]
    listed = [path for path in paths if path not in coco and path not in graphs]
    if not coco and not listed:
        raise ValueError(f"You passed {', '.join(path.name for path in paths)}: none of them holds rows of FineCops-Ref.")
    rows, lost = [], []
    for found in (*_of_coco(coco), *_of_graphs(listed, graphs)):
        if isinstance(found, BenchmarkRow):
            rows.append(found)
        else:
            lost.append(found)
    name = split or _split_of((*coco, *listed)[0])
    warnings = left_out(lost)
    for part, count in Counter(row.strata["part"] for row in rows).items():
        warnings.append(size_warning("finecops", f"{name} {part}", count + (len(lost) if part == POSITIVE else 0), "rows"))
    return Benchmark("finecops", name, "grounding", rows, paths, warnings)


def _of_coco(paths: list[Path]) -> Iterator[BenchmarkRow | str]:
    for path in paths:
        for image, annotations in captioned_images(document(path)):
            if len(annotations) != 1:
                raise RecordError(f"{image.where} has {len(annotations)} annotations: each expression has one.")
            [annotation] = annotations
            size = (image.whole("width", least=1), image.whole("height", least=1))
            yield _row(annotation, image.identifier("id"), image.text("file_name"), image.text("caption"), size,
                       lambda annotation=annotation, size=size: XYWH.corners(annotation.numbers("bbox", 4), size))  # fmt: skip


def _of_graphs(listed: list[Path], graphs: list[Path]) -> Iterator[BenchmarkRow | str]:
    found = [record for path in listed for record in records(path)]
    wanted = {record.identifier("image_id") for record in found if _part_of(record) == POSITIVE}
    known = {name: graph for path in graphs for name, graph in keyed(path) if name in wanted}
    for record in found:
        image, graph = record.identifier("image_id"), known.get(record.identifier("image_id"))
        size = None if graph is None else (graph.whole("width", least=1), graph.whole("height", least=1))
        yield _row(record, record.identifier("id"), f"{image}.jpg", record.text("expression"), size,
                   lambda record=record, graph=graph, size=size: _target(record, graph, size))  # fmt: skip


def _target(record: Record, graph: Record | None, size: ImageSize | None) -> tuple[float, ...]:
    """The box of the first object that a row names: the others are what its expression refers to."""
    if graph is None or size is None:
        raise RecordError(
            f"{record.where} names objects of GQA's scene graphs, and no file you passed has the graph of its picture "
            f"{record.identifier('image_id')}: pass val_sceneGraphs.json beside it, or the file in COCO's form "
            "(…_coco_format.json), which holds the boxes."
        )
    objects = record.get("objects_id")
    if not isinstance(objects, list) or not objects or not isinstance(objects[0], str | int) or isinstance(objects[0], bool):
        raise record.wrong(("objects_id",), objects, "a list of ids of objects")
    thing = graph.record("objects").record(str(objects[0]))
    return XYWH.corners(tuple(thing.number(name) for name in ("x", "y", "w", "h")), size)


def _row(
    record: Record, row_id: str, image: str, text: str, size: ImageSize | None, corners: Callable[[], tuple[float, ...]]
) -> BenchmarkRow | str:
    """A row, or why there is none. `corners` gives the true box of a positive one."""
    part = _part_of(record)
    names = ("level", "tuple_type") if part == POSITIVE else ("negative_type", "negative_level")
    strata = {"part": part} | {name.replace("_", " "): record.identifier(name) for name in names if record.has(name)}
    if part != POSITIVE:
        positive = record.identifier("positive_id")
        return BenchmarkRow(row_id, image, text, absent=True, image_size=size, strata=strata, units={"positive": positive})
    box = Box.clipped(*corners())
    if box is None:
        return NO_BOX
    return BenchmarkRow(row_id, image, text, (box,), image_size=size, strata=strata, units={"positive": row_id})


def _part_of(record: Record) -> str:
    if not record.has("negative_type") and not record.has("negative_cate"):
        return POSITIVE
    kind = record.text("negative_cate")
    if kind not in _PARTS:
        raise record.wrong(("negative_cate",), kind, " or ".join(_PARTS))
    return _PARTS[kind]


def _split_of(path: Path) -> str:
    return next((name for name in ("train", "val", "test") if path.stem.startswith(name)), path.stem)
