# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Grounding tasks for harnesses: documents with one phrase each, its prompt, and a score that no list of boxes can inflate.

The first box of an answer counts, in the one frame its dialect declares. A harness that takes the best of all boxes in
whichever frame fits gives 0.92 to one constant answer that never saw an image. Floor 5.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks.promvil import steps_of
from promvil_hf.frames import Pixels
from promvil_hf.images import as_rgb, image_size
from promvil_hf.metrics.answers import Answers, read_boxes, read_texts
from promvil_hf.metrics.grounding import GroundingScore, grounding_score
from promvil_hf.phrases import GroundedPhrase
from promvil_hf.tasks.speaking import spoken


THRESHOLD = 0.5


def compovl_documents(dataset):
    """CompoVL's default view -> one document per step. Its images must be embedded (`image_root` of the builder)."""
    if "image" not in dataset.column_names:
        raise ValueError(
            "This copy of CompoVL refers to its photographs and does not hold them: build one with them (`promvil build "
            "compovl --help`), push it, and point the task's dataset_path at it."
        )

    def flatten(rows: Mapping[str, list]) -> dict[str, list]:
        flat: dict[str, list] = {
            name: [] for name in ("id", "image", "text", "level", "boxes", "evidence", "image_size")
        }
        for place in range(len(rows["steps"])):
            record = {name: column[place] for name, column in rows.items()}
            for step in steps_of(record):
                flat["id"].append(step["step_id"])
                flat["image"].append(record["image"])
                flat["image_size"].append([record["width"], record["height"]])
                for name in ("text", "level", "boxes", "evidence"):
                    flat[name].append(step[name])
        return flat

    return _flattened(dataset, flatten)


def refcoco_documents(dataset):
    """lmms-lab's RefCOCO copies hold one object a row with all its expressions; published accuracies count expressions."""

    def flatten(rows: Mapping[str, list]) -> dict[str, list]:
        flat: dict[str, list] = {
            name: [] for name in ("id", "image", "text", "level", "boxes", "evidence", "image_size")
        }
        for question_id, image, sentences, bbox in zip(
            rows["question_id"], rows["image"], rows["answer"], rows["bbox"], strict=True
        ):
            size = image_size(image)
            box = Box.clipped(*Pixels(wh=True).corners(bbox, size))
            for place, sentence in enumerate([sentences] if isinstance(sentences, str) else sentences):
                if box is None:
                    continue
                flat["id"].append(f"{question_id}_{place}")
                flat["image"].append(image)
                flat["text"].append(sentence)
                flat["level"].append(None)
                flat["boxes"].append([list(box.xyxy)])
                flat["evidence"].append([])
                flat["image_size"].append(list(size))
        return flat

    return _flattened(dataset, flatten)


def picture(document: Mapping[str, Any]) -> list[Image.Image]:
    return [as_rgb(document["image"])]


def prompt(document: Mapping[str, Any], lmms_eval_specific_kwargs: Mapping[str, Any] | None = None) -> str:
    """The question in the model's dialect. `evidence: gold` in the task's options tells the true boxes of earlier steps."""
    told = (lmms_eval_specific_kwargs or {}).get("evidence", "none") == "gold"
    evidence = [
        GroundedPhrase(known["text"], [Box(*corners) for corners in known["boxes"]])
        for known in (document["evidence"] or () if told else ())
    ]
    return spoken().prompt(
        document["text"], evidence, level=document["level"], image_size=_tuple(document["image_size"])
    )


def target(document: Mapping[str, Any]) -> str:
    """The answer in words, as harnesses show it beside the model's."""
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
    said = Answers(len(results), np.repeat(np.arange(len(results)), counts), np.array(boxes, float).reshape(-1, 4), {})
    return grounding_score(said, read_boxes([result["gold"] for result in results]), thresholds=(THRESHOLD,))


AGGREGATES: dict[str, Callable[[GroundingScore], float]] = {
    "accuracy": lambda found: found.accuracy,
    "mean_iou": lambda found: found.mean_iou,
    "parse_rate": lambda found: found.parse_rate,
    "boxes_per_answer": lambda found: found.boxes_per_answer,
    "box_precision": lambda found: found.box_precision,
}


def accuracy(results):
    return AGGREGATES["accuracy"](score(results))


def mean_iou(results):
    return AGGREGATES["mean_iou"](score(results))


def parse_rate(results):
    return AGGREGATES["parse_rate"](score(results))


def boxes_per_answer(results):
    return AGGREGATES["boxes_per_answer"](score(results))


def box_precision(results):
    return AGGREGATES["box_precision"](score(results))


def _flattened(dataset, flatten):
    import datasets

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
