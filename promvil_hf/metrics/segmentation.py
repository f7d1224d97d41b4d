# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""IoU of boolean masks. Two empty masks have IoU 0."""

import numpy as np


def mask_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of boolean masks, (…, H, W) with broadcasting leading axes -> (…)."""
    a, b = booleans(a), booleans(b)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-2:] != b.shape[-2:]:
        raise ValueError(
            f"You passed masks of shapes {a.shape} and {b.shape}: both are (…, height, width) of the same size. Bring "
            "them to the original image's size first."
        )
    return (a & b).sum((-2, -1)) / np.maximum((a | b).sum((-2, -1)), 1)


def booleans(mask: np.ndarray) -> np.ndarray:
    """A mask as booleans; NaN, which would count as inside, is refused."""
    mask = np.asarray(mask)
    if mask.dtype.kind == "f" and np.isnan(mask).any():
        raise ValueError(f"You passed a mask with {int(np.isnan(mask).sum())} NaN: a cell is inside or outside.")
    return mask.astype(bool)
