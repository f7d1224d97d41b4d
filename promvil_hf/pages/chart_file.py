# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Line charts as one SVG file that stands by itself: in a README, in a paper, in any browser.

The curves are those of `line_chart`; here they get their names, their title and their colours along. Equal panels give equal
bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from promvil_hf.pages.charts import Series, key_line, plotted
from promvil_hf.pages.elements import Html, described, tag
from promvil_hf.pages.theme import chart_style_sheet


_WIDTH, _HEIGHT = 440, 260  # of the curves
_MARGIN, _LINE = 16, 20
_FONT = 'svg{font-family:-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif}'
_FILE_STYLE = (
    ".sheet{fill:var(--paper)}.chart text.name{fill:var(--ink)}"
    ".chart text.title{font-size:14px;font-weight:600;fill:var(--ink)}"
)


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart of a file."""

    title: str
    series: Sequence[Series]
    x_label: str = ""
    y_label: str = ""
    y_range: tuple[float, float] | None = None


def chart_file(panels: Sequence[Panel], *, alt: str, columns: int = 2) -> str:
    """The text of an SVG file with these panels side by side, `columns` in a row. `alt` says in words what they show."""
    if not panels:
        raise ValueError("You passed no panels to chart_file: pass at least one.")
    columns = min(columns, len(panels))
    names = max(len(panel.series) for panel in panels)
    width = columns * (_WIDTH + _MARGIN) + _MARGIN
    height_of_one = 3 * _LINE + _HEIGHT + _LINE + names * _LINE
    rows = -(-len(panels) // columns)
    drawn = [
        _panel(panel, _MARGIN + number % columns * (_WIDTH + _MARGIN), _MARGIN + number // columns * height_of_one)
        for number, panel in enumerate(panels)
    ]
    height = rows * height_of_one + _MARGIN
    made = tag(
        "svg",
        tag("title", described(alt)),
        Html(f"<style>{_FONT}{chart_style_sheet()}{_FILE_STYLE}</style>"),
        tag("rect", class_="sheet", width=width, height=height),
        drawn,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        class_="chart",
    )
    return f"{made}\n"


def _panel(panel: Panel, left: int, top: int) -> list[Html]:
    below = top + 2 * _LINE
    plot, curves, _ = plotted(panel.series, panel.title, panel.y_range, x=left, y=below, width=_WIDTH, height=_HEIGHT)
    drawn = [
        tag("text", panel.title, class_="title", x=left, y=top + 14),
        tag("text", panel.y_label, x=left, y=top + 14 + _LINE),
        plot,
        tag("text", panel.x_label, x=left + _WIDTH / 2, y=below + _HEIGHT + 12, text_anchor="middle"),
    ]
    for number, curve in enumerate(curves):
        line = below + _HEIGHT + _LINE + 4 + number * _LINE
        drawn += [
            key_line(curve, x=left + 8, y=line),
            tag("text", curve.name, class_="name", x=left + 46, y=line + 11),
        ]
    return drawn
