# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How pages look: one style sheet for phone, desktop, dark rooms and paper, with no font or file from elsewhere.

Everything is set from a few custom properties, so that the contrast test can read the very colours a page uses. The rules
are in `page.css` and `print.css`, and in `charts.css` what a chart in a file of its own needs too.
"""

from pathlib import Path

from promvil_hf.pages.colours import MARKS, SERIES_DARK, SERIES_LIGHT, ink_on


LIGHT = {
    "paper": "#faf9f6",
    "surface": "#ffffff",
    "sunken": "#f1efea",
    "line": "#dedad2",
    "control": "#8b8578",
    "ink": "#1f2328",
    "muted": "#5c6068",
    "accent": "#0a5a9c",
    "on-accent": "#ffffff",
    "done": "#00704f",
    "warn": "#8a4b00",
    "highlight": "#ffe9a8",
}
DARK = {
    "paper": "#121417",
    "surface": "#1a1d21",
    "sunken": "#22262b",
    "line": "#33383f",
    "control": "#7d848e",
    "ink": "#e9e7e2",
    "muted": "#a5abb4",
    "accent": "#7fbdf5",
    "on-accent": "#0d1a26",
    "done": "#4fd1a5",
    "warn": "#f2b25c",
    "highlight": "#5a4a12",
}


def style_sheet() -> str:
    """The style sheet of every page."""
    light = _properties(LIGHT, SERIES_LIGHT)
    dark = _properties(DARK, SERIES_DARK)
    marks = "".join(
        f".m{i}{{--mark:{colour};--mark-ink:{ink_on(colour)}}}.s{i}{{--series:var(--series-{i})}}"
        for i, colour in enumerate(MARKS)
    )
    return (
        f":root{{color-scheme:light dark;{light}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f"{_rules('charts.css')}{_rules('page.css')}{marks}"
        f"@media print{{:root{{color-scheme:light;{light}}}{_rules('print.css')}}}"
    )


def chart_style_sheet() -> str:
    """The style sheet of a chart that stands in a file of its own."""
    light, dark = _properties(LIGHT, SERIES_LIGHT), _properties(DARK, SERIES_DARK)
    series = "".join(f".s{i}{{--series:var(--series-{i})}}" for i in range(len(SERIES_LIGHT)))
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{_rules('charts.css')}{series}"


def _properties(colours: dict[str, str], series: tuple[str, ...]) -> str:
    named = {**colours, **{f"series-{i}": colour for i, colour in enumerate(series)}}
    return "".join(f"--{name}:{colour};" for name, colour in named.items())


def _rules(name: str) -> str:
    """A style sheet beside this file."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
