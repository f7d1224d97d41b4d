# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of the tiny models: how a picture is made square, cut into tiles and counted in tokens."""

import numpy as np
import pytest
from PIL import Image

from promvil_hf.toy import models
from tests.unit.toy.models.families import TEXTS, encode, tiny


def ramp(width: int, height: int) -> Image.Image:
    red = np.tile(np.linspace(0, 255, width), (height, 1))
    green = np.tile(np.linspace(0, 255, height)[:, None], (1, width))
    return Image.fromarray(np.stack([red, green, np.full_like(red, 255)], -1).round().astype(np.uint8))


def red_of(batch, image_processor) -> np.ndarray:
    """The red channel as the model sees it, in 0..1: how far right each pixel was; the ramp goes from left to right."""
    red = np.asarray(batch["pixel_values"])[0, 0]
    return red * image_processor.image_std[0] + image_processor.image_mean[0]


@pytest.mark.parametrize(("fit", "left", "right"), [("stretch", 0.0, 1.0), ("crop", 0.25, 0.75), ("pad", 0.0, 1.0)])
def test_llava_makes_a_picture_square_as_asked(fit, left, right):
    processor = tiny("llava", fit=fit).processor.image_processor
    batch = processor([ramp(200, 100)], return_tensors="np")
    middle = red_of(batch, processor)[14]
    assert batch["pixel_values"].shape == (1, 3, 28, 28)
    assert middle[0] == pytest.approx(left, abs=0.05)
    assert middle[-1] == pytest.approx(right, abs=0.05)
    blue = np.asarray(batch["pixel_values"])[0, 2, 0] * processor.image_std[2] + processor.image_mean[2]
    assert (blue.mean() < 0.9) == (fit == "pad")


def test_an_unknown_way_to_make_a_picture_square_is_refused():
    with pytest.raises(ValueError, match="fit='letterbox' is no way to make a picture square: choose"):
        models.tiny_llava(fit="letterbox")


def test_tiles_are_counted_in_tokens_by_the_families_that_cut_pictures():
    wide = ramp(90, 30)
    next_batch = encode(tiny("llava_next"), [wide], TEXTS[:1])
    assert next_batch["pixel_values"].shape[1] == 1 + 3
    image_token = tiny("llava_next").processor.image_token_id
    # 4 x 4 for the whole picture, 4 rows of 12 patches and a newline for the tiles.
    assert (next_batch["input_ids"] == image_token).sum() == 16 + 4 * (12 + 1)
    for family in ("idefics3", "smolvlm"):
        image_token = tiny(family).processor.image_token_id
        cut = encode(tiny(family), [wide], TEXTS[:1])
        assert (cut["input_ids"] == image_token).sum() == 4 * (3 + 1)
        whole = encode(tiny(family, split=False), [wide], TEXTS[:1])
        assert (whole["input_ids"] == image_token).sum() == 4
    qwen = encode(tiny("qwen2_5_vl"), [wide], TEXTS[:1])
    assert qwen["image_grid_thw"].tolist() == [[1, 4, 12]]
    assert (qwen["input_ids"] == tiny("qwen2_5_vl").processor.image_token_id).sum() == 2 * 6


def test_gemma3_adds_crops_of_a_long_picture_only_when_the_call_asks_for_them():
    made = tiny("gemma3")
    plain = encode(made, [ramp(120, 40)], TEXTS[:1])
    assert plain["pixel_values"].shape[0] == 1
    scanned = made.processor(
        images=[[ramp(120, 40)]],
        text=["<start_of_image>the star"],
        do_pan_and_scan=True,
        pan_and_scan_min_crop_size=28,
        return_tensors="pt",
    )
    assert scanned["pixel_values"].shape[0] == 1 + 3
    assert made.model(**scanned).logits.isfinite().all()
