# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the benchmark of made masks says of a mask follows from how it and the thing lie to each other."""

import json

import numpy as np
import pytest

from benchmarks.photograph_masks import _inside, judged, photos, written
from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.fivl.given_masks import given
from promvil_hf.fivl.mask_making import ImagePhrases, Located
from promvil_hf.jobs import Rejected
from tests.unit.backends.pushed_through import ramp


SIZE = (40, 20)


@pytest.fixture
def data(tmp_path):
    """One photograph with a cup on its left half, and a class of which one thing has no polygon."""
    folder = tmp_path / "coco_photos"
    (folder / "images").mkdir(parents=True)
    ramp(*SIZE).save(folder / "images" / "1.png")
    cup = {"image_id": 1, "category_id": 7, "iscrowd": 0, "segmentation": [[0, 0, 20, 0, 20, 20, 0, 20]]}
    categories = [{"id": number, "name": name} for number, name in ((7, "cup"), (8, "dog"), (9, "cat"))]
    image = {"id": 1, "width": SIZE[0], "height": SIZE[1], "file_name": "1.png"}
    content = {"images": [image], "categories": categories, "annotations": [cup, {**cup, "category_id": 8, "segmentation": []}]}
    (folder / "instances_val.json").write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize(
    ("mask", "kind", "iou", "on_thing", "found"),
    [
        ((0, 0, 20, 20), "good", 1.0, 1.0, 1.0),
        ((0, 0, 5, 20), "too small", 0.25, 1.0, 0.25),
        ((10, 0, 40, 20), "too large", 0.25, 1 / 3, 0.5),
        ((12, 0, 40, 20), "partly", 0.2, 2 / 7, 0.4),
        ((19, 0, 40, 20), "elsewhere", 0.025, 1 / 21, 0.05),
    ],
)
def test_a_mask_is_judged_by_the_true_polygons(mask, kind, iou, on_thing, found, data):
    [photo] = photos(data, "val")
    assert {*photo.true} == {"cup"} and photo.absent == ("cat",)  # a class with a thing that has no polygon is left out
    x0, y0, x1, y1 = mask
    box = Box(x0 / SIZE[0], y0 / SIZE[1], x1 / SIZE[0], y1 / SIZE[1])
    answers = (Located((box,), (0.9,), masks.from_boxes([box], SIZE)), Rejected("nothing detected"))
    there, away = judged(photo, lambda items: [answers])
    assert (there.iou, there.on_thing, there.found) == pytest.approx((iou, on_thing, found))
    assert there.kind == kind and away.reason == "nothing detected" and not away.present


def test_of_a_box_the_pixels_of_its_commonest_class_are_taken():
    seen = np.zeros((20, 40), np.uint8)
    seen[:, :10], seen[:5, 10:20], seen[:, 30:] = 3, 5, 5
    left, empty = Box(0, 0, 0.5, 1), Box(0.5, 0, 0.75, 1)
    assert (_inside(seen, left, else_box=False) == (seen == 3)).all()
    assert not _inside(seen, empty, else_box=False).any()
    assert _inside(seen, empty, else_box=True).sum() == 200


def test_written_masks_are_read_again_as_given_ones(data, tmp_path):
    [photo] = photos(data, "val")
    box = Box(0, 0, 0.5, 1)
    answer = Located((box,), (0.9,), masks.from_boxes([box], SIZE))
    assert written([photo], lambda items: [(answer,)], tmp_path / "made.jsonl") == 1
    [[cup, cat]] = given(tmp_path / "made.jsonl")([ImagePhrases(photo.path, ("cup", "cat"))])
    assert (cup.boxes, cup.mask) == (answer.boxes, answer.mask) and cat.reason == "not given"
    assert written([photo], lambda items: [(Rejected("nothing detected"),)], tmp_path / "none.jsonl") == 0
