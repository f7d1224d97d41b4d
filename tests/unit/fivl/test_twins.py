# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Twins hide what they say they hide and nothing else, and their random boxes are a fair control."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.fivl.fivl_rows import FivlRow, Key
from promvil_hf.fivl.twins import FILLS, KINDS, TwinSummary, all_twins, key_boxes, random_boxes, twins
from promvil_hf.key_expressions import KeyExpression, Turn


SIZE = (40, 30)
BOX = Box(0.25, 0.2, 0.5, 0.6)  # pixels 10..20, 6..18


def disk():
    y, x = np.mgrid[:30, :40]
    return (x - 14.5) ** 2 + (y - 11.5) ** 2 < 16


def row(keys=None, answer="yes", name="pope-00000000", size=SIZE):
    if keys is None:
        keys = (Key(KeyExpression("yes", 0, (BOX,), masks.encode(disk())), "a disk"),)
    return FivlRow(name, "pope", "1", "1.png", size, (Turn(0, "Is there a disk?", answer),), keys, (answer,))


@pytest.fixture
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(1, 256, (30, 40, 3)).astype(np.uint8))


def changed(twin, picture):
    return (np.asarray(twin.image) != np.asarray(picture)).any(-1)


def test_each_twin_hides_exactly_its_own_area(picture):
    made = {twin.kind: twin for twin in twins(row(), picture)}
    assert tuple(made) == KINDS
    box = np.zeros((30, 40), bool)
    box[6:18, 10:20] = True
    assert not changed(made["original"], picture).any()
    assert (changed(made["key boxes"], picture) == box).all()
    assert (changed(made["silhouettes"], picture) == disk()).all()
    assert changed(made["whole image"], picture).all()
    assert made["blind"].image is None
    random = changed(made["random boxes"], picture)
    assert random.sum() == box.sum()
    assert not (random & box).any()
    covered = {kind: round(twin.covered, 6) for kind, twin in made.items()}
    assert covered == {
        "original": 0.0,
        "key boxes": 0.1,
        "silhouettes": round(disk().mean(), 6),
        "random boxes": 0.1,
        "whole image": 1.0,
        "blind": 1.0,
    }
    assert [made[kind].on_keys for kind in ("original", "key boxes", "random boxes", "whole image")] == [0, 1, 0, 1]


@pytest.mark.parametrize("fill", FILLS)
def test_the_fill_is_what_was_asked_for(picture, fill):
    (twin,) = twins(row(), picture, ["key boxes"], fill)
    hidden = np.asarray(twin.image)[6:18, 10:20].reshape(-1, 3)
    if fill == "black":
        assert (hidden == 0).all()
    elif fill == "mean":
        assert (hidden == np.asarray(picture).reshape(-1, 3).mean(0).round()).all()
    elif fill == "blur":
        assert hidden.std() < 0.2 * np.asarray(picture).std()
    else:
        assert 60 < hidden.std() < 90 and len(np.unique(hidden, axis=0)) > 100
        (again,), (other,) = (twins(one, picture, ["key boxes"], fill) for one in (row(), row(name="another")))
        assert again.image.tobytes() == twin.image.tobytes() != other.image.tobytes()
    assert (np.asarray(twin.image)[:6] == np.asarray(picture)[:6]).all()


def test_the_same_row_and_seed_give_the_same_twins_and_other_seeds_or_rows_others(picture):
    def place(name="a", seed=0):
        return next(twins(row(name=name), picture, ["random boxes"], seed=seed)).boxes

    assert place() == place()
    assert len({place(seed=seed) for seed in range(8)}) > 5
    assert len({place(name=str(name)) for name in range(8)}) > 5


def test_boxes_cover_every_pixel_they_touch_and_repeated_ones_count_once(picture):
    sliver = Box(0.251, 0.201, 0.499, 0.599)
    keys = [Key(KeyExpression("yes", 0, (box,)), "x") for box in (sliver, BOX, BOX)]
    assert key_boxes(row(tuple(keys))) == ((10, 6, 20, 18),)
    only_mask = Key(KeyExpression("yes", 0, (), masks.encode(disk())), "x")
    assert key_boxes(row((only_mask,))) == ((11, 8, 19, 16),)
    (twin,) = twins(row(tuple(keys[:1])), picture, ["silhouettes"])  # without a mask its box counts
    assert changed(twin, picture).sum() == 120


boxes = st.tuples(st.integers(0, 29), st.integers(0, 19), st.integers(1, 30), st.integers(1, 20)).map(
    lambda drawn: (drawn[0], drawn[1], min(drawn[0] + drawn[2], 30), min(drawn[1] + drawn[3], 20))
)


@given(st.lists(boxes, min_size=1, max_size=4), st.integers(0, 5))
def test_random_boxes_keep_number_and_sizes_and_touch_keys_only_where_they_must(keys, seed):
    placed = random_boxes(keys, (30, 20), seed)
    taken = np.zeros((20, 30), bool)
    for x0, y0, x1, y1 in keys:
        taken[y0:y1, x0:x1] = True
    assert [(x1 - x0, y1 - y0) for x0, y0, x1, y1 in placed] == [(x1 - x0, y1 - y0) for x0, y0, x1, y1 in keys]
    for x0, y0, x1, y1 in placed:
        assert 0 <= x0 < x1 <= 30
        assert 0 <= y0 < y1 <= 20
        wide, high = x1 - x0, y1 - y0
        least = min(
            taken[y : y + high, x : x + wide].sum() for y in range(20 - high + 1) for x in range(30 - wide + 1)
        )
        assert taken[y0:y1, x0:x1].sum() == least


@given(st.lists(boxes, min_size=2, max_size=2), st.integers(0, 5))
def test_random_boxes_hide_as_much_as_the_key_boxes_where_there_is_room(keys, seed):
    """Boxes that lie apart stay apart, and two that overlap overlap as much."""
    apart = [(x0 + 40 * n, y0, x1 + 40 * n, y1) for n, (x0, y0, x1, y1) in enumerate([*keys, *keys])]
    for asked in (keys, apart):
        assert hidden_by(random_boxes(asked, (240, 150), seed)) == hidden_by(asked)


def hidden_by(of) -> int:
    area = np.zeros((150, 240), bool)
    for x0, y0, x1, y1 in of:
        area[y0:y1, x0:x1] = True
    return int(area.sum())


def test_a_place_that_is_free_is_found_however_rare():
    keys = [(0, 0, 30, 19), (0, 19, 28, 20)]  # only two pixels are left
    assert random_boxes([*keys, (0, 0, 2, 1)], (30, 20), 3)[-1] == (28, 19, 30, 20)


def test_rows_without_keys_drop_out_and_the_balance_of_labels_is_reported(picture):
    rows = [row(answer="yes"), row((), answer="no"), row((), answer="no", name="b"), row(answer="No.", name="c")]
    summary = TwinSummary()
    made = list(all_twins(rows, lambda each: picture, summary=summary))
    assert len(made) == 2 * len(KINDS)
    assert Counter(each.row_id for each, _ in made).keys() == {"pope-00000000", "c"}
    report = summary.to_dict()
    assert (report["rows"], report["rows_with_twins"]) == (4, 2)
    assert report["labels"] == {"no": 3, "yes": 1}
    assert report["labels_of_rows_with_twins"] == {"no": 1, "yes": 1}
    assert report["covered"]["key boxes"] == {"mean": 0.1, "quartiles": [0.1, 0.1, 0.1]}
    assert str(summary).startswith(
        "2 of 4 rows have something to hide; answers before: no 75%, yes 25%; after: no 50%, yes 50%; hidden on average: "
    )


def test_wrong_pictures_kinds_and_fills_are_refused(picture):
    with pytest.raises(ValueError, match="an image of 20x15 for a row of 40x30: boxes and masks are in original"):
        list(twins(row(), picture.resize((20, 15))))
    with pytest.raises(ValueError, match="kinds are original, key boxes"):
        list(twins(row(), picture, ["upside down"]))
    with pytest.raises(ValueError, match="fills are black, mean, blur"):
        list(twins(row(), picture, fill="pink"))
