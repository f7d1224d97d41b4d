# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Two pictures of different sizes."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    generator = np.random.default_rng(0)
    return [
        Image.fromarray(generator.integers(0, 255, (height, width, 3), dtype=np.uint8))
        for width, height in ((60, 40), (30, 50))
    ]
