# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Masks made as FiVL's are, by a detector and then a segmenter, on photographs whose true masks are known.

    python -m benchmarks.photograph_masks --data ../shared/data
    python -m benchmarks.photograph_masks --data ../shared/data --split train --write runs/made_masks.jsonl

The phrases are the classes that COCO's people marked in a photograph, and as many classes that are not there. The mask stage of
`promvil build fivl` looks for each: FastestDet finds boxes, and DeepLab says which pixels of a box belong to its commonest thing.
DeepLab knows 20 of the 80 classes, so three ways are compared: boxes alone; boxes with DeepLab's pixels; and these with the whole
box where DeepLab sees nothing in it. `--data` holds coco_photos and real_models (pip install onnxruntime ai-edge-litert).

A mask is judged against the union of the true polygons of its class. It is relevant if at least half of it lies on the thing, and
good if its IoU is at least 0.5. Shares have 95 % intervals over photographs.

The second command judges nothing. It writes the masks of the third way of the classes that are there, in the form of
`promvil build fivl --masks FILE`, which the study `photographs` reads, too.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from promvil_hf import masks
from promvil_hf.backends.detectors import by_content
from promvil_hf.backends.onnx_detectors import ONNX_THRESHOLD, load_onnx_detector
from promvil_hf.backends.segmenters import Segmenter
from promvil_hf.boxes import Box
from promvil_hf.files import write_text
from promvil_hf.fivl.mask_making import ImagePhrases, Located, MaskAnnotator, boxes, grounded_sam
from promvil_hf.json_records import document
from promvil_hf.key_expressions import Rle
from promvil_hf.metrics.intervals import bootstrap_interval


SIDE = 513  # of DeepLab's input and output
THIRD = "boxes, then DeepLab, else the box"
GOOD, RELEVANT, ELSEWHERE = 0.5, 0.5, 0.1
IN_DEEPLAB = {
    "airplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dining table", "dog", "horse",
    "motorcycle", "person", "potted plant", "sheep", "couch", "train", "tv",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph with the true mask of each class in it, and classes that are not there."""

    path: Path
    true: dict[str, Rle]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """One phrase. `iou`, `on_thing` and `found` are of the mask; 0 without one."""

    photo: str
    phrase: str
    present: bool
    reason: str  # why there is no mask; "" where there is one
    iou: float = 0.0
    on_thing: float = 0.0  # share of the mask that lies on the thing
    found: float = 0.0  # share of the thing that the mask covers

    @property
    def kind(self) -> str:
        """What is wrong with a mask of a thing that is there."""
        if self.reason:
            return "no mask"
        if self.iou >= GOOD:
            return "good"
        if self.iou < ELSEWHERE:
            return "elsewhere"
        if self.on_thing >= RELEVANT:
            return "too small"
        return "too large" if self.found >= RELEVANT else "partly"


def photos(data: Path, split: str, seed: int = 0) -> list[Photo]:
    """Photographs of a split with every class whose annotations all have polygons; classes with crowds are left out."""
    content = document(data / "coco_photos" / f"instances_{split}.json").whole_fields()
    names = {one["id"]: one["name"] for one in content["categories"]}
    found = []
    for image in content["images"]:
        size, here = (image["width"], image["height"]), {}
        for one in content["annotations"]:
            if one["image_id"] == image["id"]:
                here.setdefault(names[one["category_id"]], []).append(one)
        true = {
            name: masks.union([masks.from_polygons(one["segmentation"], size) for one in each])
            for name, each in here.items()
            if all(one["segmentation"] and not one["iscrowd"] for one in each)
        }
        if true:
            others = sorted({*names.values()} - {*here})
            absent = tuple(Random(f"{seed} {image['id']}").sample(others, len(true)))
            found.append(Photo(data / "coco_photos" / "images" / image["file_name"], true, absent))
    return found


def deeplab_classes(path: Path) -> Callable[[Image.Image], np.ndarray]:
    """DeepLab's class of each pixel of a picture, asked once for each picture."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ImportError(f"{path} needs ai-edge-litert, which is not installed: pip install ai-edge-litert.") from error

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    [shown], [answered] = interpreter.get_input_details(), interpreter.get_output_details()

    def classes(picture: Image.Image) -> np.ndarray:
        interpreter.set_tensor(shown["index"], np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC))[None])
        interpreter.invoke()
        seen = interpreter.get_tensor(answered["index"])[0].astype(np.uint8)
        return np.asarray(Image.fromarray(seen).resize(picture.size, Image.Resampling.NEAREST))

    return by_content(classes)


def by_classes(classes: Callable[[Image.Image], np.ndarray], else_box: bool) -> Segmenter:
    """Of each box the pixels of the commonest class in it; of a box without any, nothing, or all of it with `else_box`."""

    def segment(items: Sequence[tuple[Image.Image, Sequence[Box]]]) -> Iterator[list[np.ndarray]]:
        for picture, found in items:
            seen = classes(picture) if found else None
            yield [_inside(seen, box, else_box) for box in found]

    return segment


def _inside(seen: np.ndarray, box: Box, else_box: bool) -> np.ndarray:
    inside = masks.decode(masks.from_boxes([box], seen.shape[::-1])).astype(bool)
    counts = np.bincount(seen[inside], minlength=21)[1:]
    if not counts.any():
        return inside if else_box else np.zeros_like(inside)
    return inside & (seen == 1 + counts.argmax())


def judged(photo: Photo, annotator: MaskAnnotator) -> list[Judged]:
    phrases = (*photo.true, *photo.absent)
    [answers] = annotator([ImagePhrases(photo.path, phrases)])
    rows = []
    for phrase, answer in zip(phrases, answers, strict=True):
        present = phrase in photo.true
        if not isinstance(answer, Located):
            rows.append(Judged(photo.path.name, phrase, present, answer.reason))
        elif not present:
            rows.append(Judged(photo.path.name, phrase, False, ""))
        else:
            mask, true = (masks.decode(rle).astype(bool) for rle in (answer.mask, photo.true[phrase]))
            shared = (mask & true).sum()
            rows.append(
                Judged(photo.path.name, phrase, True, "", shared / (mask | true).sum(), shared / mask.sum(), shared / true.sum())
            )
    return rows


def written(shown: Sequence[Photo], annotator: MaskAnnotator, path: Path) -> int:
    """Write the masks of what is there, in the form of `promvil build fivl --masks FILE`; gives their number."""
    lines = []
    for photo in shown:
        [answers] = annotator([ImagePhrases(photo.path, tuple(photo.true))])
        lines += [
            {"image": photo.path.name, "text": phrase, "boxes": [box.xyxy for box in answer.boxes], "mask": answer.mask.to_dict()}
            for phrase, answer in zip(photo.true, answers, strict=True)
            if isinstance(answer, Located)
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))
    return len(lines)


def share(rows: list[Judged], value) -> str:
    """Mean of `value` over rows with its interval over photographs."""
    if not rows:
        return "-"
    found = bootstrap_interval(np.array([(value(row), 1) for row in rows], float), clusters=[row.photo for row in rows])
    return f"{found.estimate:.3f} ({found.low:.3f} to {found.high:.3f})"


def report(name: str, rows: list[Judged]) -> None:
    there = [row for row in rows if row.present]
    masked, away = [row for row in there if not row.reason], [row for row in rows if not row.present]
    print(f"\n{name}: {len(there)} phrases of {len({row.photo for row in there})} photographs, {len(masked)} masks")
    lines = {
        "phrases with a mask": share(there, lambda row: not row.reason),
        "IoU of a mask": share(masked, lambda row: row.iou),
        "masks that are relevant": share(masked, lambda row: row.on_thing >= RELEVANT),
        "masks that are good": share(masked, lambda row: row.iou >= GOOD),
        "phrases with a good mask": share(there, lambda row: row.iou >= GOOD),
        "absent things with a mask": share(away, lambda row: not row.reason),
    }
    for what, figure in lines.items():
        print(f"    {what:<28}{figure}")
    kinds, reasons = Counter(row.kind for row in there), Counter(row.reason for row in there if row.reason)
    print("    " + ", ".join(f"{kind} {count / len(there):.3f}" for kind, count in kinds.most_common()))
    print("    no mask: " + ", ".join(f"{reason} {count}" for reason, count in reasons.most_common()), flush=True)


def main(arguments: list[str] | None = None) -> dict[str, list[Judged]]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.photograph_masks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, help="folder that holds coco_photos and real_models")
    parser.add_argument("--split", choices=("train", "val"), default="val", help="train: the detector has seen most of it")
    parser.add_argument("--threshold", type=float, default=ONNX_THRESHOLD, help="least score of a box (default: %(default)s)")
    parser.add_argument("--photos", type=int, help="so many photographs only")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the masks of the third way and judge nothing")
    options = parser.parse_args(arguments)
    models = options.data / "real_models"
    detect = load_onnx_detector(models / "FastestDet.onnx", threshold=options.threshold)
    classes = deeplab_classes(models / "deeplabv3_mnv2_pascal_quant.tflite")
    ways = {
        "boxes": boxes(detect),
        "boxes, then DeepLab": grounded_sam(detect, by_classes(classes, else_box=False)),
        THIRD: grounded_sam(detect, by_classes(classes, else_box=True)),
    }
    shown, found = photos(options.data, options.split)[: options.photos], {}
    if options.write:
        count = written(shown, ways[THIRD], options.write)
        print(f"{count} masks of {sum(len(photo.true) for photo in shown)} phrases: {options.write}")
        return found
    for name, annotator in ways.items():
        found[name] = [row for photo in shown for row in judged(photo, annotator)]
        report(name, found[name])
        report(f"{name}, DeepLab's 20 classes", [row for row in found[name] if row.phrase in IN_DEEPLAB])
    return found


if __name__ == "__main__":
    main()
