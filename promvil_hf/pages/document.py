# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A whole page: one file that loads nothing from elsewhere, written in one piece or not at all.

The content security policy lets in data: pictures, the page's own style and one known script (by its hash). Were a
script ever to slip through the escaping, the browser would still refuse to run it and to fetch anything.
"""

import base64
import hashlib
import os
import re
import unicodedata
from pathlib import Path

from promvil_hf.files import atomic_write
from promvil_hf.pages.elements import Content, Html, escape, fragment, tag
from promvil_hf.pages.judgement import SCRIPT
from promvil_hf.pages.theme import DARK, LIGHT, style_sheet


_SCRIPT_HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    f"script-src 'sha256-{_SCRIPT_HASH}'; base-uri 'none'; form-action 'none'"
)
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' fill='none' stroke-width='2'%3E"
    "%3Cpath stroke='%238b8578' d='M1 1h14v14H1z'/%3E%3Cpath stroke='%230a64ad' d='M4.5 4.5h7v7h-7z'/%3E%3C/svg%3E"
)


def page(title: str, *content: Content, lead: Content = None, footer: Content = None, language: str = "en") -> Html:
    """A whole page. `content` may hold generators: they are read while the page is written."""
    head = Html(
        f'<!doctype html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(CONTENT_SECURITY_POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="color-scheme" content="light dark">\n'
        f'<meta name="theme-color" content="{LIGHT["paper"]}" media="(prefers-color-scheme: light)">\n'
        f'<meta name="theme-color" content="{DARK["paper"]}" media="(prefers-color-scheme: dark)">\n'
        f'<link rel="icon" href="{_ICON}">\n'
        f"<title>{escape(title)}</title>\n<style>{style_sheet()}</style>\n</head>\n<body>\n"
    )
    switch = tag(
        "label",
        tag("input", type="checkbox", id="marks", checked=True, autocomplete="off"),
        tag("span", "Show the marks on pictures. Press and hold a picture to see it without them."),
        class_="marks-switch",
    )
    return fragment(
        head,
        tag("header", tag("h1", title), tag("p", lead, class_="lead") if lead else None, switch, class_="top"),
        Html("\n"),
        tag("main", content),
        tag("footer", footer) if footer else None,
        Html("\n</body>\n</html>\n"),
    )


def section(title: str, *content: Content, level: int = 2, anchor: str | None = None) -> Html:
    """A titled part of a page; `contents` links to it by its title, or by `anchor` where titles repeat."""
    name = anchor or anchor_of(title)
    return fragment(tag("section", tag(f"h{level}", title), content, id=name), Html("\n"))


def contents(*titles: str) -> Html:
    """Links to the sections of these titles."""
    return tag(
        "nav",
        tag("ol", [tag("li", tag("a", title, href=f"#{anchor_of(title)}")) for title in titles]),
        class_="contents",
        aria_label="Contents",
    )


def anchor_of(title: str) -> str:
    """The name by which links reach a section: its title in lower case with dashes."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "section"


def write(path: str | os.PathLike, page: Html) -> Path:
    """Writes the page piece by piece beside its place, then moves it there: a page is whole or it is not there."""
    with atomic_write(path) as file:
        file.writelines(page.chunks())
    return Path(path)
