# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""docs/commands.md says what the parsers say."""

from pathlib import Path

from promvil_hf.commands.reference import reference


PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"


def test_the_page_of_commands_is_up_to_date(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")  # nor does it depend on the terminal
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "docs/commands.md is out of date: python -m promvil_hf.commands.reference > docs/commands.md"
    )
