# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The plain blocks of a page: text, tables, tiles, notes, code, folded parts and galleries."""

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real

from promvil_hf.pages.elements import Content, Html, tag


NO_NUMBER = "–"


def paragraph(*content: Content) -> Html:
    return tag("p", content)


def link(text: Content, target: str) -> Html:
    """A link to a place in the page (#name), a relative file or an http(s) address, which learns nothing of it."""
    outside = target.startswith(("http://", "https://"))
    return tag("a", text, href=target, rel="noopener noreferrer" if outside else None)


def note(head: str, *content: Content, warn: bool = False) -> Html:
    """A remark set apart from the text."""
    return tag("div", tag("p", head, class_="head"), content, class_="note warn" if warn else "note", role="note")


def code(text: str) -> Html:
    """Text in fixed width, every blank kept. It scrolls."""
    return tag("pre", tag("code", text), tabindex=0)


def marked_text(spans: Iterable[tuple[str, bool]]) -> Html:
    """Text in fixed width, its true spans highlighted and the others faint: what is supervised, what matched."""
    words = [tag("mark", text) if marked else tag("span", text, class_="faint") for text, marked in spans]
    return tag("pre", tag("code", words), class_="wrap")


def details(summary: Content, *content: Content, opened: bool = False, quiet: bool = False) -> Html:
    """A part that unfolds, in a frame or, if `quiet`, as a small line."""
    inside = tag("div", content, class_="inside")
    return tag("details", tag("summary", summary), inside, open=opened, class_="quiet" if quiet else None)


def facts(pairs: Mapping[str, Content] | Iterable[tuple[str, Content]]) -> Html:
    """Names and what belongs to them, line by line: an environment, a configuration."""
    pairs = pairs.items() if isinstance(pairs, Mapping) else pairs
    return tag("dl", [(tag("dt", name), tag("dd", _shown(value))) for name, value in pairs], class_="facts")


def bullets(items: Iterable[Content]) -> Html:
    return tag("ul", [tag("li", item) for item in items], class_="list")


def stat(label: str, value: Content, detail: Content = None) -> Html:
    """One figure in a tile: what it is, its value, and what makes it comparable (interval, number of rows)."""
    return tag(
        "div",
        tag("div", label, class_="label"),
        tag("div", _shown(value), class_="value"),
        tag("div", detail, class_="detail") if detail is not None else None,
        class_="stat",
    )


def tiles(*stats: Html) -> Html:
    return tag("div", stats, class_="tiles")


def gallery(figures: Iterable[Content], least_width: int = 256) -> Html:
    """Figures side by side, as many in a row as fit at `least_width` pixels. `figures` may be a generator."""
    return tag("div", figures, class_="gallery", style=f"--least:{int(least_width)}px")


def beside(figure: Content, *content: Content) -> Html:
    """A figure with content on its right; below it where the page is narrow."""
    return tag("div", figure, tag("div", content), class_="pair")


def slides(figures: Sequence[Content]) -> Html:
    """Two to four figures in one place, shown in turn; side by side on paper and for readers who asked for less motion."""
    if not 2 <= len(figures) <= 4:
        raise ValueError(f"You passed {len(figures)} figures as slides: two to four are shown in turn.")
    return tag("div", [tag("div", figure, class_="slide") for figure in figures], class_=f"slides of{len(figures)}")


def table(
    rows: Iterable[Sequence[Content]],
    header: Sequence[Content] = (),
    *,
    caption: Content = None,
    numeric: Iterable[int] | None = None,
) -> Html:
    """A table that scrolls sideways where it is wider than the screen.

    Columns that hold nothing but numbers stand flush right; `numeric` names them where the cells are text already, as
    in "0.61 [0.58, 0.64]". The first cell of each row is its heading.
    """
    rows = [list(row) for row in rows]
    width = len(header) or (len(rows[0]) if rows else 0)
    for index, row in enumerate(rows):
        if len(row) != width:
            raise ValueError(
                f"You passed a table whose row {index} has {len(row)} cells where {width} are expected: {row!r:.200}"
            )
    columns = range(width)
    flush = {c for c in columns if _is_numeric(row[c] for row in rows)} if numeric is None else set(numeric)
    if not flush <= set(columns):
        raise ValueError(f"You passed numeric={sorted(flush)} for a table of {width} columns, numbered from 0.")

    def cell(name: str, column: int, content: Content, **attributes: object) -> Html:
        return tag(name, _shown(content), class_="number" if column in flush else None, **attributes)

    def head_cell(column: int) -> Html:  # a heading without words names nothing
        return cell("th", column, header[column], scope="col") if header[column] else tag("td")

    head = tag("thead", tag("tr", [head_cell(c) for c in columns])) if header else None
    body = [
        tag("tr", [cell("th", 0, row[0], scope="row"), *(cell("td", c, row[c]) for c in columns[1:])]) for row in rows
    ]
    return tag(
        "figure",
        tag("figcaption", caption) if caption else None,
        tag(
            "div",
            tag("table", head, tag("tbody", body)),
            class_="scroll",
            tabindex=0,
            role="group",
            aria_label=caption if isinstance(caption, str) else "Table",
        ),
        class_="table",
    )


def number(value: float | None, digits: int = 3) -> str:
    """A number for people: thousands apart, `digits` significant digits, a dash where there is none."""
    if value is None:
        return NO_NUMBER
    if isinstance(value, Integral):
        return f"{int(value):,}".replace(",", "\u202f")
    value = float(value) + 0.0  # no minus before a zero
    if math.isnan(value):
        return NO_NUMBER
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size and not 10**-digits <= size < 1e6:
        text = f"{value:.{digits - 1}e}"
    elif size >= 10 ** (digits - 1):
        text = f"{value:,.0f}".replace(",", "\u202f")
    else:
        after = digits if size < 1 else digits - 1 - int(math.log10(size))
        text = f"{value:.{after}f}"
    return text.replace("-", "−") if "e" not in text else text


def interval(low: float, high: float, digits: int = 3) -> str:
    """An interval as people write it: [0.580, 0.641]."""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def known_interval(low: float | None, high: float | None, digits: int = 3) -> str | None:
    """The interval, or None where a bound is not known."""
    known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    return interval(low, high, digits) if known else None


def estimate(value: float | None, low: float | None, high: float | None, digits: int = 3) -> str:
    """A number with its interval where there is one: 0.610 [0.580, 0.641]."""
    spread = known_interval(low, high, digits)
    return f"{number(value, digits)} {spread}" if spread else number(value, digits)


def _shown(content: Content) -> Content:
    if isinstance(content, bool):
        return "yes" if content else "no"
    return number(content) if content is None or isinstance(content, Real) else content


def _is_numeric(cells: Iterable[Content]) -> bool:
    cells = list(cells)
    return any(isinstance(cell, Real) for cell in cells) and all(
        cell is None or (isinstance(cell, Real) and not isinstance(cell, bool)) for cell in cells
    )
