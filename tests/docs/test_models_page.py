# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""docs/models.md says what the table of families declares."""

from pathlib import Path

from promvil_hf.backends.capabilities import CAPABILITIES
from promvil_hf.backends.families import FAMILIES
from promvil_hf.commands.models_page import page


PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"


def test_the_page_of_models_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "docs/models.md is out of date: python -m promvil_hf.commands.models_page > docs/models.md"
    )


def test_every_family_has_a_name_and_a_whole_row():
    rows = [line for line in page().splitlines() if line.startswith("| ") and line.count("|") == 4 + len(CAPABILITIES)]
    assert len(rows) == len(FAMILIES) + 2  # and the head
    for name, family in FAMILIES.items():
        assert family.known_as and sum(f"| {family.known_as} | `{name}` |" in row for row in rows) == 1
