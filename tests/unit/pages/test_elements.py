# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Whatever is not markup by construction shows as text."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promvil_hf.pages import Html, fragment, link, tag
from promvil_hf.pages.elements import described, escape


class Reader(HTMLParser):
    def __init__(self, markup):
        super().__init__(convert_charrefs=True)
        self.tags, self.text = [], ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@settings(deadline=None, derandomize=True)
@given(st.text())
def test_any_text_stays_text_in_content_and_in_attributes(text):
    read = Reader(str(tag("p", text, title=text)))
    assert [name for name, _ in read.tags] == ["p"]
    shown = re.sub(r"\r\n?", "\n", re.sub(r"\[U\+\w{4}\]", "?", read.text))
    assert len(shown) == len(re.sub(r"\r\n?", "\n", text))
    assert set(read.tags[0][1]) == {"title"}
    str(tag("p", text)).encode("utf-8")  # can be written whatever it holds


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "&lt;b&gt;", "\"'><img src=x onerror=alert(1)>", "</title>"]
)
def test_hostile_text_reads_back_as_it_was(text):
    read = Reader(str(tag("td", text)))
    assert read.text == text and len(read.tags) == 1


def test_characters_html_cannot_hold_show_as_symbols():
    assert escape("a\x00b\x1b[31m\x7f\ud800\ufffe\n") == "a\u2400b\u241b[31m\u2421\ufffd\ufffd\n"


def test_marks_that_turn_the_direction_of_writing_are_shown_and_not_obeyed():
    assert escape("a \u202egnp.exe \u2067\u200f") == "a [U+202E]gnp.exe [U+2067][U+200F]"
    written = str(tag("img", alt="\u202e", data_item="\u202e\x1b"))
    assert written == '<img alt="[U+202E]" data-item="\u202e\u241b">'  # data are read back, and not shown


def test_a_string_made_from_markup_is_text_again():
    assert str(tag("p", f"{Html('<b>x</b>')}")) == "<p>&lt;b&gt;x&lt;/b&gt;</p>"


def test_none_and_false_leave_attributes_out_and_true_keeps_the_bare_name():
    assert (
        str(tag("input", checked=True, disabled=False, value=None, aria_label="a")) == '<input checked aria-label="a">'
    )


def test_numbers_lists_and_none_are_content():
    assert str(fragment(1, None, ["a", [Html("<br>"), 2.5]])) == "1a<br>2.5"


@pytest.mark.parametrize(
    "target",
    [
        "javascript:alert(1)",
        " JaVaScript:x",
        "java\nscript:x",
        "data:text/html,x",
        "//host/x",
        "vbscript:x",
        "file:///x",
    ],
)
def test_links_that_could_run_or_leak_are_refused(target):
    with pytest.raises(ValueError, match="a page may point to a place in itself"):
        link("x", target)


@pytest.mark.parametrize(
    "target", ["#part", "other.html", "https://example.org/a?b=c#d", "mailto:a@b.c", "../a/b.html"]
)
def test_plain_links_pass(target):
    assert f'href="{target}"' in str(link("x", target))


def test_event_handlers_and_outside_pictures_are_refused():
    with pytest.raises(ValueError, match="pages carry no event handlers"):
        tag("p", onclick="x")
    with pytest.raises(ValueError, match="a page carries its pictures inside"):
        tag("img", src="https://example.org/x.png")


def test_a_blank_alt_is_refused():
    with pytest.raises(ValueError, match="say in a few words what the picture shows"):
        described("  ")


def test_generators_are_read_only_while_the_markup_is_written():
    made = []

    def items():
        for i in range(3):
            made.append(i)
            yield tag("li", i)

    nested = fragment(tag("ul", [tag("b", "first"), items()]))
    assert nested.is_lazy and made == []
    chunks = nested.chunks()
    while "<li>" not in next(chunks):
        pass
    assert made == [0]
    assert "".join(chunks).endswith("<li>2</li></ul>") and made == [0, 1, 2]


def test_a_generator_cannot_silently_give_an_empty_page_the_second_time():
    html = tag("ul", (tag("li", i) for i in range(2)))
    assert str(html) == "<ul><li>0</li><li>1</li></ul>"
    with pytest.raises(ValueError, match="read only once"):
        str(html)
    assert repr(html) == "Html(made while it is written)"
