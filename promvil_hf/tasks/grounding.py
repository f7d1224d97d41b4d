# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Grounding tasks for harnesses: documents with one phrase each, its prompt, and a score that no list of boxes can inflate.

The first box of an answer counts, in the one frame its dialect declares. A harness that takes the best of all boxes in
whichever frame fits gives 0.92 to one constant answer that never saw an image.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from promvil_hf.boxes import Box
from promvil_hf.compovl.compovl_rows import step_rows
from promvil_hf.frames import Pixels
from promvil_hf.images import as_rgb, image_size
from promvil_hf.metrics.answers import Answers, read_boxes, read_texts
from promvil_hf.metrics.grounding import GroundingScore, grounding_score
from promvil_hf.phrases import GroundedPhrase
from promvil_hf.tasks.aggregates import aggregates
from promvil_hf.tasks.speaking import spoken


THRESHOLD = 0.5
COLUMNS = ("id", "image", "text", "level", "boxes", "evidence", "image_size")


def compovl_documents(dataset):
    """CompoVL's default view -> one document per step. Its images must be embedded (`image_root` of the builder)."""
    if "image" not in dataset.column_names:
        raise ValueError(
            "This copy of CompoVL refers to its photographs and does not hold them: build one with them (`promvil build "
            "compovl --help`), push it, and point the task's dataset_path at it."
        )

    def documents(record: Mapping[str, Any]) -> Iterator[tuple]:
        size = [record["width"], record["height"]]
        for step in step_rows(record):
            values = [step[name] for name in ("text", "level", "boxes", "evidence")]
            yield step["step_id"], record["image"], *values, size

    return flattened(dataset, documents)


def refcoco_documents(dataset):
    """lmms-lab's RefCOCO copies hold one object a row with all its expressions; published accuracies count expressions."""

    def documents(record: Mapping[str, Any]) -> Iterator[tuple]:
        size = image_size(record["image"])
        box = Box.clipped(*Pixels(wh=True).corners(record["bbox"], size))
        sentences = [record["answer"]] if isinstance(record["answer"], str) else record["answer"]
        for place, sentence in enumerate(sentences if box is not None else ()):
            yield f"{record['question_id']}_{place}", record["image"], sentence, None, [list(box.xyxy)], [], list(size)

    return flattened(dataset, documents)


def picture(document: Mapping[str, Any]) -> list[Image.Image]:
    return [as_rgb(document["image"])]


def prompt(document: Mapping[str, Any], lmms_eval_specific_kwargs: Mapping[str, Any] | None = None) -> str:
    """The question in the model's dialect. `evidence: gold` in the task's options gives the true boxes of earlier steps."""
    with_evidence = (lmms_eval_specific_kwargs or {}).get("evidence", "none") == "gold"
    evidence = [
        GroundedPhrase(known["text"], [Box(*corners) for corners in known["boxes"]])
        for known in (document["evidence"] or () if with_evidence else ())
    ]
    return spoken().prompt(
        document["text"], evidence, level=document["level"], image_size=_tuple(document["image_size"])
    )


def target(document: Mapping[str, Any]) -> str:
    """The answer in words, as harnesses show it beside the model's."""
    if document.get("absent"):
        return "none"
    phrase = GroundedPhrase(document["text"], [Box(*corners) for corners in document["boxes"]])
    return spoken().target(phrase, image_size=_tuple(document["image_size"]))


def judge(document: Mapping[str, Any], answer: str) -> dict[str, Any]:
    """What an answer is worth, with all that the aggregates below need."""
    read = read_texts([answer], spoken(), [_tuple(document["image_size"])])
    return {
        "id": document["id"],
        "level": document["level"],
        "gold": document["boxes"],
        "said": read.xyxy.tolist(),
        "problems": sorted(read.problems),
    }


def process_results(document: Mapping[str, Any], results: Sequence[str]) -> dict[str, dict]:
    found = judge(document, results[0] if results else "")
    return {f"promvil_{name}": found for name in AGGREGATES}


def score(results: Sequence[Mapping[str, Any]]) -> GroundingScore:
    """The whole score of judged answers, by the metric the rest of this package uses."""
    counts = [len(result["said"]) for result in results]
    boxes = [box for result in results for box in result["said"]]
    problems: dict[str, list[int]] = {}
    for place, result in enumerate(results):
        for reason in result["problems"]:
            problems.setdefault(reason, []).append(place)
    row = np.repeat(np.arange(len(results)), counts)
    said = Answers(len(results), row, np.array(boxes, float).reshape(-1, 4), problems)
    return grounding_score(said, read_boxes([result["gold"] for result in results]), thresholds=(THRESHOLD,))


AGGREGATES = ("accuracy", "mean_iou", "parse_rate", "boxes_per_answer", "box_precision")
# the names that YAML files call
accuracy, mean_iou, parse_rate, boxes_per_answer, box_precision = aggregates(score, AGGREGATES)


def flattened(dataset, documents: Callable[[Mapping[str, Any]], Iterable[tuple]]):
    """The documents of all records, each a value for every column of COLUMNS."""
    import datasets

    def flatten(rows: Mapping[str, list]) -> dict[str, list]:
        records = (dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True))
        found = [document for record in records for document in documents(record)]
        return {name: [document[place] for document in found] for place, name in enumerate(COLUMNS)}

    numbers = datasets.List(datasets.List(datasets.Value("float64")))
    features = datasets.Features(
        {
            "id": datasets.Value("string"), "image": datasets.Image(), "text": datasets.Value("string"),
            "level": datasets.Value("int32"), "boxes": numbers,
            "evidence": datasets.List({"text": datasets.Value("string"), "boxes": numbers}),
            "image_size": datasets.List(datasets.Value("int32")),
        }
    )  # fmt: skip
    undecoded = dataset.cast_column("image", datasets.Image(decode=False))
    return undecoded.map(
        flatten, batched=True, batch_size=64, remove_columns=dataset.column_names, features=features,
        desc="one document per phrase",
    )  # fmt: skip


def _tuple(size: Sequence[int] | None) -> tuple[int, int] | None:
    return None if size is None else (int(size[0]), int(size[1]))
