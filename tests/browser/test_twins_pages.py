# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The page of twins and the page of blind runs in a real browser, wide and on a phone; verdicts saved there read back."""

import pytest
from PIL import Image

from promvil_hf.cli import main
from promvil_hf.evaluation import twin_page
from promvil_hf.pages import read_verdicts
from tests.browser.test_pages import leaving, pale, too_wide, unnamed
from tests.unit.evaluation.answer_files import lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twins of six questions with long words in them, and blind runs."""
    out = tmp_path_factory.mktemp("twins")
    (out / "images").mkdir()
    for number in range(6):
        picture = Image.new("RGB", (300, 200), "white")
        picture.paste((200, 0, 40 * number), (20, 20, 90, 120))
        picture.save(out / f"images/{number}.png")
    word = "square" * 12
    asked = [
        {"question_id": n, "image": f"{n}.png", "text": f"Is there a {word} in it?", "label": "yes" if n % 2 else "no"}
        for n in range(6)
    ]
    data = lines(out / "coco_pope_random.json", *asked)
    places = lines(out / "places.jsonl", *({"id": n, "boxes": [[0.05, 0.1, 0.3, 0.6]], "text": word} for n in range(5)))
    seen = lines(out / "seen.jsonl", *({"id": n, "text": "yes" if n % 2 else "no"} for n in range(6)))
    blind = lines(out / f"{'long_name_' * 6}.jsonl", *({"id": n, "text": "yes"} for n in range(6)))
    other = lines(out / "other.jsonl", *({"id": n, "text": "no" if n else "yes"} for n in range(6)))
    common = ["--benchmark", "pope", "--files", data, "--out"]
    regions = ["--images", out / "images", "--regions", places, "--quiet"]
    assert main([str(word) for word in ["twins", *common, out / "twins", *regions]]) == 0
    runs = ["--predictions", seen, "--blind-predictions", blind, other, "--resamples", 99]
    assert main([str(word) for word in ["evaluate", *common, out / "needed", *runs]]) == 0
    return out


PAGES = ("twins/index.html", "needed/picture_needed.html")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_sticks_out_of_a_phone_or_a_wide_screen(tab, browser, folder, page, width):
    tab.show(folder / page, width=width, phone=width < 800)
    assert too_wide(tab) == []
    assert leaving(tab, browser) == [] and tab.problems == []


@pytest.mark.parametrize("page", PAGES)
def test_all_of_it_can_be_read_and_has_a_name(tab, folder, page):
    tab.show(folder / page)
    assert pale(tab) == [] and unnamed(tab) == []


def test_a_readers_verdicts_on_twins_come_back(tab, browser, folder, capsys):
    tab.show(folder / "twins/index.html")
    tab.run(
        """(() => { const items = document.querySelectorAll('[data-item]');
        items[0].querySelector('[data-question=key][value=yes]').click();
        items[1].querySelector('[data-question=key][value=no]').click(); })()"""
    )
    finished = browser.finished_downloads
    before = set(browser.downloads.glob("*")) if browser.downloads.is_dir() else set()
    tab.run("document.querySelector('.save').click()")
    browser.wait(lambda: browser.finished_downloads > finished, "no download")
    (saved,) = set(browser.downloads.glob("*")) - before
    assert read_verdicts(saved, twin_page.FORM, twin_page.QUESTIONS).counts("key") == {"yes": 1, "no": 1, "cannot tell": 0}
    assert main(["twins", "--verdicts", str(saved)]) == 0
    assert "key     50.0% yes" in capsys.readouterr().out
    saved.unlink()
