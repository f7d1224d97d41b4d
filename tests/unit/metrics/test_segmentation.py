# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import json

import numpy as np
import pytest
from pycocotools import mask as coco

from promvil_hf import masks
from promvil_hf.metrics.segmentation import mask_iou, rle_iou_matrix, segmentation_score


def test_array_iou_and_run_length_iou_and_pycocotools_agree_on_random_masks():
    rng = np.random.default_rng(0)
    for share in (0.0, 0.05, 0.5, 1.0):
        a, b = (rng.random((6, 17, 23)) < share for _ in range(2))
        encoded_a, encoded_b = ([masks.encode(mask) for mask in part] for part in (a, b))
        peer = coco.iou(
            *([coco.encode(np.asfortranarray(m, dtype=np.uint8)) for m in part] for part in (a, b)), [0] * 6
        )
        assert np.allclose(rle_iou_matrix(encoded_a, encoded_b), peer, atol=0)
        assert np.allclose(mask_iou(a[:, None], b[None]), peer, atol=1e-15)


def test_uncompressed_and_compressed_run_lengths_are_the_same_mask():
    mask = np.random.default_rng(1).random((9, 4)) < 0.4
    rle = masks.encode(mask)
    plain = {"size": [9, 4], "counts": masks.run_lengths(rle)}
    assert rle_iou_matrix([rle], [plain]).tolist() == [[1.0]]
    assert rle_iou_matrix([], [plain]).shape == (0, 1)


def test_run_lengths_of_another_project(shared_data):
    cases = json.loads((shared_data / "peer_vectors" / "supervision_test_mask_to_rle.json").read_text())
    good = [case for case in cases if case["exception"] is None]
    assert len(good) == 4 and len(cases) == 6
    for case in good:
        mask = np.array(case["mask"])
        plain = {"size": list(mask.shape), "counts": case["expected_rle"]}
        assert list(masks.run_lengths(masks.encode(mask))) == case["expected_rle"]
        assert rle_iou_matrix([plain], [masks.encode(mask)])[0, 0] == float(mask.any())
    for case in cases:
        if case["exception"]:
            with pytest.raises(ValueError, match="not empty"):
                masks.encode(np.array(case["mask"]))


def test_mean_and_overall_iou_weigh_masks_differently():
    small, large = np.zeros((4, 4), bool), np.zeros((100, 100), bool)
    small[:2], large[:50] = True, True
    score = segmentation_score(
        [~small, large, np.zeros((2, 2))], [small, large, np.ones((2, 2))], thresholds=(0.5, 0.9)
    )
    assert score.mean_iou == pytest.approx(1 / 3)
    assert score.overall_iou == 5_000 / (16 + 5_000 + 4)
    assert (score.rows, score.empty_predictions) == (3, 1)
    assert score.accuracy_at == {0.5: pytest.approx(1 / 3), 0.9: pytest.approx(1 / 3)}
    assert np.isnan(segmentation_score([], []).mean_iou)


def test_masks_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="Bring them to the original image's size first"):
        mask_iou(np.ones((3, 4)), np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"masks of sizes \[\(3, 4\), \(4, 3\)\]"):
        rle_iou_matrix([masks.encode(np.ones((3, 4)))], [masks.encode(np.ones((4, 3)))])
    with pytest.raises(ValueError, match="1 predicted, 0 gold masks: match them by id first"):
        segmentation_score([np.ones((2, 2))], [])
