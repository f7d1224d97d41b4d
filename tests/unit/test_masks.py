# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import json
import math

import numpy as np
import pytest
from PIL import Image

from promvil_hf import Box, masks
from promvil_hf.key_expressions import Rle


def random_masks(count=50, seed=3):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        height, width = rng.integers(1, 60, 2)
        yield rng.random((height, width)) < rng.choice([0.0, 0.05, 0.5, 0.95, 1.0])


def test_pixels_survive_both_run_length_forms():
    for pixels in random_masks():
        mask = masks.encode(pixels)
        assert np.array_equal(masks.decode(mask), pixels)
        assert masks.from_run_lengths(masks.run_lengths(mask).tolist(), mask.size) == mask
        assert masks.area(mask) == pixels.sum()


def test_the_bounding_box_touches_the_mask_on_four_sides():
    for pixels in random_masks():
        box = masks.bounding_box(masks.encode(pixels))
        if box is None:
            assert not pixels.any()
            continue
        rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
        height, width = pixels.shape
        expected = (columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height)
        assert box.xyxy == pytest.approx(expected)


def test_boxes_become_the_pixels_whose_centres_they_hold():
    mask = masks.from_boxes([Box(0, 0, 0.5, 0.5), Box(0.75, 0.75, 1, 1)], (8, 4))
    assert masks.area(mask) == 4 * 2 + 2 * 1
    assert masks.decode(mask)[3, 6] and not masks.decode(mask)[0, 4]


def test_a_union_holds_every_pixel_once():
    some = [pixels for pixels in random_masks(200) if pixels.shape == (1, 1)] or [np.eye(5) > 0, np.ones((5, 5)) > 0]
    assert np.array_equal(masks.decode(masks.union(list(map(masks.encode, some)))), np.logical_or.reduce(some))


def test_what_cannot_be_a_mask_is_refused():
    with pytest.raises(ValueError, match="add up to 3 for a mask of 2x2"):
        masks.from_run_lengths([1, 2], (2, 2))
    with pytest.raises(ValueError, match="fewer than three points"):
        masks.from_polygons([[0, 0, 1, 1]], (4, 4))
    with pytest.raises(ValueError, match="at least one, all of one size"):
        masks.union([masks.encode(np.ones((2, 2))), masks.encode(np.ones((3, 2)))])
    with pytest.raises(ValueError, match=r"shape \(2, 2, 3\)"):
        masks.encode(np.ones((2, 2, 3)))


def test_published_panoptic_segments_keep_areas_and_boxes(shared_data):
    record = json.loads((shared_data / "coco" / "coco_panoptic_annotations.json").read_text())
    segments = record if isinstance(record, list) else record["segments_info"]
    colours = np.asarray(Image.open(shared_data / "coco" / "coco_panoptic_39769.png").convert("RGB")).astype(int)
    ids = colours[..., 0] + 256 * colours[..., 1] + 65536 * colours[..., 2]
    assert len(segments) == 6
    for segment in segments:
        mask = masks.encode(ids == segment["id"])
        x, y, width, height = segment["bbox"]
        assert masks.area(mask) == segment["area"]
        assert masks.bounding_box(mask).xyxy == pytest.approx(
            (x / 640, y / 480, (x + width) / 640, (y + height) / 480)
        )


def test_published_polygons_give_pycocotools_counts(shared_data):
    record = json.loads((shared_data / "coco" / "coco_annotations_39769.json").read_text())
    annotations = record["annotations"] if isinstance(record, dict) else record
    areas = [masks.area(masks.from_polygons(annotation["segmentation"], (640, 480))) for annotation in annotations]
    assert areas == [2118, 4068, 176809, 301563, 53306, 59710]


def test_run_lengths_equal_the_runs_of_the_pixels():
    for pixels in random_masks(200):
        flat = pixels.ravel(order="F")
        runs = np.diff(np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]]))
        expected = [0, *runs] if flat[0] else [*runs]
        assert masks.run_lengths(masks.encode(pixels)).tolist() == expected


def brute_coverage(pixels, box):
    """Each pixel is a unit square: its overlap with the box, summed."""
    height, width = pixels.shape
    x0, y0, x1, y1 = box.x0 * width, box.y0 * height, box.x1 * width, box.y1 * height
    columns, rows = np.arange(width), np.arange(height)
    across = np.clip(np.minimum(columns + 1, x1) - np.maximum(columns, x0), 0, None)
    down = np.clip(np.minimum(rows + 1, y1) - np.maximum(rows, y0), 0, None)
    return down @ pixels @ across / ((x1 - x0) * (y1 - y0))


def test_coverage_is_the_exact_share_of_each_box():
    rng = np.random.default_rng(5)
    for pixels in random_masks(100):
        edges = np.sort(rng.random((12, 2, 2)), axis=1)
        boxes = [None, *(Box(x0, y0, x1 + 1e-9, y1 + 1e-9) for (x0, y0), (x1, y1) in edges * 0.999), Box(0, 0, 1, 1)]
        covered = masks.coverage(masks.encode(pixels), boxes)
        assert np.isnan(covered[0])
        assert covered[1:] == pytest.approx([brute_coverage(pixels, box) for box in boxes[1:]], abs=1e-6)
        assert covered[-1] == pytest.approx(pixels.mean())


def test_no_boxes_and_a_mask_of_another_image():
    mask = masks.encode(np.ones((4, 6)))
    assert np.isnan(masks.coverage(mask, [None, None])).all() and masks.coverage(mask, []).shape == (0,)
    with pytest.raises(ValueError, match="of 6x4 for boxes of one of 640x480.*same original image"):
        masks.Cells.of([Box(0, 0, 1, 1)], (640, 480)).coverage(mask)


def test_the_benchmark_measures_equal_things():
    from benchmarks import masks as benchmark

    report = benchmark.main(["--masks", "2", "--repeats", "1"])
    assert report["equal"] < 1e-9


@pytest.mark.parametrize("place", [math.nan, math.inf, 1e9, -31.0])
def test_a_polygon_that_leaves_the_picture_far_behind_is_refused_at_once(place):
    with pytest.raises(ValueError, match="none may lie further outside than the image is large"):
        masks.from_polygons([[0, 0, place, 5, 8, 8]], (30, 20))


@pytest.mark.parametrize("read", [masks.area, masks.decode, masks.bounding_box, lambda mask: masks.union([mask, mask])])
@pytest.mark.parametrize("counts", ["0Y3", "0T3Y3", "", "\x7f\x7f", "o" * 50])
def test_run_lengths_that_do_not_fit_the_picture_are_refused(read, counts):
    with pytest.raises(ValueError, match="it is damaged, or of another picture"):
        read(Rle((10, 10), counts))


def test_run_lengths_are_ascii():
    with pytest.raises(ValueError, match="are ASCII"):
        Rle((10, 10), "é")
