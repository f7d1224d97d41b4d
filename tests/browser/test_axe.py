# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""axe-core, the tool that browsers' accessibility checks are built on, finds no fault in any page: contrast, alternative texts,
order of headings, labels, roles. In both themes, wide and on a phone.

`AXE` may name another axe.min.js than that of the package axe-core-python.
"""

import importlib.util
import json
import os
from pathlib import Path

import pytest

from docs.pictures import gallery
from promvil_hf.commands import inspect_compovl
from promvil_hf.pages import Html, page, write
from tests.browser.test_pages import PLAIN, full_page


pytestmark = pytest.mark.browser

VIEWS = (("light", 1280), ("dark", 390))
CHAIN = {
    "chain_id": "1-0", "image_id": "1", "image_path": "1.png", "width": 64, "height": 64, "expression": "the hat of the man",
    "level": 2, "given": ["man", "hat of man"],
    "steps": [
        {"text": "the man", "boxes": [[0.1, 0.1, 0.6, 0.9]], "anchors": [], "mentions": []},
        {"text": "the hat of the man", "boxes": [[0.2, 0.1, 0.4, 0.3]], "anchors": [0], "mentions": ["the man"]},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def axe() -> str:
    if named := os.environ.get("AXE"):
        return Path(named).read_text(encoding="utf-8")
    spec = importlib.util.find_spec("axe_core_python")
    if spec is None:
        pytest.skip("axe-core-python is not installed (extra `test`)")
    return (Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def faults(tab, axe: str, path: Path) -> list[str]:
    """What axe says against a page in each view: the rule, and the first element that breaks it."""
    found = []
    for scheme, width in VIEWS:
        tab.show(path, width=width, scheme=scheme, phone=width < 800)
        tab.run(axe + ";0")
        said = tab.run("axe.run().then((found) => JSON.stringify(found.violations.map((v) => [v.id, v.nodes[0].html])))")
        found += [f"{scheme}: {rule}: {element[:120]}" for rule, element in json.loads(said)]
    return found


def test_a_page_of_every_block_has_no_fault(tab, axe, tmp_path):
    assert faults(tab, axe, write(tmp_path / "page.html", full_page(PLAIN))) == []


def test_the_page_that_is_judged_has_no_fault(tab, axe, tmp_path):
    assert faults(tab, axe, write(tmp_path / "page.html", inspect_compovl.judgement_page([CHAIN]))) == []


def test_a_page_of_faults_is_noticed(tab, axe, tmp_path):
    wrong = Html("<h4>deep</h4><img src='data:,'><input><p style='color:#aaa;background:#fff'>pale</p>")
    found = " ".join(faults(tab, axe, write(tmp_path / "page.html", page("T", wrong))))
    for rule in ("heading-order", "image-alt", "label", "color-contrast"):
        assert rule in found


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_page_of_the_gallery_has_a_fault(tab, axe, tmp_path):
    """Reports, comparisons, twins, explanations, atlases, reliance: what the commands write."""
    for command in gallery.SETUP:
        gallery.run(command, tmp_path)
    for picture in gallery.PICTURES.values():
        for command in picture.commands:
            gallery.run(command, tmp_path)
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) >= len(gallery.PICTURES)
    assert {str(path.relative_to(tmp_path)): found for path in pages if (found := faults(tab, axe, path))} == {}
