# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Composed grounding with the true boxes of photographs as candidates: does it choose the thing that is meant?

The expressions and their targets come from `tests/reference/relation_truth.py`, which shares no code with the grounder. Every
box of a noun has the same score, so only positions, orders and relations can decide. Beside it stand the relation-blind
chooser (the largest box of the noun) and chance. Shares have 95 % intervals over photographs.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from promvil_hf.backends.detectors import Detection, Found
from promvil_hf.boxes import Box, iou
from promvil_hf.grounding import ComposedGrounder, ComposerSettings
from promvil_hf.inflection import lemma
from promvil_hf.masks import encode
from promvil_hf.metrics.intervals import bootstrap_interval
from tests.reference.relation_truth import Photo, Seen, Truth, photos, truths


SPLITS = ("train", "val")


def box_of(photo: Photo, thing: Seen) -> Box:
    return Box.clipped(thing.x0 / photo.width, thing.y0 / photo.height, thing.x1 / photo.width, thing.y1 / photo.height)


def true_boxes(photo: Photo, with_masks: bool = False):
    """A detector that finds every annotated thing of a noun, all with one score."""

    def detect(pairs):
        found = []
        for _, noun in pairs:
            things = [thing for thing in photo.things if lemma(thing.noun) == lemma(noun)]
            masks = [thing.pixels if with_masks else None for thing in things]
            shapes = [None if pixels is None else encode(pixels) for pixels in masks]
            boxes = [box_of(photo, thing) for thing in things]
            found.append(Found([Detection(box, 0.95, mask) for box, mask in zip(boxes, shapes)], known=bool(things)))
        return found

    return detect


def judged(photo: Photo, rows: list[Truth], with_masks: bool) -> list[tuple[bool, bool, float]]:
    """For each expression: whether the choice is right, whether the largest box is, and the chance of one."""
    blank = Image.new("RGB", (photo.width, photo.height))
    grounder = ComposedGrounder(true_boxes(photo, with_masks), ComposerSettings())
    found = []
    for truth, trace in zip(rows, grounder.ground_all([(blank, row.expression) for row in rows], progress=False)):
        target, rivals = box_of(photo, photo.things[truth.target]), photo.named(truth.noun)
        largest = max(rivals, key=lambda thing: thing.width * thing.height)
        right = bool(trace.boxes) and iou(trace.boxes[0], target) > 0.999
        found.append((right, largest.index == truth.target, 1 / len(rivals)))
    return found


def share(rows: list[tuple[str, float]]) -> str:
    """Of (photograph, right): the share, with its interval over photographs."""
    columns = np.array([[float(right), 1.0] for _, right in rows])
    found = bootstrap_interval(columns, clusters=[name for name, _ in rows])
    return f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}]"


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relations_photographs", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, help="folder that holds coco_photos")
    parser.add_argument("--split", nargs="+", choices=SPLITS, default=SPLITS)
    parser.add_argument("--masks", action="store_true", help="the candidates have masks too")
    parser.add_argument("--wrong", type=int, default=0, metavar="N", help="print so many expressions that went wrong")
    options = parser.parse_args(arguments)
    groups: dict[str, list] = defaultdict(list)
    wrong: list[str] = []
    for split in options.split:
        for photo in photos(options.data / "coco_photos", split):
            rows = truths(photo)
            for truth, result in zip(rows, judged(photo, rows, options.masks)):
                if not result[0]:
                    wrong.append(f"{photo.file_name} {truth.expression!r} ({truth.relation}, level {truth.level})")
                for group in ("all", f"level {truth.level}", f"{truth.relation}"):
                    groups[group].append((photo.file_name, *result))
    for group, rows in sorted(groups.items(), key=lambda group_rows: (group_rows[0] != "all", -len(group_rows[1]))):
        chosen, blind = ([(row[0], row[k]) for row in rows] for k in (1, 2))
        chance = np.mean([row[3] for row in rows])
        photographs = len({row[0] for row in rows})
        print(f"{group:<16} {len(rows):>5} expressions, {photographs:>3} photographs: composed {share(chosen)}  "
              f"largest box {share(blind)}  chance {chance:.3f}", flush=True)  # fmt: skip
    for line in wrong[: options.wrong]:
        print("wrong:", line)
    return {group: float(np.mean([row[1] for row in rows])) for group, rows in groups.items()}


if __name__ == "__main__":
    main()
