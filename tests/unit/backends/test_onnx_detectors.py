# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Detectors with fixed classes: nouns become classes, shapes give the layout, boxes come back to the original picture."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from promvil_hf.backends.class_names import COCO, classes_of
from promvil_hf.backends.detector_loading import load_detector
from promvil_hf.backends.onnx_detectors import LAYOUTS, layout_of, load_onnx_detector, onnx_detector
from promvil_hf.boxes import Box, iou
from promvil_hf.images import read_image


REAL = Path(__file__).resolve().parents[4] / "shared" / "data"
VOC = ["aeroplane", "motorbike", "pottedplant", "sofa", "diningtable", "tvmonitor", "person", "bus", "dog"]


@pytest.mark.parametrize(
    "phrase, expected",
    [
        ("man", "person"), ("the young men", "person"), ("people", "person"), ("baseball player", "person"),
        ("snowboarder", "person"), ("cars", "car"), ("a red sofa", "couch"), ("hot dogs", "hot dog"), ("the dogs", "dog"),
        ("knives", "knife"), ("motorbike", "motorcycle"), ("planes", "airplane"), ("television", "tv"), ("Mugs", "cup"),
        ("computer mouse", "mouse"), ("cell phones", "cell phone"), ("stop-sign", ""), ("chimney", ""), ("car door", ""),
        ("dog house", ""), ("", ""), ("!", ""), ("glass", "wine glass|cup"), ("luggage", "suitcase"),
        ("vehicles", "bicycle|car|motorcycle|airplane|bus|train|truck|boat"),
    ],
)  # fmt: skip
def test_a_noun_becomes_its_classes_or_is_unknown(phrase, expected):
    assert "|".join(classes_of(phrase, COCO)) == expected


def test_every_class_is_itself_in_any_spelling_and_number():
    for names in (COCO, VOC):
        assert [classes_of(name, names) for name in names] == [(name,) for name in names]
    spelled = ("airplanes", "motorcycles", "potted plants", "couch", "dining table", "tv", "man", "buses", "puppy")
    assert [classes_of(name, VOC) for name in spelled] == [(name,) for name in VOC]
    assert classes_of("vehicle", VOC) == ("motorbike", "aeroplane", "bus")
    assert classes_of("boy", ["girl"]) == ()  # a person, and no class says so


SIZE = (64, 32)  # of the input, width and height
PICTURE = Image.new("RGB", (100, 100), (255, 128, 0))
TARGET = Box(0.25, 0.5, 0.75, 0.7)


def answering(layout, target, label, names, second=None):
    """A file's output: `target` in fractions of the input, its class, and the class of a worse copy of the box."""
    seen = []
    x, y = (target.x0 + target.x1) / 2, (target.y0 + target.y1) / 2
    scores = np.zeros(len(names))
    scores[label] = 0.9
    if layout == "fastestdet":
        output = np.zeros((1, 5 + len(names), 4, 8))
        column, row = int(x * 8), int(y * 4)
        for copy, score in ((0, 0.9), (1, 0.5)):
            cell = row, min(column + copy, 7)
            output[0, 1:3, *cell] = np.arctanh([x * 8 - cell[1], y * 4 - cell[0]] if not copy else [-0.2, y * 4 - row])
            output[0, 3:5, *cell] = [np.log(side / (1 - side)) for side in (target.width, target.height)]
            output[0, 0, *cell] = score
            output[0, 5 + (label if not copy or second is None else second), *cell] = 0.9
    elif layout == "yolov10":
        output = np.array([[[target.x0 * 64, target.y0 * 32, target.x1 * 64, target.y1 * 32, 0.81, label]]])
    else:
        centre = [x * 64, y * 32, target.width * 64, target.height * 32]
        worse = np.zeros(len(names))
        worse[label if second is None else second] = 0.5
        ahead = [0.9] if layout == "yolov5" else []
        output = np.array([[[*centre, *ahead, *scores], [centre[0] + 1, *centre[1:], *ahead, *worse]]])
        if layout == "yolov8":
            output = output.transpose(0, 2, 1)

    def run(pixels):
        seen.append(pixels)
        return output.astype(np.float32)

    return run, seen


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_gives_the_box_in_fractions_of_the_original(layout):
    letterbox = LAYOUTS[layout].letterbox
    inside = (
        Box(0.25 + TARGET.x0 / 2, TARGET.y0, 0.25 + TARGET.x1 / 2, TARGET.y1) if letterbox else TARGET
    )  # 32 of 64 columns
    run, seen = answering(layout, inside, 2, VOC)
    detect = onnx_detector(run, SIZE, VOC)
    plant, dog, chimney = detect([(PICTURE, "house plant"), (PICTURE, "dog"), (PICTURE, "chimney")])
    assert len(plant.detections) == 1  # the worse copy of the box is gone
    assert plant.detections[0].box.xyxy == pytest.approx(TARGET.xyxy, abs=1e-5)
    assert plant.asked == "pottedplant"
    assert (dog.detections, dog.known, dog.asked) == ((), True, "")
    assert (chimney.detections, chimney.known) == ((), False)
    assert len(seen) == 2  # the shape is asked for once, then the picture once for all nouns
    first, last = (0, 2) if LAYOUTS[layout].colours == "rgb" else (2, 0)
    assert seen[1][0, first, 16, 32] == 1.0
    assert seen[1][0, last, 16, 32] == 0.0
    assert seen[1].shape == (1, 3, 32, 64)
    assert (seen[1][0, first, 16, 2] < 0.5) == letterbox  # grey beside the picture, which FastestDet stretches


@pytest.mark.parametrize("layout", ["fastestdet", "yolov5", "yolov8"])
def test_boxes_of_another_class_are_never_suppressed(layout):
    run, _ = answering(layout, TARGET, 2, VOC, second=8)
    plant, dog = onnx_detector(run, SIZE, VOC, layout)([(PICTURE, "plant"), (PICTURE, "dog")])
    assert len(plant.detections) == len(dog.detections) == 1
    assert plant.detections[0].score > dog.detections[0].score


def test_a_picture_is_run_once_however_often_it_is_asked_about():
    run, seen = answering("yolov5", TARGET, 2, VOC)
    detect = onnx_detector(run, SIZE, VOC, "yolov5")
    pairs = [(PICTURE, "plant"), (PICTURE.copy(), "sofa"), (Image.new("RGB", (50, 50)), "plant")]
    together = detect(pairs)
    assert [detect([pair])[0] for pair in pairs] == together
    assert len(seen) == 2


@pytest.mark.parametrize(
    "shape, classes, sentence",
    [
        ((1, 100, 17), 80, "no known layout has"),
        ((1, 300), 80, "no known layout has"),
        ((1, 300, 6), 1, r"several layouts have \(yolov5, yolov10\)"),
    ],
)
def test_a_shape_that_leaves_the_layout_open_is_refused_with_the_way_out(shape, classes, sentence):
    with pytest.raises(ValueError, match=f"{sentence}.*load_onnx_detector"):
        layout_of(shape, classes)


def test_an_unknown_layout_and_a_missing_file_are_said(tmp_path):
    with pytest.raises(ValueError, match="You passed layout='yolo9'"):
        onnx_detector(lambda pixels: pixels, SIZE, VOC, "yolo9")
    with pytest.raises(ValueError, match="There is no file .*none.onnx"):
        load_detector(f"onnx:{tmp_path / 'none.onnx'}")


def test_a_damaged_file_is_said(tmp_path):
    pytest.importorskip("onnxruntime", reason="extra `onnx`")
    (tmp_path / "cut.onnx").write_bytes(b"no model")
    with pytest.raises(ValueError, match="cut.onnx cannot be read as ONNX"):
        load_detector(f"onnx:{tmp_path / 'cut.onnx'}")


@pytest.fixture(scope="module")
def fastestdet():
    pytest.importorskip("onnxruntime", reason="extra `onnx`")
    file = REAL / "real_models" / "FastestDet.onnx"
    if not file.exists():
        pytest.skip(f"needs {file}")
    return file


def test_fastestdet_finds_what_its_own_code_finds(fastestdet):
    """The published outputs at 0.3, within a pixel: ../shared/data/README.md, section 12."""
    detect = load_onnx_detector(fastestdet, threshold=0.3)
    photographs = json.loads((fastestdet.parent / "oracle_outputs.json").read_text())["fastestdet"]["photos"]
    for name, expected in photographs.items():
        picture = read_image(REAL / "coco_photos" / "images" / name)
        width, height = picture.size
        for noun in {row["class"] for row in expected}:
            (found,) = detect([(picture, noun)])
            rows_of_noun = [row for row in expected if row["class"] == noun]
            assert [each.score for each in found.detections] == pytest.approx([row["score"] for row in rows_of_noun], abs=0.01)
            for each, row in zip(found.detections, rows_of_noun, strict=True):
                clipped = np.clip(np.array(row["bbox_xyxy"]) / [width, height, width, height], 0, 1)
                assert each.box.xyxy == pytest.approx(clipped, abs=1 / min(width, height))


@pytest.mark.slow
def test_fastestdet_recalls_what_it_is_known_to_recall(fastestdet):
    """325 hits and 442 false boxes at 0.5 on the 128 val photographs. Here boxes are cut at the border before overlaps are
    compared, so that a few fewer remain."""
    detect = load_onnx_detector(fastestdet, threshold=0.5)
    instances = json.loads((REAL / "coco_photos" / "instances_val.json").read_text())
    names = {category["id"]: category["name"] for category in instances["categories"]}
    hits = false = 0
    for image in instances["images"]:
        picture = read_image(REAL / "coco_photos" / "images" / image["file_name"])
        width, height = picture.size
        gold: dict[str, list[Box]] = {}
        for annotation in instances["annotations"]:
            if annotation["image_id"] == image["id"] and not annotation["iscrowd"]:
                x, y, w, h = annotation["bbox"]
                box = Box.clipped(x / width, y / height, (x + w) / width, (y + h) / height)
                gold.setdefault(names[annotation["category_id"]], []).append(box)
        for name, found in zip(COCO, detect([(picture, name) for name in COCO]), strict=True):
            free = list(gold.get(name, ()))
            for each in found.detections:
                best = max(free, key=lambda box: iou(box, each.box), default=None)
                if best is not None and iou(best, each.box) >= 0.5:
                    hits += 1
                    free.remove(best)
                else:
                    false += 1
    assert abs(hits - 325) <= 5
    assert abs(false - 442) <= 15
