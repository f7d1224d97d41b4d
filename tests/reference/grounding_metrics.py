# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Accuracy of grounding one sample at a time: PromViL's `metrics_calc.py` in its control flow, and careful plain Python."""

import re
from collections import Counter

import numpy as np
import torch


POLICIES = ("first", "mean", "any")
DELIMITER = "</delimiter_of_multi_objects/>"
ENTITY = re.compile(
    rf"(?:(<phrase>([^<]+)</phrase>))?<object>((?:<patch_index_\d+><patch_index_\d+>{DELIMITER})*"
    r"<patch_index_\d+><patch_index_\d+>)</object>"
)


def cell_box(side: int, first: int, last: int) -> list[float]:
    cell = 1.0 / side
    x0, y0, x1, y1 = first % side, first // side, last % side, last // side
    if x0 == x1 or y0 == y1:
        return [x0 * cell, y0 * cell, x1 * cell + cell, y1 * cell + cell]
    return [x0 * cell + cell / 2, y0 * cell + cell / 2, x1 * cell + cell / 2, y1 * cell + cell / 2]


def decode_one(text: str) -> list[list[float]]:
    found = []
    for _, phrase, inner in ENTITY.findall(text):
        for pair in inner.split(DELIMITER):
            first = re.search(r"<patch_index_(\d+)>", pair)
            last = re.search(r"<patch_index_(\d+)>", pair[1:])
            if first and last:
                found.append((phrase or None, int(first[1]), int(last[1])))
    return [np.array(cell_box(32, first, last)).tolist() for _, first, last in found]


def tensor_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    low, high = torch.max(a[:, None, :2], b[:, :2]), torch.min(a[:, None, 2:], b[:, 2:])
    size = (high - low).clamp(min=0)
    inside = size[:, :, 0] * size[:, :, 1]
    area_a, area_b = ((c[:, 2] - c[:, 0]) * (c[:, 3] - c[:, 1]) for c in (a, b))
    return inside / (area_a[:, None] + area_b - inside)


def reference_counts(texts, gold_xywh_px, sizes) -> dict[str, int]:
    hits = Counter()
    for text, target, (width, height) in zip(texts, gold_xywh_px, sizes, strict=True):
        wanted = torch.as_tensor([target[0], target[1], target[0] + target[2], target[1] + target[3]]).view(-1, 4)
        boxes = [[x0 * width, y0 * height, x1 * width, y1 * height] for x0, y0, x1, y1 in decode_one(text)]
        predicted = torch.as_tensor(boxes or [[0.0, 0.0, 0.0, 0.0]]).view(-1, 4)
        iou = tensor_iou(predicted, wanted)
        mean_iou = tensor_iou(predicted.mean(0).view(-1, 4), wanted)
        hits["first"] += bool(max(iou[0, :1]) >= 0.5)
        hits["mean"] += bool(max(mean_iou) >= 0.5)
        hits["any"] += bool(max(iou) >= 0.5)
    return {policy: hits[policy] for policy in POLICIES}


def scalar_iou(a, b) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    inside = width * height
    return inside / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inside)


def plain_python_counts(texts, gold) -> dict[str, int]:
    hits = Counter()
    pair = re.compile(r"<patch_index_(\d+)><patch_index_(\d+)>")
    for text, target in zip(texts, gold, strict=True):
        boxes = [cell_box(32, int(a), int(b)) for entity in ENTITY.finditer(text) for a, b in pair.findall(entity[3])]
        if boxes:
            iou = [scalar_iou(box, target) for box in boxes]
            mean = [sum(corner) / len(boxes) for corner in zip(*boxes, strict=True)]
            hits["first"] += iou[0] >= 0.5
            hits["mean"] += scalar_iou(mean, target) >= 0.5
            hits["any"] += max(iou) >= 0.5
    return {policy: hits[policy] for policy in POLICIES}
