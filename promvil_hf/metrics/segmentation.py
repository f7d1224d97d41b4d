# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Mask IoU for boolean arrays and for run-length masks as `promvil_hf.masks` makes them. Two empty masks have IoU 0.

Floor 1: numpy, pycocotools.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco

from promvil_hf.key_expressions import Rle


@dataclass(frozen=True, slots=True)
class SegmentationScore:
    """Mean IoU weighs images alike; overall IoU (all intersections over all unions) weighs large masks more."""

    mean_iou: float
    overall_iou: float
    accuracy_at: dict[float, float]
    rows: int
    empty_predictions: int


def mask_overlap(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels in both and in either of two boolean masks, (…, H, W) with broadcasting leading axes: (…), (…)."""
    a, b = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-2:] != b.shape[-2:]:
        raise ValueError(
            f"You passed masks of shapes {a.shape} and {b.shape}: both are (…, height, width) of the same size. Bring "
            "them to the original image's size first."
        )
    return (a & b).sum((-2, -1)), (a | b).sum((-2, -1))


def mask_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of boolean masks, (…, H, W) with broadcasting leading axes -> (…)."""
    inside, union = mask_overlap(a, b)
    return inside / np.maximum(union, 1)


def rle_iou_matrix(a: Sequence[Rle | Mapping], b: Sequence[Rle | Mapping]) -> np.ndarray:
    """IoU of every run-length mask of `a` with every one of `b`: (n, m). `Rle` or COCO's dicts, compressed or not."""
    if not len(a) or not len(b):
        return np.zeros((len(a), len(b)))
    a, b = [_record(mask) for mask in a], [_record(mask) for mask in b]
    sizes = {tuple(mask["size"]) for mask in a + b}
    if len(sizes) > 1:
        raise ValueError(f"You passed masks of sizes {sorted(sizes)}: masks to compare are of one image, of one size.")
    return np.asarray(coco.iou(a, b, [0] * len(b)))


def segmentation_score(
    predictions: Sequence[np.ndarray], gold: Sequence[np.ndarray], thresholds: Sequence[float] = (0.5,)
) -> SegmentationScore:
    """Scores over pairs of masks, each pair of its own size. A hit is IoU >= threshold."""
    if len(predictions) != len(gold):
        raise ValueError(f"You passed {len(predictions)} predicted, {len(gold)} gold masks: match them by id first.")
    pairs = [mask_overlap(predicted, wanted) for predicted, wanted in zip(predictions, gold, strict=True)]
    inside, union = np.array(pairs, dtype=float).reshape(-1, 2).T
    iou = inside / np.maximum(union, 1)
    rows = len(iou)
    return SegmentationScore(
        mean_iou=float(iou.mean()) if rows else np.nan,
        overall_iou=float(inside.sum() / max(union.sum(), 1)) if rows else np.nan,
        accuracy_at={float(t): float(np.mean(iou >= t)) if rows else np.nan for t in thresholds},
        rows=rows,
        empty_predictions=sum(not np.any(predicted) for predicted in predictions),
    )


def _record(mask: Rle | Mapping) -> dict:
    if isinstance(mask, Rle):
        return {"size": list(mask.size), "counts": mask.counts.encode("ascii")}
    if isinstance(mask["counts"], (str, bytes)):
        return dict(mask)
    height, width = mask["size"]
    return coco.frPyObjects({"size": [height, width], "counts": list(mask["counts"])}, height, width)
