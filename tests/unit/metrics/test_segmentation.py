# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import json

import numpy as np
import pytest
from pycocotools import mask as coco

from promvil_hf import masks
from promvil_hf.metrics.segmentation import mask_iou


def test_the_iou_of_random_masks_is_pycocotools():
    rng = np.random.default_rng(0)
    for share in (0.0, 0.05, 0.5, 1.0):
        a, b = (rng.random((6, 17, 23)) < share for _ in range(2))
        peer = coco.iou(
            *([coco.encode(np.asfortranarray(m, dtype=np.uint8)) for m in part] for part in (a, b)), [0] * 6
        )
        assert np.allclose(mask_iou(a[:, None], b[None]), peer, atol=1e-15)


def test_run_lengths_of_another_project(shared_data):
    cases = json.loads((shared_data / "peer_vectors" / "supervision_test_mask_to_rle.json").read_text())
    good = [case for case in cases if case["exception"] is None]
    assert len(good) == 4 and len(cases) == 6
    for case in good:
        assert list(masks.run_lengths(masks.encode(np.array(case["mask"])))) == case["expected_rle"]
    for case in cases:
        if case["exception"]:
            with pytest.raises(ValueError, match="not empty"):
                masks.encode(np.array(case["mask"]))


def test_masks_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="Bring them to the original image's size first"):
        mask_iou(np.ones((3, 4)), np.ones((4, 3)))
