# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Several boxes for one phrase, scored as detectors are: average precision and F1, by pycocotools.

Each row is an image of its own with one class, because its boxes belong to its phrase alone. Boxes compete by their scores
over all rows. Models that write text give none: their boxes then count in the order in which they were written, the first
box of every row before the second of any, so that their average precision rests on that order and F1 does not.
"""

import contextlib
import io
from dataclasses import dataclass

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from promvil_hf.metrics.answers import Answers


THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
MOST_BOXES = 100  # of a row, as COCO counts


@dataclass(frozen=True, slots=True)
class DetectionScore:
    """Over all boxes of all rows: `ap` is the mean over IoU 0.5 to 0.95. The others are at IoU 0.5; NaN without true boxes."""

    ap: float
    ap50: float
    ap75: float
    precision: float
    recall: float
    f1: float
    boxes: int
    true_boxes: int


def detection_score(answers: Answers, gold: Answers, scores: np.ndarray | None = None) -> DetectionScore:
    """Average precision and F1 of boxes in any one frame. `scores` has one number for each box of `answers`."""
    if answers.rows != gold.rows:
        raise ValueError(f"You passed {answers.rows} answers and gold boxes of {gold.rows} rows: match them by id first.")
    if scores is None:
        scores = -_places(answers)
    scores = np.asarray(scores, float)
    if scores.shape != answers.row.shape or np.isnan(scores).any():
        raise ValueError(f"You passed {scores.shape} scores for {len(answers.row)} boxes: pass a number for each box.")
    truths, boxes = len(gold.row), len(answers.row)
    if not truths or not boxes:
        none = 0.0 if truths else np.nan
        return DetectionScore(none, none, none, none, none, none, boxes, truths)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints what it does
        judged = COCOeval(_dataset(gold, None), _dataset(answers, scores), "bbox")
        judged.params.iouThrs = np.array(THRESHOLDS)
        judged.params.maxDets = [MOST_BOXES]
        judged.params.areaRng, judged.params.areaRngLbl = [[0, 1e10]], ["all"]
        judged.evaluate()
        judged.accumulate()
    precision = judged.eval["precision"][:, :, 0, 0, 0]  # (thresholds, recalls)
    right = sum(int((one["dtMatches"][0] > 0).sum()) for one in judged.evalImgs if one is not None)
    return DetectionScore(
        ap=float(precision.mean()),
        ap50=float(precision[0].mean()),
        ap75=float(precision[THRESHOLDS.index(0.75)].mean()),
        precision=right / boxes,
        recall=right / truths,
        f1=2 * right / (boxes + truths),
        boxes=boxes,
        true_boxes=truths,
    )


def _dataset(boxes: Answers, scores: np.ndarray | None) -> COCO:
    made = COCO()
    sides = boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]
    xywh = np.concatenate([boxes.xyxy[:, :2], sides], 1)
    numbers = zip(boxes.row.tolist(), xywh.tolist(), np.prod(sides, axis=1).tolist(), strict=True)
    made.dataset = {
        "images": [{"id": row + 1} for row in range(boxes.rows)],
        "categories": [{"id": 1}],
        "annotations": [
            {"id": place + 1, "image_id": row + 1, "category_id": 1, "bbox": box, "area": area, "iscrowd": 0}
            | ({} if scores is None else {"score": scores.item(place)})
            for place, (row, box, area) in enumerate(numbers)
        ],
    }
    made.createIndex()
    return made


def _places(answers: Answers) -> np.ndarray:
    """The place of each box in its answer, from 0."""
    counts = answers.counts
    return np.arange(len(answers.row)) - np.repeat(np.cumsum(counts) - counts, counts)
