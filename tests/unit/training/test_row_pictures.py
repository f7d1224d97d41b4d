# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A mixture names pictures of several data sets, each below a folder of its own; one folder of images holds them all."""

import pytest
from PIL import Image

from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.training.row_pictures import needed_picture, opened, picture_of


@pytest.fixture
def data(tmp_path):
    for number, name in enumerate(("vg/VG_100K/1.png", "gqa/images/1.png", "coco/train2017/000000000009.png", "2.png")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number, 0, 0)).save(path)
    return tmp_path


@pytest.mark.parametrize(
    "named, lies",
    [("VG_100K/1.png", "vg/VG_100K/1.png"), ("000000000009.png", "coco/train2017/000000000009.png"), ("2.png", "2.png")],
)
def test_the_picture_of_a_row_is_found_below_the_folder_of_images(data, named, lies):
    assert picture_of({"image_path": named}, data) == data / lies
    assert Pictures(data).path(named) == data / lies
    assert opened(needed_picture({"image_path": named}, data)).size == (4, 4)


def test_a_name_that_fits_several_pictures_or_none_is_refused(data):
    for named in ("1.png", "images/3.png"):
        with pytest.raises(ValueError, match="Cannot open the image .* Check the folder of images"):
            opened(needed_picture({"image_path": named}, data), data)
