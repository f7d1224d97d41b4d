# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Coverage of a regular grid by a mask: the usual way, and the exact area."""

import numpy as np
from PIL import Image

from promvil_hf import masks


def decoded_and_resized(mask, grid):
    """pycocotools decodes, Pillow's box filter shrinks."""
    pixels = masks.decode(mask).astype(np.float32)
    return np.asarray(Image.fromarray(pixels).resize((grid, grid), Image.Resampling.BOX)).ravel()


def summed_area(pixels, grid):
    """Exact coverage of a regular grid, cells of fractional size included."""
    height, width = pixels.shape
    table = np.zeros((height + 1, width + 1))
    table[1:, 1:] = pixels.cumsum(0).cumsum(1)
    across = np.stack([np.interp(np.linspace(0, width, grid + 1), np.arange(width + 1), row) for row in table])
    down = np.stack(
        [np.interp(np.linspace(0, height, grid + 1), np.arange(height + 1), column) for column in across.T], 1
    )
    return (np.diff(np.diff(down, axis=0), axis=1) * grid**2 / (height * width)).ravel()
