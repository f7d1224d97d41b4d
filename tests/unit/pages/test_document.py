# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A page is one file, whole or absent, that loads nothing from elsewhere."""

import re
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from promvil_hf.pages import contents, figure, gallery, page, paragraph, section, tag, write
from promvil_hf.pages.document import CONTENT_SECURITY_POLICY


def test_a_page_forbids_everything_but_its_own_pictures_style_and_script():
    made = str(page("T", "text"))
    assert made.startswith("<!doctype html>")
    assert made.index("Content-Security-Policy") < made.index("<style>")
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY and "img-src data:" in CONTENT_SECURITY_POLICY
    scripts = re.search("script-src ([^;]*)", CONTENT_SECURITY_POLICY)[1]
    assert re.fullmatch("'sha256-[A-Za-z0-9+/=]+'", scripts)
    assert made.encode()[:1024].find(b'<meta charset="utf-8">') > 0
    assert 'name="viewport" content="width=device-width' in made
    assert "prefers-color-scheme:dark" in made and "@media print" in made


def test_a_page_names_no_address_outside_itself():
    made = str(page("T", section("A", figure(np.zeros((8, 8, 3), np.uint8), alt="black"))))
    addresses = set(re.findall(r"[a-z]+://[^\s\"'<>]+", made))
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of SVG, never fetched
    assert "url(" not in made and "@import" not in made and "@font-face" not in made


def test_titles_are_escaped_and_linked_to_their_sections():
    made = str(page("<b>", contents("Per <i>level</i> & more"), section("Per <i>level</i> & more")))
    assert "<title>&lt;b&gt;</title>" in made and "<b>" not in made
    assert 'href="#per-i-level-i-more"' in made and 'id="per-i-level-i-more"' in made


def test_the_same_page_has_the_same_bytes(tmp_path):
    first, second = (write(tmp_path / name, page("T", section("A", "b"))) for name in ("a.html", "b.html"))
    assert first.read_bytes() == second.read_bytes()


def test_a_page_that_fails_half_way_leaves_the_old_one_and_nothing_else(tmp_path):
    path = write(tmp_path / "deep" / "report.html", page("Old"))
    old = path.read_bytes()

    def failing():
        yield paragraph("fine")
        raise RuntimeError("a picture was lost")

    with pytest.raises(RuntimeError, match="a picture was lost"):
        write(path, page("New", failing()))
    assert path.read_bytes() == old
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_text_no_file_can_hold_is_written_as_a_symbol(tmp_path):
    path = write(tmp_path / "a.html", page("T", "half a pair \ud83d and a zero \x00"))
    assert "half a pair \ufffd and a zero \u2400" in path.read_text(encoding="utf-8")


def test_many_pictures_never_sit_in_memory(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)

    def peak(count):
        tracemalloc.start()
        figures = (figure(noise, alt=f"picture {i}") for i in range(count))
        size = write(tmp_path / "many.html", page("Many", section("All", gallery(figures)))).stat().st_size
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest, size

    peak(1)
    few, few_size = peak(10)
    many, many_size = peak(100)
    assert many_size > few_size + 90 * 5_000
    assert many < few + 100_000


def test_pages_load_no_torch():
    check = "import sys, promvil_hf.pages; print(sorted({'torch', 'transformers', 'scipy', 'datasets'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_markup_passed_by_mistake_as_text_shows_as_text():
    assert "&lt;p&gt;" in str(page("T", str(tag("p", "x"))))
