# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Colours that stay apart for colour-blind readers, and colour maps whose lightness follows the value.

Series colours exist twice, for light and dark pages; marks on photographs always use the bright set with a dark
casing. The maps are computed in OKLCH, not copied from a plotting library.
"""

from functools import cache

import numpy as np


# blue, red, green, purple, ochre, grey: different under protanopia and deuteranopia (a test simulates both)
SERIES_LIGHT = ("#1a70e0", "#a83210", "#0a9b73", "#8f2a7a", "#96840f", "#2c3036")
SERIES_DARK = ("#5eb1f5", "#ff8a4c", "#2fd0a2", "#e58ac8", "#e6cf4a", "#c3c8d0")
MARKS = SERIES_DARK


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2)."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(a: str, b: str) -> float:
    """Contrast ratio of two `#rrggbb` colours, 1 to 21 (WCAG 2): text needs 4.5, lines and bars 3."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def ink_on(colour: str) -> str:
    """Black or white, whichever reads better on the colour."""
    return max("#000000", "#ffffff", key=lambda ink: contrast(ink, colour))


@cache
def sequential() -> np.ndarray:
    """256 colours (256, 3) uint8 from dark violet over blue and green to light yellow; lightness rises evenly."""
    t = np.linspace(0, 1, 256)
    return _srgb(lightness=0.22 + 0.72 * t, chroma=np.full(256, 0.15), hue=300 - 200 * t)


@cache
def diverging() -> np.ndarray:
    """256 colours (256, 3) uint8 from blue over near white to orange; lightness is the same at equal distance."""
    t = np.linspace(-1, 1, 256)
    strength = np.abs(t)
    return _srgb(lightness=0.95 - 0.45 * strength, chroma=0.15 * strength, hue=np.where(t < 0, 252.0, 48.0))


def css_gradient(colours: np.ndarray) -> str:
    """The map as a CSS gradient from left to right."""
    chosen = colours[np.linspace(0, len(colours) - 1, 12).round().astype(int)]
    return f"linear-gradient(90deg,{','.join(as_hex(colour) for colour in chosen)})"


def as_hex(colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*(int(channel) for channel in colour))


def _srgb(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    """OKLCH to sRGB bytes. Where the colour does not exist in sRGB its chroma is lowered, its lightness kept."""
    lowest, highest = np.zeros_like(chroma), chroma.copy()
    for _ in range(20):  # the largest chroma that fits, by halving
        middle = (lowest + highest) / 2
        linear = _linear_rgb(lightness, middle, hue)
        fits = ((linear >= 0) & (linear <= 1)).all(axis=1)
        lowest, highest = np.where(fits, middle, lowest), np.where(fits, highest, middle)
    linear = _linear_rgb(lightness, lowest, hue).clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (encoded * 255).round().astype(np.uint8)


def _linear_rgb(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    angle = np.deg2rad(hue)
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=1)  # (N, 3)
    cone_roots = lab @ np.array(
        [[1.0, 1.0, 1.0], [0.3963377774, -0.1055613458, -0.0894841775], [0.2158037573, -0.0638541728, -1.2914855480]]
    )
    return cone_roots**3 @ np.array(
        [
            [4.0767416621, -1.2684380046, -0.0041960863],
            [-3.3077115913, 2.6097574011, -0.7034186147],
            [0.2309699292, -0.3413193965, 1.7076147010],
        ]
    )
