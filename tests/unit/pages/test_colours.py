# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Colours can be read in both themes, distinguished by colour-blind readers, and maps rise in lightness."""

from itertools import combinations

import numpy as np
import pytest

from promvil_hf.pages.colours import (
    MARKS,
    SERIES_DARK,
    SERIES_LIGHT,
    contrast,
    diverging,
    ink_on,
    luminance,
    sequential,
)
from promvil_hf.pages.theme import DARK, LIGHT, style_sheet


THEMES = pytest.mark.parametrize(
    ("theme", "series"), [(LIGHT, SERIES_LIGHT), (DARK, SERIES_DARK)], ids=["light", "dark"]
)

# Full dichromacy after Machado, Oliveira and Fernandes (2009), in linear RGB
BLINDNESS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}


def lab(colours, matrix=None):
    """CIELAB of sRGB bytes, seen through a simulation of colour blindness where given."""
    rgb = np.asarray(colours, float).reshape(-1, 3) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    if matrix is not None:
        linear = (linear @ np.array(matrix).T).clip(0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = linear @ to_xyz.T / (0.9505, 1.0, 1.089)
    root = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def as_bytes(colour):
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def test_contrast_is_that_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)
    assert luminance("#ffffff") == pytest.approx(1)


@THEMES
def test_all_text_can_be_read_on_every_ground(theme, series):
    for ground in ("paper", "surface", "sunken"):
        for ink in ("ink", "muted", "accent", "done", "warn"):
            assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground)
        assert contrast(theme["control"], theme[ground]) >= 3, ground
    assert contrast(theme["on-accent"], theme["accent"]) >= 4.5
    assert contrast(theme["ink"], theme["highlight"]) >= 4.5


@THEMES
def test_curves_and_bars_stand_out_from_the_paper(theme, series):
    for colour in series:
        assert contrast(colour, theme["paper"]) >= 3, colour


@pytest.mark.parametrize("series", [SERIES_LIGHT, SERIES_DARK], ids=["light", "dark"])
@pytest.mark.parametrize("blindness", [None, *BLINDNESS])
def test_series_differ_for_every_reader(series, blindness):
    seen = lab([as_bytes(colour) for colour in series], BLINDNESS.get(blindness))
    nearest = min(float(np.linalg.norm(seen[a] - seen[b])) for a, b in combinations(range(len(series)), 2))
    assert nearest > (25 if blindness is None else 12)


def test_labels_on_marks_can_be_read():
    for colour in MARKS:
        assert contrast(ink_on(colour), colour) >= 7


def test_lightness_of_the_sequential_map_rises_evenly():
    lightness = lab(sequential())[:, 0]
    steps = np.diff(lightness)
    assert lightness[0] < 20 and lightness[-1] > 85
    assert (steps > -0.3).all()  # rounding to bytes
    assert np.diff(lightness[::15]).min() > 0.7 * np.diff(lightness[::15]).mean()
    for matrix in BLINDNESS.values():
        assert (np.diff(lab(sequential(), matrix)[::8, 0]) > 0).all()


def test_the_signed_map_is_light_in_the_middle_and_even_on_both_sides():
    lightness = lab(diverging())[:, 0]
    assert np.argmax(lightness) in (127, 128)
    assert np.abs(lightness - lightness[::-1]).max() < 6
    assert (
        np.linalg.norm(
            lab(diverging()[:1], BLINDNESS["deuteranopia"]) - lab(diverging()[-1:], BLINDNESS["deuteranopia"])
        )
        > 60
    )


def test_the_style_sheet_uses_only_properties_it_defines():
    import re

    sheet = style_sheet()
    used = set(re.findall(r"var\(--([a-z0-9-]+)", sheet))
    defined = set(re.findall(r"--([a-z0-9-]+):", sheet))
    assert used - defined <= {"least"}  # set on the gallery itself
