# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Are the chances of composed grounding true? Log-loss and a reliability curve, "none of these" included.

The expressions are those of `tests/reference/relation_truth.py`, the boxes a detector's (FastestDet by default). What is right is
the candidate whose IoU with the target is at least 0.5, or none of these. Settings are fitted on training photographs that the
detector has not seen, those of COCO's val2017: the weight of relations and the fit of none, which the defaults are rounded from,
and these two with the slope and offset of the detector's scores. The curves are of the validation photographs: with settings that
were reasoned, with the defaults, and with all four fitted.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.optimize import minimize

from benchmarks.relations_photographs import box_of
from promvil_hf.backends.detector_loading import load_detector
from promvil_hf.backends.detectors import Detector, Found
from promvil_hf.boxes import iou
from promvil_hf.grounding import ComposerSettings
from promvil_hf.grounding.composing import Seen, compose
from promvil_hf.grounding.reading import Reading, readings
from promvil_hf.images import read_image
from promvil_hf.metrics.intervals import bootstrap_interval
from promvil_hf.nesting import decompose
from tests.reference.relation_truth import photos, truths


REASONED = ComposerSettings(relation_weight=1.0, none_fit=0.2)
LOGS = {"none_fit"}  # fitted as logarithms, and at most 1
ANY_DETECTOR = ("relation_weight", "none_fit")
ONE_DETECTOR = ("score_slope", "score_offset", *ANY_DETECTOR)
BINS = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])


@dataclass(frozen=True)
class Case:
    """An expression in parts, what the detector found for them, and which candidates are right."""

    photo: str
    picture: Image.Image
    parts: tuple[Reading, ...]
    found: list[Found]
    top: int
    right: np.ndarray


def cases(data: Path, split: str, detector: Detector, only_unseen: bool) -> list[Case]:
    record = json.loads((data / "coco_photos" / f"instances_{split}.json").read_text(encoding="utf-8"))
    unseen = {row["file_name"] for row in record["images"] if row["coco_split"] == "val2017" or not only_unseen}
    made = []
    for photo in photos(data / "coco_photos", split):
        rows = truths(photo) if photo.file_name in unseen else []
        if not rows:
            continue
        picture = read_image(data / "coco_photos" / "images" / photo.file_name)
        for truth in rows:
            nesting = decompose(truth.expression)
            parts = readings(nesting)
            found = detector([(picture, part.noun) for part in parts])
            target, top = box_of(photo, photo.things[truth.target]), len(nesting.phrases) - 1
            right = np.array([iou(detection.box, target) >= 0.5 for detection in found[top].detections], bool)
            made.append(Case(photo.file_name, picture, parts, found, top, right))
    return made


def chances(found: Sequence[Case], settings: ComposerSettings) -> list[tuple[np.ndarray, float]]:
    """For each case the chances of the candidates, and of none of these."""
    made = [compose(case.parts, case.found, Seen(case.picture, settings))[case.top] for case in found]
    return [(composed.weights, composed.none) for composed in made]


def losses(found: Sequence[Case], predicted: Sequence[tuple[np.ndarray, float]]) -> np.ndarray:
    shares = [weights[case.right].sum() if case.right.any() else none for case, (weights, none) in zip(found, predicted)]
    return -np.log(np.maximum(shares, 1e-6))


def fitted(found: Sequence[Case], names: Sequence[str]) -> ComposerSettings:
    """The settings of these names that make what is right likeliest; the others are the reasoned ones."""

    def settings(values: np.ndarray) -> ComposerSettings:
        numbers = {name: float(np.exp(min(value, 0.0)) if name in LOGS else value) for name, value in zip(names, values)}
        return replace(REASONED, **numbers)

    def loss(values: np.ndarray) -> float:
        return float(losses(found, chances(found, settings(values))).mean())

    start = [np.log(getattr(REASONED, name)) if name in LOGS else getattr(REASONED, name) for name in names]
    limits = {"maxfev": 120, "xatol": 0.02, "fatol": 1e-4}
    return settings(minimize(loss, start, method="Nelder-Mead", options=limits).x)


def curve(found: Sequence[Case], predicted: Sequence[tuple[np.ndarray, float]]) -> list[tuple[float, float, int]]:
    """(mean chance, share that is right, how many) of every candidate and every none, in bins of their chance."""
    chance = np.concatenate([np.append(weights, none) for weights, none in predicted])
    right = np.concatenate([np.append(case.right, not case.right.any()) for case in found])
    places = np.clip(np.digitize(chance, BINS) - 1, 0, len(BINS) - 2)
    kept = [places == k for k in range(len(BINS) - 1)]
    return [(float(chance[in_bin].mean()), float(right[in_bin].mean()), int(in_bin.sum())) for in_bin in kept if in_bin.any()]


def report(name: str, found: Sequence[Case], settings: ComposerSettings) -> float:
    predicted = chances(found, settings)
    loss = losses(found, predicted)
    interval = bootstrap_interval(np.array([loss, np.ones(len(loss))]).T, clusters=[case.photo for case in found])
    rows = curve(found, predicted)
    count = sum(row[2] for row in rows)
    error = sum(abs(chance - right) * number for chance, right, number in rows) / count
    print(f"{name}: log-loss {interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}] of {len(found)} expressions, "
          f"calibration error {error:.3f}")  # fmt: skip
    for chance, right, number in rows:
        print(f"    said {chance:.2f}  right {right:.2f}  of {number}")
    return float(loss.mean())


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relations_calibration", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, help="folder that holds coco_photos and real_models")
    parser.add_argument("--detector", help="as in promvil ground (default: FastestDet of the data)")
    parser.add_argument("--threshold", type=float, default=0.3, help="least score of a box (default: 0.3)")
    options = parser.parse_args(arguments)
    name = options.detector or f"onnx:{options.data / 'real_models' / 'FastestDet.onnx'}"
    detector = load_detector(name, options.threshold)
    seen = cases(options.data, "train", detector, only_unseen=True)
    print(f"fitted on {len(seen)} expressions about {len({case.photo for case in seen})} training photographs:")
    for names in (ANY_DETECTOR, ONE_DETECTOR):
        made = fitted(seen, names)
        print("   ", {name: round(getattr(made, name), 2) for name in names}, flush=True)
    found = cases(options.data, "val", detector, only_unseen=False)
    blind = [replace(case, parts=tuple(replace(part, links=(), places=(), sizes=()) for part in case.parts)) for case in found]
    return {
        "reasoned": report("reasoned", found, REASONED),
        "defaults": report("defaults", found, ComposerSettings()),
        "fitted": report("fitted", found, made),
        "blind": report("fitted, blind to relations and choices", blind, made),
    }


if __name__ == "__main__":
    main()
