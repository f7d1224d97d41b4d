# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""docs/reproduce.md says what the tables of experiments and sources hold."""

from pathlib import Path

from promvil_hf.commands.reproduce_page import page
from promvil_hf.reproducing.catalog import EXPERIMENTS


PAGE = Path(__file__).resolve().parents[2] / "docs" / "reproduce.md"


def test_the_page_of_experiments_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "docs/reproduce.md is out of date: python -m promvil_hf.commands.reproduce_page > docs/reproduce.md"
    )


def test_every_experiment_has_its_section_with_the_papers_words():
    text = page()
    for name, experiment in EXPERIMENTS.items():
        assert f"## {name}\n" in text and experiment.published in text and experiment.differs in text
    assert "Nobody has run these tables at full size" in text
