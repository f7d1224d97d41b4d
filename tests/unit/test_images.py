# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Every part that reads a picture sees the same pixels: upright, 8-bit RGB, on white where it is transparent."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import ExifTags, Image

from promvil_hf.backends.detectors import Found
from promvil_hf.endpoint.messages import image_part
from promvil_hf.evaluation.benchmarks.refcoco import _with_answers
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.fivl import given_masks, mask_making
from promvil_hf.fivl.fivl_build import image_of
from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.fivl.twins import twins
from promvil_hf.images import UnreadableImage, as_rgb, image_bytes, image_size, read_image, upright_size
from promvil_hf.json_records import Record
from promvil_hf.pages.figures import figure
from promvil_hf.publishing import image_to_embed
from promvil_hf.tasks.grounding import picture as shown_in_tasks


def turned(image, suffix):
    """As a camera on its side stores it: 60 wide and 40 high, to be shown 40 wide and 60 high."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    file = io.BytesIO()
    image.save(file, suffix, exif=exif, **({"quality": 95} if suffix == "jpeg" else {}))
    return file.getvalue()


def pixels(*bands):
    ramp = np.linspace(40, 200, 60).astype(np.uint8)[None].repeat(40, 0)
    return np.stack([ramp, *(np.full_like(ramp, band) for band in bands)], -1)


def stored():
    ramp = np.linspace(0, 65535, 60).astype(np.uint16)[None].repeat(40, 0)
    return {
        "upright": turned(Image.fromarray(pixels(90, 20)), "jpeg").replace(b"\x00\x06\x00\x00", b"\x00\x01\x00\x00", 1),
        "photograph": turned(Image.fromarray(pixels(90, 20)), "jpeg"),
        "photograph as PNG": turned(Image.fromarray(pixels(90, 20)), "png"),
        "16 bits": turned(Image.fromarray(ramp), "png"),
        "transparent": turned(Image.fromarray(pixels(90, 20, 0)), "png"),
    }


STORED = stored()


def test_an_upright_picture_is_read_into_a_copy():
    picture = Image.new("RGB", (4, 4), "red")
    read_image(picture).putpixel((0, 0), (0, 0, 0))
    assert picture.getpixel((0, 0)) == (255, 0, 0)


def seen_by_masks(path):
    """What a detector is shown."""
    shown = []

    def detect(pairs):
        shown.extend(image for image, _ in pairs)
        return [Found() for _ in pairs]

    mask_making.boxes(detect)([mask_making.ImagePhrases(path, ("cup",))])
    return shown[0]


def decoded(data):
    """As a program opens it that knows nothing of EXIF."""
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def in_message(path):
    return decoded(base64.b64decode(image_part(path)["image_url"]["url"].partition(",")[2]))


def on_page(path):
    source = re.search(r'src="data:image/\w+;base64,([^"]+)"', str("".join(figure(path, alt="x").chunks())))[1]
    return decoded(base64.b64decode(source))


def fivl_row(path, size):
    return FivlRow("1", "llava", "1", path.name, size, (), ())


READERS = {
    "images": read_image,
    "images, bytes": lambda path: read_image(path.read_bytes()),
    "images, undecoded": lambda path: read_image({"bytes": None, "path": str(path)}),
    "evaluation": lambda path: Pictures(path.parent).open(path.name),
    "FiVL rows": lambda path: image_of(fivl_row(path, (1, 1)), path.parent),
    "FiVL masks": seen_by_masks,
    "FiVL twins": lambda path: next(twins(fivl_row(path, image_size(path)), Image.open(path))).image,
    "tasks": lambda path: shown_in_tasks({"image": Image.open(path)})[0],
    "messages": in_message,
    "pages": on_page,
    "embedded in rows": lambda path: decoded(image_to_embed(path, "its name")["bytes"]),
    "models": lambda path: as_rgb(Image.open(path)),
}


@pytest.mark.parametrize("name", STORED)
def test_every_reader_sees_the_same_upright_picture(name, tmp_path):
    path = tmp_path / "picture.png"  # the content decides, not the name
    path.write_bytes(STORED[name])
    expected = read_image(path)
    assert (expected.mode, expected.size) == ("RGB", (60, 40) if name == "upright" else (40, 60))
    ramp = np.asarray(expected)[:, 20, 0] if name != "upright" else np.asarray(expected)[20, :, 0]
    if name == "transparent":
        assert (np.asarray(expected) == 255).all()
    else:
        low, high = (0, 255) if name == "16 bits" else (40, 200)
        assert abs(int(ramp[0]) - low) < 5 and abs(int(ramp[-1]) - high) < 5  # the left of the file is the top
    for reader, read in READERS.items():
        found = read(path)
        assert (reader, found.mode, found.size) == (reader, "RGB", expected.size)
        apart = np.abs(np.asarray(found).astype(int) - np.asarray(expected)).max()
        assert apart <= (25 if reader == "pages" else 0), reader  # a page holds JPEG


@pytest.mark.parametrize("name", STORED)
def test_every_size_is_that_of_the_upright_picture(name, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(STORED[name])
    expected = read_image(path).size
    of_refcoco = {"image": {"bytes": STORED[name]}, "question_id": 1, "answer": "cup", "bbox": [0, 0, 9, 9]}
    sizes = {
        "file": image_size(path),
        "bytes": image_size(STORED[name]),
        "open": upright_size(Image.open(path)),
        "evaluation": Pictures(tmp_path).size(path.name),
        "RefCOCO": _with_answers(Record("a row", of_refcoco))["image_size"],
    }
    assert sizes == dict.fromkeys(sizes, expected)
    given = tmp_path / "given.jsonl"
    given.write_text('{"image": "picture.png", "text": "cup", "boxes": [[0, 0, 1, 1]]}\n')
    ((located,),) = given_masks.given(given, tmp_path)([mask_making.ImagePhrases(path, ("cup",))])
    assert located.mask.image_size == expected


def test_a_file_that_all_programs_show_alike_is_passed_on_byte_by_byte(tmp_path):
    assert image_bytes(STORED["upright"]) == (STORED["upright"], "image/jpeg")
    assert image_bytes(STORED["photograph"])[1] == "image/png"


def test_what_cannot_be_read_has_one_kind_of_reason(tmp_path):
    whole = STORED["upright"]
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole[: len(whole) // 2])
    odd = {tmp_path / "none.png": "no such file", b"no picture": "not a picture", cut: "damaged picture", None: "no picture"}
    for read in (read_image, image_bytes):
        for source, reason in odd.items():
            with pytest.raises(UnreadableImage, match=reason) as error:
                read(source)
            assert error.value.missing == (reason == "no such file")
    with pytest.raises(UnreadableImage, match="no such file"):
        image_size(tmp_path / "none.png")


def test_twins_of_a_picture_of_another_size_are_refused_when_they_are_asked_for(tmp_path):
    path = tmp_path / "picture.jpg"
    path.write_bytes(STORED["photograph"])
    with pytest.raises(UnreadableImage, match="You passed an image of 40x60 for a row of 60x40"):
        twins(fivl_row(path, (60, 40)), Image.open(path))
