# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A small benchmark of phrases, with answers."""

import numpy as np
import pytest

from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow


@pytest.fixture
def toy():
    """Forty phrases of eight images with levels, and answers near most of them."""
    rng = np.random.default_rng(0)
    rows, said = [], {}
    for number in range(40):
        low = rng.uniform(0, 0.5, 2)
        box = Box(*low, *(low + rng.uniform(0.2, 0.45, 2)))
        rows.append(
            BenchmarkRow(f"r{number}", f"{number % 8}.png", f"thing {number}", (box,), level=1 + number % 3,
                         image_size=(80, 60))
        )  # fmt: skip
        said[f"r{number}"] = np.clip(np.array(box.xyxy) + rng.normal(0, 0.06, 4), 0, 1).tolist()
    return Benchmark("toy", "test", "grounding", tuple(rows)), said
