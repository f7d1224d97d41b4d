# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import numpy as np
import pytest

from promvil_hf import KeyExpression, masks
from promvil_hf.fivl.mask_noise import KINDS, MaskNoise, NoisyRows


def disk(centre=(40, 60), radius=12, size=(80, 120), hole=0):
    y, x = np.mgrid[: size[0], : size[1]]
    distance = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
    return (distance < radius**2) & (distance >= hole**2)


def expression(pixels, text="a disk"):
    return KeyExpression(text, 0, (), masks.encode(pixels))


def spoilt(kind, pixels, level=None, row="row", **options):
    return masks.decode(MaskNoise(kind, level, **options).of(expression(pixels), row).mask)


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def test_perfect_masks_stay():
    assert np.array_equal(spoilt("perfect", disk()), disk())


@pytest.mark.parametrize("kind", KINDS)
def test_noise_hangs_on_row_text_and_seed_alone(kind):
    noise = MaskNoise(kind)
    rows = [f"row {number}" for number in range(12)]
    first = [noise.of(expression(disk()), row) for row in rows]
    assert first == [noise.of(expression(disk()), row) for row in reversed(rows)][::-1]
    if kind in ("shifted", "random", "grounded_sam", "incomplete"):
        assert len({expression_with_noise.mask for expression_with_noise in first}) > 3
        assert first != [MaskNoise(kind, seed=1).of(expression(disk()), row) for row in rows]


def test_dilated_masks_hold_the_mask_and_grow_with_the_level():
    areas = []
    for level in (0.0, 0.1, 0.25, 0.5):
        dilated = spoilt("dilated", disk(), level)
        assert (dilated | disk()).sum() == dilated.sum()
        areas.append(dilated.sum())
    assert areas[0] == disk().sum() and areas == sorted(areas) and areas[-1] > 2 * areas[0]


def test_shifted_masks_keep_their_form_and_move_by_the_level():
    for row in range(10):
        shifted = spoilt("shifted", disk(), 0.5, row=str(row))
        assert shifted.sum() == disk().sum()
        moved = np.subtract(np.argwhere(shifted).mean(0), np.argwhere(disk()).mean(0))
        assert np.hypot(*moved) == pytest.approx(0.5 * np.sqrt(disk().sum()), abs=1)
    beyond = spoilt("shifted", disk(), 50.0)
    assert beyond.sum() == 0


def test_random_masks_keep_their_form_and_lie_anywhere_within_the_picture():
    centres = []
    for row in range(60):
        mask = spoilt("random", disk((12, 12)), row=str(row))
        assert mask.sum() == disk((12, 12)).sum()
        centres.append(np.argwhere(mask).mean(0))
    centres = np.array(centres)
    assert np.ptp(centres[:, 0]) > 40 and np.ptp(centres[:, 1]) > 70


def test_masks_like_grounded_sams_are_somewhere_else_as_often_as_stated_and_too_large_otherwise():
    ring = disk(hole=5)
    spoilt_masks = [spoilt("grounded_sam", ring, row=str(row)) for row in range(200)]
    right = [mask for mask in spoilt_masks if (mask & ring).sum() == ring.sum()]
    assert 0.48 < len(right) / len(spoilt_masks) < 0.68
    assert all(mask[40, 60] for mask in right)  # the hole is filled
    assert np.mean([mask.sum() / ring.sum() for mask in right]) > 1.2
    assert np.mean([overlap(mask, ring) for mask in spoilt_masks]) < 0.7


def test_incomplete_masks_are_the_part_on_one_side_of_a_line_and_as_small_as_stated():
    for level in (0.0, 0.25, 0.5, 1.0):
        rest = spoilt("incomplete", disk(), level)
        assert not (rest & ~disk()).any() and rest.sum() == pytest.approx((1 - level) * disk().sum(), abs=1)
    half = spoilt("incomplete", disk())
    lost = disk() & ~half
    towards = np.subtract(np.argwhere(lost).mean(0), np.argwhere(half).mean(0))
    kept, gone = (np.argwhere(part) @ (towards / np.hypot(*towards)) for part in (half, lost))
    assert kept.max() < gone.min() + 1.5  # a straight cut, but for the pixels on it


def test_what_has_no_mask_and_other_keys_of_a_row_stay():
    row = {"row_id": "1", "image": "a", "key_expressions": [{**expression(disk()).to_dict(), "scores": [0.5]},
                                                            {"text": "bare", "turn": 0, "boxes": [], "mask": None}]}  # fmt: skip
    rows = NoisyRows([row], MaskNoise("random"))
    assert len(rows) == 1
    first, second = rows[0]["key_expressions"]
    assert first["mask"] != row["key_expressions"][0]["mask"] and first["scores"] == [0.5]
    assert second == row["key_expressions"][1] and rows[0]["image"] == "a"
    assert spoilt("random", np.zeros((4, 4), bool)).sum() == 0


def test_unknown_noise_is_refused():
    sentence = "mask noise 'blurred': it is one of perfect, dilated, shifted, random, grounded_sam, incomplete"
    with pytest.raises(ValueError, match=sentence):
        MaskNoise("blurred")
    with pytest.raises(ValueError, match="level=-1 for dilated masks: it is a share, 0 or more"):
        MaskNoise("dilated", -1)
    with pytest.raises(ValueError, match="level=1.5 for incomplete masks: it is a share, 0 or more"):
        MaskNoise("incomplete", 1.5)
