# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Pictures travel inside the page, and what is drawn on them lies where it belongs."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from promvil_hf.boxes import Box
from promvil_hf.pages import BoxMark, Heat, MaskMark, Panel, chain_strip, figure, strip
from promvil_hf.pages.colours import MARKS, sequential
from promvil_hf.phrases import GroundedPhrase, PhraseChain, PhraseStep


def photo(width=80, height=40, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def drawn(width=80, height=40):
    return Image.new("RGB", (width, height), "#ffcc00")


def embedded(html):
    found = re.findall(r'(?:src|href)="data:image/(\w+);base64,([^"]+)"', str(html))
    return [(kind, Image.open(io.BytesIO(base64.b64decode(data)))) for kind, data in found]


def test_photographs_are_jpeg_and_drawn_scenes_keep_every_pixel():
    ((kind, image),) = embedded(figure(photo(), alt="noise"))
    assert kind == "jpeg" and image.size == (80, 40)
    ((kind, image),) = embedded(figure(drawn(), alt="yellow"))
    assert kind == "png" and image.convert("RGB").getpixel((3, 3)) == (255, 204, 0)


def test_large_pictures_are_scaled_down_and_small_ones_left_alone(tmp_path):
    path = tmp_path / "large.jpg"
    photo(1600, 800).save(path)
    for given in (path, str(path), Image.open(path), np.asarray(Image.open(path))):
        ((_, image),) = embedded(figure(given, alt="x", max_side=400))
        assert image.size == (400, 200)
    ((_, image),) = embedded(figure(photo(30, 20), alt="x"))
    assert image.size == (30, 20)


def test_the_callers_picture_is_left_as_it_was(tmp_path):
    path = tmp_path / "large.jpg"
    photo(900, 600).save(path)
    image = Image.open(path)
    image.info["mine"] = "kept"
    figure(image, alt="x", max_side=100)
    assert image.size == (900, 600) and image.info["mine"] == "kept"


def test_no_metadata_of_the_original_leaves_with_the_page(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "taken at home, 52.5 N"
    path = tmp_path / "private.jpg"
    photo().save(path, exif=exif, comment=b"secret remark")
    raw = base64.b64decode(re.search(r"base64,([^\"]+)", str(figure(path, alt="x")))[1])
    assert b"home" not in raw and b"secret" not in raw and not Image.open(io.BytesIO(raw)).getexif()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_every_colour_mode_can_be_shown(mode):
    assert embedded(figure(drawn().convert(mode), alt="x"))


def test_clear_pixels_become_white():
    ((_, image),) = embedded(figure(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), alt="clear"))
    assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_what_is_no_picture_is_refused_with_the_way_out(tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 not much")
    for path in (broken, tmp_path / "absent.png"):
        with pytest.raises(ValueError, match="cannot be shown as a picture"):
            figure(path, alt="x")
    with pytest.raises(ValueError, match="pass it as heat instead"):
        figure(Image.new("F", (4, 4)), alt="x")
    with pytest.raises(ValueError, match="pass uint8 of"):
        figure(np.zeros((4, 4)), alt="x")
    with pytest.raises(ValueError, match="blank alt"):
        figure(drawn(), alt="")


def test_boxes_lie_at_their_fractions_and_labels_are_escaped():
    made = str(figure(photo(), alt="x", boxes=[BoxMark(Box(0.25, 0.5, 0.75, 1.0), "<b>cup</b>"), Box(0, 0, 1, 1)]))
    assert '<rect class="edge m0" x="20" y="20" width="40" height="20"></rect>' in made
    assert '<rect class="edge m1" x="0" y="0" width="80" height="40"></rect>' in made
    assert "&lt;b&gt;cup&lt;/b&gt;</span>" in made and "<b>" not in made


def test_long_labels_become_numbers_with_a_legend():
    long = "the man with the long grey beard"
    made = str(figure(photo(), alt="x", boxes=[BoxMark(Box(0, 0, 0.5, 1), long), BoxMark(Box(0.5, 0, 1, 1), "hat")]))
    assert re.search(r'class="tag mark m0"[^>]*>1</span>', made) and re.search(
        r'class="tag mark m1"[^>]*>2</span>', made
    )
    assert f"<span>{long}</span>" in made and "<span>hat</span>" in made
    assert "legend" not in str(figure(photo(), alt="x", boxes=[BoxMark(Box(0, 0, 0.5, 1), "hat")]))


def test_labels_of_coinciding_boxes_do_not_hide_each_other():
    box = Box(0.2, 0.3, 0.8, 0.7)
    made = str(figure(photo(200, 200), alt="x", boxes=[BoxMark(box, name) for name in ("cup", "mug", "pot", "jar")]))
    places = re.findall(r'class="tag mark m\d" style="([^"]+)"', made)
    assert len(set(places)) == 4


def test_colours_are_the_next_or_the_chosen_and_no_other():
    made = str(figure(photo(), alt="x", boxes=[BoxMark(Box(0, 0, 1, 1), colour=3, dashed=True)]))
    assert 'class="edge m3 dashed"' in made
    with pytest.raises(ValueError, match="there are 6 mark colours"):
        figure(photo(), alt="x", boxes=[BoxMark(Box(0, 0, 1, 1), colour=6)])


def test_a_mask_is_translucent_inside_opaque_at_its_rim_and_clear_outside():
    mask = np.zeros((40, 80), bool)
    mask[10:30, 20:60] = True
    image = embedded(figure(photo(), alt="x", masks=[MaskMark(mask, "cup")]))[1][1].convert("RGBA")
    assert image.size == (80, 40)
    colour = tuple(int(MARKS[0][i : i + 2], 16) for i in (1, 3, 5))
    assert image.getpixel((40, 20)) == (*colour, 120) and image.getpixel((20, 10)) == (*colour, 255)
    assert image.getpixel((19, 9))[3] == 0 and image.getpixel((59, 29))[3] == 255 and image.getpixel((60, 30))[3] == 0


def test_a_coarse_mask_keeps_its_cells_and_a_soft_one_is_cut_at_a_half():
    coarse = np.array([[0.2, 0.9], [0.5, 1.0]])
    image = embedded(figure(photo(640, 640), alt="x", masks=[coarse]))[1][1].convert("RGBA")
    assert image.size == (16, 16)
    covered = np.asarray(image)[..., 3] > 0
    assert covered[:8, 8:].all() and covered[8:, 8:].all() and not covered[:, :8].any()
    with pytest.raises(ValueError, match="pass a 2D array that spans the image"):
        figure(photo(), alt="x", masks=[np.zeros((2, 2, 3))])


def test_heat_follows_the_map_and_leaves_missing_cells_bare():
    values = np.array([[0.0, 1.0], [0.5, np.nan]])
    made = figure(photo(), alt="x", heat=values)
    image = np.asarray(embedded(made)[1][1].convert("RGBA"))
    assert tuple(image[0, 0]) == (*sequential()[0], 255) and tuple(image[0, 1]) == (*sequential()[255], 255)
    assert tuple(image[1, 0][:3]) == tuple(sequential()[128]) and image[1, 1, 3] == 0
    assert "<span>0.000</span>" in str(made) and "<span>1.00</span>" in str(made)


def test_signed_heat_is_even_around_zero():
    made = str(figure(photo(), alt="x", heat=Heat(np.array([[-0.2, 0.5]]), signed=True)))
    assert "<span>−0.500</span>" in made and "<span>0.500</span>" in made


@pytest.mark.parametrize("values", [np.full((2, 2), 3.0), np.zeros((3, 1))])
def test_constant_heat_is_one_colour(values):
    image = np.asarray(embedded(figure(photo(), alt="x", heat=values))[1][1].convert("RGB"))
    assert len(np.unique(image.reshape(-1, 3), axis=0)) == 1


def test_heat_without_a_finite_value_says_so_and_wrong_shapes_are_refused():
    assert "No finite value." in str(figure(photo(), alt="x", heat=np.full((2, 2), np.nan)))
    with pytest.raises(ValueError, match="pass a 2D array"):
        figure(photo(), alt="x", heat=np.zeros(4))
    with pytest.raises(ValueError, match="must not lie above"):
        figure(photo(), alt="x", heat=Heat(np.zeros((2, 2)), 1.0, 0.0))


def test_a_strip_carries_its_picture_once():
    panels = [Panel("one", [Box(0, 0, 0.5, 1)], "Level 1"), Panel("two", [Box(0, 0, 1, 1)], "Level 2")]
    made = str(strip(photo(), panels, alt="noise"))
    assert made.count("data:image/") == 1 and made.count("<use ") == 1
    assert re.search(r'<image id="(picture-\w+)"', made)[1] == re.search(r'<use href="#(picture-\w+)"', made)[1]


def test_a_chain_is_drawn_level_by_level_with_its_evidence_dashed():
    beard, man, dog = Box(0.4, 0.1, 0.6, 0.3), Box(0.3, 0.0, 0.7, 1.0), Box(0.0, 0.5, 0.3, 1.0)
    chain = PhraseChain(
        "7",
        (
            PhraseStep(GroundedPhrase("beard", (beard,))),
            PhraseStep(GroundedPhrase("the man with <beard>", (man,)), (0,), ("beard",)),
            PhraseStep(GroundedPhrase("dog", (dog,))),
            PhraseStep(GroundedPhrase("cloud")),
        ),
    )
    made = str(chain_strip(photo(), chain, alt="a man and a dog"))
    panels = made.split('<li><div class="level">')[1:]
    assert [panel.split("<")[0] for panel in panels] == ["Level 1", "Level 1", "Level 1", "Level 2"]
    assert 'class="edge m2"' in panels[1] and "no box" in panels[2]
    assert 'class="edge m0 dashed"' in panels[3] and 'class="edge m1"' in panels[3]
    assert "the man with &lt;beard&gt;" in panels[3]
