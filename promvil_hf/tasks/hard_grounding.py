# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Hard grounding sets for harnesses: Ref-Adv, Ref-L4, FineCops-Ref and gRefCOCO, with things that are absent or many.

Only Ref-Adv-s is published with its pictures. For the others `promvil_hf.tasks.copies` writes a copy from your files, in the
form that `copied_documents` takes. Answers are scored by the functions that `promvil evaluate` uses.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from promvil_hf.boxes import Box
from promvil_hf.evaluation.box_scores import MEAN_THRESHOLDS, BoxRules
from promvil_hf.frames import Pixels
from promvil_hf.metrics.answers import OUTCOMES, Answers, read_boxes, read_texts
from promvil_hf.metrics.grounding import answer_iou
from promvil_hf.metrics.none_or_many import none_or_many, rejection
from promvil_hf.tasks.aggregates import aggregates
from promvil_hf.tasks.grounding import COLUMNS, flattened, picture, prompt, target
from promvil_hf.tasks.speaking import spoken


__all__ = ["picture", "prompt", "target"]  # what YAML files call as well

COPIED = (*COLUMNS, "absent", "wanted")


def refadv_documents(dataset):
    """Ref-Adv-s as it lies on the Hub: one row an expression, the box in pixels, the picture embedded."""
    needed = ("image", "normal_caption", "solution", "width", "height")
    if missing := [name for name in needed if name not in dataset.column_names]:
        raise ValueError(f"This copy of Ref-Adv-s has no column {', '.join(missing)}: it has {', '.join(dataset.column_names)}.")
    place = iter(range(len(dataset)))

    def documents(record: Mapping[str, Any]) -> Iterator[tuple]:
        size = (record["width"], record["height"])
        number, box = next(place), Box.clipped(*Pixels().corners(record["solution"], size))
        if box is not None:
            name = str(record.get("row_idx", number))
            yield name, record["image"], record["normal_caption"], None, [list(box.xyxy)], [], list(size)

    return flattened(dataset, documents)


def copied_documents(dataset):
    """A copy that `promvil_hf.tasks.copies` wrote: its rows are the documents."""
    if missing := [name for name in COPIED if name not in dataset.column_names]:
        raise ValueError(
            f"This data set has no column {', '.join(missing)}: write the copy with `python -m promvil_hf.tasks.copies` and "
            "point the task's dataset_path at its folder."
        )
    return dataset


def judge(document: Mapping[str, Any], answer: str) -> dict[str, Any]:
    """What an answer is worth, with all that the aggregates below need."""
    size = document["image_size"]
    read = read_texts([answer], spoken(), [None if size is None else (int(size[0]), int(size[1]))])
    return {
        "id": document["id"], "gold": document["boxes"], "absent": bool(document.get("absent", False)),
        "said": read.xyxy.tolist(), "problems": sorted(read.problems),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class HardScore:
    """Accuracy is over the rows whose thing is there, `refused` over the others; gRefCOCO has the last three."""

    accuracy: float
    accuracy_75: float
    accuracy_90: float
    mean_accuracy: float
    mean_iou: float
    parse_rate: float
    refused: float
    unreadable: float  # of the rows whose thing is absent: no refusal
    false_refusals: float
    perfect: float
    n_acc: float
    t_acc: float


def process_results(document: Mapping[str, Any], results: Sequence[str]) -> dict[str, dict]:
    """For every metric that a task of these may have."""
    found = judge(document, results[0] if results else "")
    return {f"promvil_{name}": found for name in AGGREGATES} | {f"promvil_above_{name}": found for name in ABOVE}


def score(results: Sequence[Mapping[str, Any]], iou_rule: str = "at_least") -> HardScore:
    row = np.repeat(np.arange(len(results)), [len(result["said"]) for result in results])
    boxes = np.array([box for result in results for box in result["said"]], float).reshape(-1, 4)
    problems: dict[str, list[int]] = {}
    for place, result in enumerate(results):
        for reason in result["problems"]:
            problems.setdefault(reason, []).append(place)
    said = Answers(len(results), row, boxes, {reason: np.array(where) for reason, where in problems.items()})
    gold = read_boxes([result["gold"] for result in results])
    absent = np.array([result["absent"] for result in results], bool)
    rules = BoxRules(iou_rule=iou_rule)
    iou = answer_iou(said.part(~absent), gold.part(~absent))
    found, refusals = none_or_many(said, gold), rejection(said, absent)

    def share(threshold: float) -> float:
        return float(np.mean(iou >= rules.least(threshold))) if len(iou) else np.nan

    return HardScore(
        accuracy=share(0.5),
        accuracy_75=share(0.75),
        accuracy_90=share(0.9),
        mean_accuracy=float(np.mean([share(threshold) for threshold in MEAN_THRESHOLDS])),
        mean_iou=float(iou.mean()) if len(iou) else np.nan,
        parse_rate=float(np.mean(said.outcomes == OUTCOMES.index("box"))),
        refused=refusals.refused,
        unreadable=refusals.unreadable,
        false_refusals=refusals.falsely_refused,
        perfect=found.perfect,
        n_acc=found.n_acc,
        t_acc=found.t_acc,
    )


def score_above(results: Sequence[Mapping[str, Any]]) -> HardScore:
    """As Ref-L4 counts: an IoU of the threshold itself is no hit."""
    return score(results, "above")


AGGREGATES = (
    "accuracy", "accuracy_75", "accuracy_90", "mean_accuracy", "mean_iou", "parse_rate", "refused", "unreadable",
    "false_refusals", "perfect", "n_acc", "t_acc",
)  # fmt: skip
ABOVE = ("accuracy", "accuracy_75", "accuracy_90", "mean_accuracy")
# the names that YAML files call
(
    accuracy, accuracy_75, accuracy_90, mean_accuracy, mean_iou, parse_rate, refused, unreadable, false_refusals, perfect, n_acc,
    t_acc,
) = aggregates(score, AGGREGATES)  # fmt: skip
above_accuracy, above_accuracy_75, above_accuracy_90, above_mean_accuracy = aggregates(score_above, ABOVE)
