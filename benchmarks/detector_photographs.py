# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Composed grounding over a real detector on photographs: does it find the thing that is meant?

The expressions and their targets come from `tests/reference/relation_truth.py`, which shares no code with the grounder; the
boxes from a detector, by default FastestDet (0.24 million parameters). A box is right where its IoU with the target is at least
0.5. Beside the composed choice stand: the detector's best box of the head noun; the composed choice with the true boxes of the
evidence in place of the found ones; and whether any box of the head noun is right, which no choice can pass. Shares have 95 %
intervals over photographs. `--split train` is where settings may be chosen: this detector has seen those photographs.
"""

import argparse
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.relations_photographs import SPLITS, box_of
from promvil_hf.backends.class_names import classes_of
from promvil_hf.backends.detector_loading import load_detector
from promvil_hf.backends.detectors import Detection, Detector, Found, remembered
from promvil_hf.boxes import Box, iou
from promvil_hf.grounding import ComposedGrounder, ComposerSettings
from promvil_hf.images import read_image
from promvil_hf.metrics.intervals import bootstrap_interval
from tests.reference.relation_truth import Photo, Truth, photos, truths


HIT = 0.5


@dataclass(frozen=True)
class Judged:
    """Of one expression: what was right, and whether target and evidence were found at all."""

    photo: str
    composed: bool
    best: bool  # the detector's best box of the head noun
    given: bool  # composed, the evidence being the true boxes
    target_found: bool
    evidence_found: bool


def with_true_evidence(detector: Detector, photo: Photo, truth: Truth) -> Detector:
    """The detector, but for the nouns of the evidence it gives their true boxes."""
    true = defaultdict(list)
    for index in truth.evidence:
        thing = photo.things[index]
        true[thing.noun].append(Detection(box_of(photo, thing), 0.99))
    names = list(true)

    def detect(pairs):
        classes = [classes_of(noun, names) for _, noun in pairs]
        return [
            Found([detection for name in named for detection in true[name]]) if named else found
            for named, found in zip(classes, detector(list(pairs)), strict=True)
        ]

    return detect


def judged(detector: Detector, folder: Path, photo: Photo, settings: ComposerSettings) -> list[Judged]:
    rows = truths(photo)
    picture = read_image(folder / photo.file_name)
    traces = ComposedGrounder(detector, settings).ground_all(
        [(picture, row.expression) for row in rows], progress=False
    )
    found = []
    for truth, trace in zip(rows, traces, strict=True):
        target = photo.things[truth.target]
        things = [target, *(photo.things[index] for index in truth.evidence)]
        boxes = [
            [detection.box for detection in seen.detections] for seen in detector([(picture, thing.noun) for thing in things])
        ]
        hits = [
            any(is_right(box, box_of(photo, thing)) for box in found_boxes)
            for found_boxes, thing in zip(boxes, things, strict=True)
        ]
        true = box_of(photo, target)
        given = ComposedGrounder(with_true_evidence(detector, photo, truth), settings).ground(
            picture, truth.expression
        )
        found.append(
            Judged(
                photo.file_name,
                bool(trace.boxes) and is_right(trace.boxes[0], true),
                bool(boxes[0]) and is_right(boxes[0][0], true),
                bool(given.boxes) and is_right(given.boxes[0], true),
                hits[0],
                all(hits[1:]),
            )
        )
    return found


def is_right(box: Box, true: Box) -> bool:
    return iou(box, true) >= HIT


def mean_with_interval(columns: list[tuple[float, float]], names: list[str]) -> str:
    found = bootstrap_interval(np.array(columns, float), clusters=names)
    return f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}]"


def report(group: str, rows: list[Judged]) -> None:
    names = [row.photo for row in rows]
    shares = {
        "best box": [(row.best, 1) for row in rows],
        "composed": [(row.composed, 1) for row in rows],
        "gain": [(row.composed - row.best, 1) for row in rows],
        "true evidence": [(row.given, 1) for row in rows],
        "composed / true evidence": [(row.composed, row.given) for row in rows],
        "target found": [(row.target_found, 1) for row in rows],
    }
    print(f"{group}: {len(rows)} expressions, {len(set(names))} photographs")
    for name, columns in shares.items():
        print(f"    {name:<26}{mean_with_interval(columns, names)}", flush=True)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detector_photographs", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, help="folder that holds coco_photos and real_models")
    parser.add_argument("--split", nargs="+", choices=SPLITS, default=["val"])
    parser.add_argument("--detector", help="as in promvil ground (default: FastestDet of the data)")
    parser.add_argument("--threshold", type=float, help="least score of a box (default: the detector's own)")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=NUMBER", help="settings of the composer")
    options = parser.parse_args(arguments)
    changed = {name: float(value) for name, _, value in (setting.partition("=") for setting in options.set)}
    settings = replace(ComposerSettings(), **changed)
    name = options.detector or f"onnx:{options.data / 'real_models' / 'FastestDet.onnx'}"
    detector = remembered(load_detector(name, options.threshold))
    folder = options.data / "coco_photos"
    rows = [
        row
        for split in options.split
        for photo in photos(folder, split)
        for row in judged(detector, folder / "images", photo, settings)
    ]
    with_evidence = [row for row in rows if row.target_found and row.evidence_found]
    report("all", rows)
    report("target and evidence found", with_evidence)
    return {
        "composed": float(np.mean([row.composed for row in rows])),
        "best": float(np.mean([row.best for row in rows])),
    }


if __name__ == "__main__":
    main()
