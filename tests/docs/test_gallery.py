# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""docs/gallery.md says what its tables say, each picture is there and small, and (slow) each command writes the page it shows."""

import re

import pytest
from PIL import Image

from docs.pictures import gallery


def test_the_page_is_up_to_date():
    assert gallery.PAGE.read_text(encoding="utf-8") == gallery.text(), (
        "docs/gallery.md is out of date: python -m docs.pictures.gallery --text"
    )


@pytest.mark.parametrize("name", gallery.PICTURES)
def test_each_picture_is_there_small_and_described(name):
    path = gallery.HERE / "gallery" / f"{name}.png"
    assert path.stat().st_size < 60_000
    with Image.open(path) as picture:
        assert picture.width <= gallery.PICTURES[name].width and colours_of(picture) > 4  # not an empty page
    assert len(gallery.PICTURES[name].alt) > 40


def colours_of(picture: Image.Image) -> int:
    return len(picture.convert("RGB").getcolors(picture.width * picture.height))


def test_there_is_no_picture_that_the_page_does_not_show_and_no_two_have_one_description():
    drawn = {path.stem for path in (gallery.HERE / "gallery").glob("*.png")}
    assert drawn == set(gallery.PICTURES) and len(drawn) >= 12
    assert len({picture.alt for picture in gallery.PICTURES.values()}) == len(drawn)


def test_a_command_over_several_lines_is_the_same_command():
    for command in (*gallery.SETUP, *(one for picture in gallery.PICTURES.values() for one in picture.commands)):
        assert max(map(len, gallery.wrapped(command).splitlines())) <= 118
        assert re.sub(r" \\\n +", " ", gallery.wrapped(command)) == command


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_each_command_writes_the_page_that_is_shown(tmp_path):
    for command in gallery.SETUP:
        gallery.run(command, tmp_path)
    for picture in gallery.PICTURES.values():
        for command in picture.commands:
            gallery.run(command, tmp_path)
        assert "<h1>" in (tmp_path / picture.page).read_text(encoding="utf-8")
