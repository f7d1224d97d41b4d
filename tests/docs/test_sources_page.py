# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""docs/sources.md says what the table of sources holds."""

from pathlib import Path

from promvil_hf.commands.sources_page import page
from promvil_hf.fetching.catalog import SOURCES


PAGE = Path(__file__).resolve().parents[2] / "docs" / "sources.md"


def test_the_page_of_sources_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "docs/sources.md is out of date: python -m promvil_hf.commands.sources_page > docs/sources.md"
    )


def test_every_source_has_its_section_and_every_address_is_shown():
    text = page()
    for name, source in SOURCES.items():
        assert f"## {name}\n" in text and f"({source.licence}" not in text
        assert all(f"<{url}>" in text for url in source.files[0].urls)
    assert "None of these addresses could be tried" in text
