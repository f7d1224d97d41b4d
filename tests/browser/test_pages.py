# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Pages in a real browser: nothing leaves, text stays text, a phone can show it, and verdicts come back.

Each check is also shown a page that is wrong on purpose, so that it is known to be able to fail.
"""

import json
import time

import numpy as np
import pytest
from PIL import Image, ImageDraw

from promvil_hf.boxes import Box
from promvil_hf.pages import (
    Bar,
    BoxMark,
    Heat,
    Html,
    JudgementItem,
    MaskMark,
    Question,
    Series,
    bar_chart,
    bullets,
    chain_strip,
    code,
    contents,
    details,
    facts,
    figure,
    gallery,
    heat_map,
    judgement_form,
    line_chart,
    link,
    marked_text,
    note,
    page,
    paragraph,
    read_verdicts,
    section,
    stat,
    table,
    tiles,
    write,
)
from promvil_hf.phrases import GroundedPhrase, PhraseChain, PhraseStep


pytestmark = pytest.mark.browser

CANARY = "canary.promvil.test"
ATTACKS = (
    "<script>document.title='taken'</script>",
    f"<img src=http://{CANARY}/a.png onerror=\"document.title='taken'\">",
    f"\"'><link rel=stylesheet href=http://{CANARY}/a.css><svg onload=\"document.title='taken'\">",
    "</style></title></textarea><script>document.title='taken'</script>",
    "&lt;script&gt;document.title='taken'&lt;/script&gt;",
    "{{7*7}} javascript:document.title='taken'",
)
QUESTIONS = (Question("mask", "Is the mask right?"), Question("good", "Is it a good sample?", ("yes", "no")))


def scene() -> Image.Image:
    image = Image.new("RGB", (320, 240), "#e8e4da")
    draw = ImageDraw.Draw(image)
    draw.ellipse((40, 60, 140, 160), fill="#c33")
    draw.rectangle((180, 90, 280, 190), fill="#36c")
    return image


def full_page(words: tuple[str, ...]) -> Html:
    """A page with every kind of block, in which the words stand wherever text can stand."""
    a, b, c, d, e, f = words
    image = scene()
    circle, square = Box(0.12, 0.24, 0.45, 0.68), Box(0.55, 0.36, 0.89, 0.8)
    grid = np.zeros((24, 24))
    grid[6:16, 3:11] = 1
    chain = PhraseChain(
        a,
        (
            PhraseStep(GroundedPhrase(a, (circle,))),
            PhraseStep(GroundedPhrase(f"the square beside {b}", (square,)), (0,), (c,)),
        ),
    )
    levels = [a, b, c]
    items = [
        JudgementItem(key, figure(image, alt=key, boxes=[BoxMark(circle, key)], caption=key), title=key)
        for key in words
    ]
    return page(
        a,
        contents(b),
        section(
            b,
            paragraph(c, link(d, "#top")),
            bullets([a, b]),
            tiles(stat(a, 0.5, b), stat(c, d, e)),
            note(a, paragraph(b)),
            note(c, d, warn=True),
            table([[a, 1, b], [c, 2, d]], [a, b, c], caption=d),
            table([[n] * 12 for n in range(3)], [f"a long heading {n}" for n in range(12)]),
            details(a, facts({a: b, c: code(d * 20)}), opened=True),
            code(e * 5),
            marked_text([(a, True), (b, False)]),
        ),
        section(
            c,
            line_chart(
                [
                    Series(a, levels, [0.9, 0.8, 0.6], [0.8, 0.7, 0.5], [1, 0.9, 0.7]),
                    Series(b, levels, [0.7, 0.5, 0.2]),
                ],
                alt=a,
                x_label=b,
                y_label=c,
                caption=d,
            ),
            bar_chart([Bar(a, 0.5, 0.4, 0.6), Bar(f * 3, -0.2, colour=1)], alt=b, caption=c),
            heat_map(
                Heat(np.arange(-16, 16).reshape(4, 8), signed=True), alt=a, row_label=b, column_label=c, rings=[(1, 2)]
            ),
        ),
        section(
            d,
            chain_strip(image, chain, alt=a),
            gallery(
                [
                    figure(image, alt=a, boxes=[BoxMark(circle, "circle"), BoxMark(square, "sq")], caption=b),
                    figure(image, alt=a, boxes=[BoxMark(circle, c), BoxMark(square, d)]),
                    figure(image, alt=a, masks=[MaskMark(grid, e)], caption=f),
                    figure(image, alt=a, heat=Heat(grid, label=a)),
                ]
            ),
        ),
        section(e, judgement_form(items, QUESTIONS, form=a)),
        lead=f,
        footer=e,
    )


PLAIN = ("one", "two words", "three plain words", "a fourth wording", "the fifth", "and a sixth")


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory):
    return write(tmp_path_factory.mktemp("pages") / "hostile.html", full_page(ATTACKS))


@pytest.fixture(scope="module")
def plain_page(tmp_path_factory):
    return write(tmp_path_factory.mktemp("pages") / "plain.html", full_page(PLAIN))


def leaving(tab, browser) -> list[str]:
    """What the page asked for beyond its own file and the pictures inside it."""
    tab.run("new Promise(done => setTimeout(done, 150))")  # speculative connections come late
    outside = [url for url in tab.requests if not url.startswith(("file:", "data:", "blob:"))]
    return outside + [line for line in browser.dead_end.asked if CANARY in line]


def too_wide(tab) -> list[str]:
    """Elements that stick out of the screen to the right, scrolling boxes and hidden text aside."""
    return tab.run(
        """(() => {
        const width = document.documentElement.clientWidth, out = [];
        if (document.documentElement.scrollWidth > width) out.push('the page');
        for (const element of document.body.querySelectorAll('*')) {
          if (element.closest('.scroll, pre, .unseen, .picture > *, svg')) continue;
          if (element.getBoundingClientRect().right > width + 0.5) out.push(element.outerHTML.slice(0, 100));
        }
        return out; })()"""
    )


def pale(tab) -> list[str]:
    """Texts whose contrast with the ground they stand on is below 4.5."""
    return tab.run(
        """(() => {
        const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
        const light = (rgb) => { const [r, g, b] = rgb.slice(0, 3).map((v) => v / 255)
          .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
          return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const ground = (element) => {
          for (let e = element; e; e = e.parentElement) {
            const rgb = channels(getComputedStyle(e).backgroundColor);
            if (rgb.length < 4 || rgb[3] === 1) return rgb;
          }
          return [255, 255, 255];
        };
        const out = new Set(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
          const element = walker.currentNode.parentElement;
          if (!walker.currentNode.data.trim() || element.closest('script, style, title, noscript, .unseen')) continue;
          const style = getComputedStyle(element);
          if (style.visibility === 'hidden') continue;
          const ink = element.closest('svg') ? style.fill : style.color;
          const [high, low] = [light(channels(ink)), light(ground(element))].sort((a, b) => b - a);
          const ratio = (high + 0.05) / (low + 0.05);
          if (ratio < 4.5) out.add(ratio.toFixed(2) + ' ' + element.outerHTML.slice(0, 80));
        }
        return [...out]; })()"""
    )


def unnamed(tab) -> list[str]:
    """What a screen reader could not name: pictures without alt, fields without label, headings of no scope."""
    return tab.run(
        """[...document.querySelectorAll('img:not([alt]), th:not([scope]), html:not([lang])'),
        ...[...document.querySelectorAll('input, textarea')].filter((field) => !field.labels.length),
        ...[...document.querySelectorAll('svg[role=img]')].filter((svg) => !svg.querySelector('title')),
        ...[...document.querySelectorAll('fieldset')].filter((set) => !set.querySelector('legend'))]
        .map((element) => element.outerHTML.slice(0, 100))"""
    )


# One browser, one page with everything


def test_no_request_leaves_a_page_of_hostile_text(tab, browser, hostile_page):
    tab.show(hostile_page)
    assert leaving(tab, browser) == []
    assert tab.problems == []


def test_an_expression_with_a_script_tag_shows_as_text(tab, hostile_page):
    tab.show(hostile_page)
    assert tab.run("document.title") == ATTACKS[0]
    shown = tab.run("document.body.innerText")
    for attack in ATTACKS:
        assert attack in shown
    assert tab.run("document.querySelectorAll('script').length") == 1  # the form's own
    assert tab.run("document.querySelectorAll('[onerror], [onload], link[rel=stylesheet]').length") == 0


@pytest.mark.parametrize("width", [320, 390, 820, 1280])
def test_nothing_sticks_out_of_any_screen(tab, hostile_page, width):
    tab.show(hostile_page, width=width, phone=width < 800)
    assert too_wide(tab) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read_in_both_themes(tab, plain_page, scheme):
    tab.show(plain_page, scheme=scheme)
    ground = tab.run("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(250, 249, 246)", "dark": "rgb(18, 20, 23)"}[scheme]
    assert pale(tab) == []


def test_everything_has_a_name_for_those_who_cannot_see_it(tab, plain_page):
    tab.show(plain_page)
    assert unnamed(tab) == []


def test_a_box_is_drawn_over_the_very_pixels_it_names(tab, tmp_path):
    circle = Box(40 / 320, 60 / 240, 140 / 320, 160 / 240)
    shown = figure(scene(), alt="a circle and a square", boxes=[BoxMark(circle, "circle")])
    tab.show(write(tmp_path / "page.html", page("T", shown)), width=390, phone=True)
    picture, box = tab.run(
        """[document.querySelector('img'), document.querySelector('rect.edge')].map((element) => {
        const { x, y, width, height } = element.getBoundingClientRect(); return [x, y, width, height]; })"""
    )
    x, y, width, height = picture
    expected = [x + width / 8, y + height / 4, width * 100 / 320, height * 100 / 240]
    edge = 2.25  # the browser counts the stroke in or leaves it out
    assert box == pytest.approx(expected, abs=edge + 0.5)


def test_marks_can_be_taken_off(tab, plain_page):
    tab.show(plain_page)
    visible = (
        "[...document.querySelectorAll('.mark')].filter((m) => getComputedStyle(m).visibility === 'visible').length"
    )
    assert tab.run(visible) > 10
    tab.run("document.querySelector('#marks').click()")
    assert tab.run(visible) == 0


def test_a_page_without_pictures_has_no_switch_for_marks(tab, tmp_path):
    tab.show(write(tmp_path / "page.html", page("T", paragraph("text"))))
    assert tab.run("getComputedStyle(document.querySelector('.marks-switch')).display") == "none"


# Judging


def judge(tab, browser, path):
    """Answers some questions by clicking, saves, and gives the file the browser wrote."""
    tab.show(path)
    tab.run(
        """(() => { const items = document.querySelectorAll('[data-item]');
        items[0].querySelector('[data-question=mask][value=yes]').click();
        items[0].querySelector('[data-question=good][value=no]').click();
        items[2].querySelector('[data-question=mask][value="cannot tell"]').click();
        const type = (field, text) => {
          field.value = text; field.dispatchEvent(new Event('input', { bubbles: true })); };
        type(items[0].querySelector('textarea'), '  <b>"blurred"</b> \\ud83d\\ude42 ');
        type(document.querySelector('.judge'), 'Ada'); })()"""
    )
    before = set(browser.downloads.glob("*")) if browser.downloads.is_dir() else set()
    finished = browser.finished_downloads
    tab.run("document.querySelector('.save').click()")
    browser.wait(lambda: browser.finished_downloads > finished, "no download")
    (saved,) = set(browser.downloads.glob("*")) - before
    return saved


def test_verdicts_saved_by_the_page_read_back(tab, browser, hostile_page):
    saved = judge(tab, browser, hostile_page)
    assert tab.run("document.querySelector('.progress').textContent") == "1 of 6 judged"
    verdicts = read_verdicts(saved)
    assert (verdicts.form, verdicts.judge, verdicts.items) == (ATTACKS[0], "Ada", ATTACKS)
    assert verdicts.questions == QUESTIONS
    assert verdicts.answers == {ATTACKS[0]: {"mask": "yes", "good": "no"}, ATTACKS[2]: {"mask": "cannot tell"}}
    assert verdicts.remarks == {ATTACKS[0]: '<b>"blurred"</b> \U0001f642'}
    assert verdicts.counts("mask") == {"yes": 1, "no": 0, "cannot tell": 1}
    assert leaving(tab, browser) == []
    saved.unlink()


def test_the_browser_keeps_verdicts_over_a_reload_and_forgets_them_when_asked(tab, browser, plain_page):
    judge(tab, browser, plain_page).unlink()
    tab.show(plain_page)
    assert tab.run("document.querySelector('.progress').textContent") == "1 of 6 judged"
    assert "Went on from 1" in tab.run("document.querySelector('.said').textContent")
    tab.run("window.confirm = () => true; document.querySelector('.clear').click()")
    assert tab.run("document.querySelector('.progress').textContent") == "0 of 6 judged"
    tab.show(plain_page)
    assert tab.run("document.querySelectorAll('input[type=radio]:checked').length") == 0


def open_file(tab, text: str) -> str:
    tab.run(
        f"""(() => {{ const files = new DataTransfer(), field = document.querySelector('.open');
        files.items.add(new File([{json.dumps(text)}], 'verdicts.json'));
        field.files = files.files; field.dispatchEvent(new Event('change')); }})()"""
    )
    deadline = time.monotonic() + 5
    while not (said := tab.run("document.querySelector('.said').textContent")) and time.monotonic() < deadline:
        time.sleep(0.02)
    return said


def test_a_saved_file_can_be_opened_again_and_another_pages_file_cannot(tab, browser, plain_page):
    saved = judge(tab, browser, plain_page)
    text = saved.read_text()
    saved.unlink()
    tab.run("localStorage.clear()")
    tab.show(plain_page)
    assert tab.run("document.querySelector('.progress').textContent") == "0 of 6 judged"
    assert open_file(tab, text) == "Opened: 1 judged."
    assert tab.run("document.querySelector('.judge').value") == "Ada"
    tab.run("document.querySelector('.said').textContent = ''")
    other = json.dumps({**json.loads(text), "fingerprint": "another"})
    assert open_file(tab, other) == "This file cannot be opened: it belongs to another page."
    tab.run("document.querySelector('.said').textContent = ''")
    assert "cannot be opened" in open_file(tab, text[:40])
    assert tab.run("document.querySelector('.progress').textContent") == "1 of 6 judged"


def test_the_form_works_where_the_browser_keeps_nothing(tab, browser, plain_page):
    deny = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied'); } })"
    tab.send("Page.addScriptToEvaluateOnNewDocument", source=deny)
    saved = judge(tab, browser, plain_page)
    assert read_verdicts(saved).judge == "Ada" and tab.problems == []
    saved.unlink()


def test_next_open_goes_to_the_first_question_without_an_answer(tab, plain_page):
    tab.show(plain_page)
    tab.run("document.querySelector('[data-question=mask]').click(); document.querySelector('.next').click()")
    assert tab.run("document.activeElement.name") == "1-good"


# Each check can fail


def test_a_request_that_leaves_is_seen(tab, browser, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text(f"<!doctype html><title>bad</title><img src='http://{CANARY}/pixel.png'>")
    tab.show(bad)
    seen = leaving(tab, browser)
    assert any(url == f"http://{CANARY}/pixel.png" for url in seen)
    assert any(line.startswith("GET http://") for line in seen), "the request did not reach the proxy"
    browser.dead_end.asked.clear()


def test_a_script_that_runs_is_seen(tab, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text(str(page("good", Html(ATTACKS[0]))).replace("Content-Security-Policy", "X-None"))
    tab.show(bad)
    assert tab.run("document.title") == "taken"


def test_even_markup_smuggled_past_the_escaping_can_neither_run_nor_ask(tab, browser, tmp_path):
    tab.show(write(tmp_path / "bad.html", page("good", *map(Html, ATTACKS))))
    assert tab.run("document.title") == "good"
    assert [line for line in browser.dead_end.asked if CANARY in line] == []
    assert any("Content Security Policy" in problem for problem in tab.problems)


def test_what_sticks_out_is_pale_or_has_no_name_is_seen(tab, tmp_path):
    bad = tmp_path / "bad.html"
    wrong = "<div style='width:900px;color:#aaa'>wide</div><img src='data:,'><input><table><tr><th>x</table>"
    write(bad, page("T", Html(wrong)))
    tab.show(bad, width=390, phone=True)
    assert any("900px" in element for element in too_wide(tab))
    assert any("wide" in element for element in pale(tab))
    assert len(unnamed(tab)) == 3
