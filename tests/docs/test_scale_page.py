# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""docs/scale.md says what its module says, names every job, and marks what was not run."""

import re
from pathlib import Path

import pytest

from promvil_hf.commands.scale_page import page
from promvil_hf.reproducing.large_scale import BUILDS, TURNS


ROOT = Path(__file__).resolve().parents[2]


def test_the_page_about_scale_is_up_to_date():
    assert (ROOT / "docs" / "scale.md").read_text(encoding="utf-8") == page(), (
        "docs/scale.md is out of date: python -m promvil_hf.commands.scale_page > docs/scale.md"
    )


def test_every_job_has_its_line_and_every_file_that_is_named_is_there():
    text = page()
    for script in (ROOT / "recipes" / "jobs").iterdir():
        if script.suffix in (".py", ".slurm"):
            assert f"recipes/jobs/{script.name}" in text
    for path in re.findall(r"`((?:tests|recipes|promvil_hf)/[\w/.]+)`", text):
        assert (ROOT / path).exists(), path
    assert "Only the first line was run, on made-up graphs" in text and "None of them was run on the Hub" in text


def test_estimates_grow_with_what_goes_in():
    vg, llava, million, conversations = BUILDS
    assert million.cpu_hours / vg.cpu_hours == pytest.approx(1_000_000 / 108_077) and vg.requests == 0
    assert llava.requests == 665_298 * TURNS
    assert conversations.mask_hours / llava.mask_hours == pytest.approx(1_000_000 / 665_298)
