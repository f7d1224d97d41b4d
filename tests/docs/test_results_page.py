# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""docs/results.md says what docs/results.json holds, and every empty cell has the command that fills it."""

from pathlib import Path

from promvil_hf.commands.results_page import page
from promvil_hf.reproducing.results import TABLES


DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_of_results_is_up_to_date():
    assert (DOCS / "results.md").read_text(encoding="utf-8") == page(DOCS / "results.json"), (
        "docs/results.md is out of date: python -m promvil_hf.commands.results_page > docs/results.md"
    )


def test_an_empty_page_has_no_number_and_a_command_for_every_line(tmp_path):
    text = page(tmp_path / "none.json")
    cells = sum(len(table.columns) * len(table.lines) for table in TABLES)
    assert text.count("*not yet run*") == cells + 1
    for table in TABLES:
        for line in table.lines:
            assert f"--out /data/results/{line.step}" in text
