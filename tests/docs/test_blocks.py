# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The Python blocks of README and docs run as printed; a comment `# -> value` at a line's end is checked against it."""

import ast
import re
from pathlib import Path

import pytest


ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
SHOWN = re.compile(r"^(?P<code>[^#\n]+?)\s+# -> (?P<value>.+)$", re.MULTILINE)


def checked(block: str) -> str:
    """`x  # -> 3` becomes an assertion that x is shown as 3."""
    return SHOWN.sub(lambda line: f"assert repr({line['code']}) == {line['value']!r}, repr({line['code']})", block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in BLOCK.findall(page.read_text()):
        exec(compile(checked(block), str(page), "exec"), names)  # noqa: S102


def test_the_readme_has_blocks():
    assert len(BLOCK.findall((ROOT / "README.md").read_text())) >= 2


def test_a_wrong_shown_value_is_noticed():
    ast.parse(checked("1 + 1  # -> 2\n"))
    with pytest.raises(AssertionError, match="2"):
        exec(checked("1 + 1  # -> 3\n"), {})  # noqa: S102


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_repository_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
