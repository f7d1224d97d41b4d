# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The deterministic goals of `benchmarks.head_analysis`, on a model small enough for every run."""

import pytest

from benchmarks.head_analysis import PATCHES, ROWS, model, run
from benchmarks.head_analysis import inputs_of as made


def test_ours_equals_eager_and_keeps_rows_only():
    net, length = model(layers=2, heads=2, width=32), 811
    ours, kept = run("ours", net, made(length), length)
    theirs, maps = run("eager", net, made(length), length)
    assert float((ours - theirs).abs().max()) <= 1e-6
    assert kept == 2 * 2 * ROWS * PATCHES * 4
    assert maps / kept == pytest.approx(length**2 / (ROWS * PATCHES)) and maps / kept >= 300
