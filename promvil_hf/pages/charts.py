# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Small charts drawn as SVG and plain boxes: curves, bars and heat maps of a table, each with intervals where given.

Their numbers stand in the page as text too, so that a chart is never the only way to read them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promvil_hf.pages.blocks import NO_NUMBER, details, estimate, known_interval, number, table
from promvil_hf.pages.colours import SERIES_LIGHT, as_hex, diverging, sequential
from promvil_hf.pages.elements import Content, Html, captioned, described, short, tag
from promvil_hf.pages.figures import Heat, colour_bar, heat_indices


_WIDTH, _HEIGHT = 440, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 14, 10, 28
_MOST_WITH_POINTS = 40  # beyond, a curve is drawn without points and its numbers are not listed
_COLOURS = len(SERIES_LIGHT)
_DASHES = (None, "7 4", "2 4", "9 3 2 3", "5 3", "1 5")


@dataclass(frozen=True, slots=True)
class Series:
    """One curve. `low` and `high` are its intervals; a y that is NaN or None leaves a gap."""

    name: str
    x: Sequence[float | str]
    y: Sequence[float | None]
    low: Sequence[float | None] | None = None
    high: Sequence[float | None] | None = None
    colour: int | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, with its interval where known."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    colour: int = 0


def line_chart(
    series: Sequence[Series],
    *,
    alt: str,
    x_label: str = "",
    y_label: str = "",
    y_range: tuple[float, float] | None = None,
    caption: Content = None,
) -> Html:
    """Curves over numbers, or over names such as levels where x holds text. `alt` says in words what they show."""
    chart, curves, names = plotted(series, alt, y_range)
    return tag(
        "figure",
        tag("p", y_label, class_="axis-name") if y_label else None,
        chart,
        tag("p", x_label, class_="axis-name below") if x_label else None,
        _key(curves) if len(curves) > 1 else None,
        captioned(caption),
        _numbers(curves, names, x_label) if all(curve.is_short for curve in curves) else None,
        class_="chart",
    )


def plotted(
    series: Sequence[Series], alt: str, y_range: tuple[float, float] | None = None, **attributes: object
) -> tuple[Html, list["_Curve"], list[str]]:
    """Axes and curves as one svg element, the curves, and the names along x if there are any."""
    if not series:
        raise ValueError("You passed no series to line_chart: pass at least one.")
    for one in series:
        lengths = {len(values) for values in (one.x, one.y, one.low, one.high) if values is not None}
        if len(lengths) > 1:
            raise ValueError(
                f"You passed the series {one.name!r} whose x, y, low and high differ in length: {sorted(lengths)}."
            )
    named = any(isinstance(x, str) for one in series for x in one.x)
    names = list(dict.fromkeys(str(x) for one in series for x in one.x)) if named else []
    curves = [_Curve.of(one, index, names) for index, one in enumerate(series)]
    x_low, x_high = (-0.5, len(names) - 0.5) if named else _range([curve.x for curve in curves], margin=0.02)
    y_low, y_high = y_range or _range([v for curve in curves for v in (curve.y, curve.low, curve.high)], margin=0.08)
    if not y_low < y_high:
        raise ValueError(f"You passed y_range={y_range}: the first number must lie below the second.")

    def across(x):
        return _LEFT + (x - x_low) / (x_high - x_low) * (_WIDTH - _LEFT - _RIGHT)

    def down(y):
        return _HEIGHT - _BOTTOM - (y - y_low) / (y_high - y_low) * (_HEIGHT - _TOP - _BOTTOM)

    drawn: list[Html] = []
    y_ticks, y_names = _ticks(y_low, y_high, 5)
    for y, text in zip(y_ticks, y_names, strict=True):
        drawn.append(_line(_LEFT, down(y), _WIDTH - _RIGHT, down(y), "rule"))
        drawn.append(tag("text", text, x=_LEFT - 8, y=short(down(y) + 4), text_anchor="end"))
    drawn.append(_line(_LEFT, _HEIGHT - _BOTTOM, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM, "axis"))
    x_ticks, x_names = (range(len(names)), names) if named else _ticks(x_low, x_high, 6)
    room = int((_WIDTH - _LEFT - _RIGHT) / max(len(x_names), 1) / 7)  # characters; the whole names stand below

    def cut(text: str) -> str:
        return text if len(text) <= room else text[: max(room - 1, 1)] + "…"

    for x, text in zip(x_ticks, x_names, strict=True):
        drawn.append(tag("text", cut(text), x=short(across(x)), y=_HEIGHT - _BOTTOM + 18, text_anchor="middle"))

    shapes = []
    step = 7.0 if named and len(curves) > 1 else 0.0  # apart, so that intervals do not hide each other
    for index, curve in enumerate(curves):
        shift = (index - (len(curves) - 1) / 2) * step
        shapes += _drawn(curve, lambda x, shift=shift: across(x) + shift, down, bars=named or curve.is_short)
    # an inner svg cuts off what lies beyond the range
    inside = (_LEFT - 8, 0, _WIDTH - _LEFT - _RIGHT + 16, _HEIGHT - _BOTTOM + 6)
    place = dict(zip(("x", "y", "width", "height"), inside, strict=True))
    drawn.append(tag("svg", shapes, viewBox=" ".join(map(str, inside)), **place))

    box = f"0 0 {_WIDTH} {_HEIGHT}"
    return tag("svg", tag("title", described(alt)), drawn, viewBox=box, role="img", **attributes), curves, names


def bar_chart(
    bars: Sequence[Bar],
    *,
    alt: str,
    caption: Content = None,
) -> Html:
    """Bars from 0 to the right (or left), each with its number and interval in words."""
    if not bars:
        raise ValueError("You passed no bars to bar_chart: pass at least one.")
    known = [v for bar in bars for v in (bar.value, bar.low, bar.high) if v is not None and math.isfinite(v)]
    low, high = min([0.0, *known]), max([0.0, *known]) or 1.0

    def share(value: float) -> float:
        return (value - low) / (high - low)

    zero = share(0.0)
    rows = []
    for bar in bars:
        track: list[Html] = []
        is_known = bar.value is not None and math.isfinite(bar.value)
        if is_known:
            start, end = sorted((zero, share(bar.value)))
            side = " negative" if bar.value < 0 else ""
            track.append(tag("span", class_=f"fill{side} s{bar.colour % _COLOURS}", style=_between(start, end)))
        track.append(tag("span", class_="zero", style=f"left:{short(100 * zero)}%"))
        spread = known_interval(bar.low, bar.high) if is_known else None
        if spread:
            track.append(tag("span", class_="span", style=_between(share(bar.low), share(bar.high))))
        amount = number(bar.value) if is_known else NO_NUMBER
        rows.append(
            tag(
                "li",
                tag("span", bar.label),
                tag("span", track, class_="track", aria_hidden="true"),
                tag("span", amount, [" ", tag("small", spread)] if spread else None, class_="amount"),
            )
        )
    return tag(
        "figure",
        tag("ul", rows, class_="bars", aria_label=described(alt)),
        captioned(caption),
        class_="chart",
    )


def heat_map(
    heat: np.ndarray | Heat,
    *,
    alt: str,
    row_label: str = "row",
    column_label: str = "column",
    row_names: Sequence[str] | None = None,
    rings: Sequence[tuple[int, int]] = (),
    caption: Content = None,
) -> Html:
    """A table of numbers as coloured cells, such as layer x head. `rings` circles cells (row, column); rows are numbered
    from 0 unless they have names.

    Each cell shows its value when pointed at. For dense maps over an image use `figure(heat=...)`.
    """
    heat = heat if isinstance(heat, Heat) else Heat(heat)
    lowest, highest, indices = heat_indices(heat)
    rows, columns = indices.shape
    if indices.size > 10_000:
        raise ValueError(
            f"You passed {rows} x {columns} values to heat_map, which draws every cell: at most 10,000. "
            "Use figure(heat=...) for dense maps."
        )
    if any(not (0 <= row < rows and 0 <= column < columns) for row, column in rings):
        raise ValueError(f"You passed rings {list(rings)} for a map of {rows} x {columns} cells, numbered from 0.")
    values = np.asarray(heat.values, dtype=float)
    row_names = list(map(str, range(rows))) if row_names is None else row_names
    titles = [
        f"{row_label} {row_names[row]}, {column_label} {column}: {number(value)}"
        for (row, column), value in np.ndenumerate(values)
    ]
    return tag(
        "figure",
        tag("p", f"{row_label} ↓  {column_label} →", class_="axis-name"),
        _cells(indices, titles, row_names, rings, diverging() if heat.signed else sequential(), alt),
        colour_bar(lowest, highest, heat.signed, heat.label),
        captioned(caption),
        class_="chart",
    )


def _cells(
    indices: np.ndarray,
    titles: Sequence[str],
    row_names: Sequence[str],
    rings: Sequence[tuple[int, int]],
    colours: np.ndarray,
    alt: str,
) -> Html:
    """The cells of a heat map, with the names of rows and the numbers of columns beside them."""
    rows, columns = indices.shape
    cell = max(6.0, min(28.0, 396 / columns))
    left, bottom = max(34, 10 + 7 * max(map(len, row_names))), 22
    width, height = left + columns * cell, rows * cell + bottom

    def middle(row: float, column: float) -> tuple[float, float]:
        return left + (column + 0.5) * cell, (row + 0.5) * cell

    size = {"width": short(cell), "height": short(cell), "shape_rendering": "crispEdges"}
    drawn = []
    for title, ((row, column), index) in zip(titles, np.ndenumerate(indices), strict=True):
        colour = {"class_": "missing"} if index < 0 else {"fill": as_hex(colours[index])}
        x, y = short(left + column * cell), short(row * cell)
        drawn.append(tag("rect", tag("title", title), x=x, y=y, **size, **colour))
    for x, y in (middle(*ring) for ring in rings):
        place = {"cx": short(x), "cy": short(y), "r": short(cell * 0.5)}
        drawn += [tag("circle", class_="ring-casing", **place), tag("circle", class_="ring", **place)]
    for row in _every(rows, cell, 16):
        drawn.append(tag("text", row_names[row], x=left - 7, y=short(middle(row, 0)[1] + 4), text_anchor="end"))
    for column in _every(columns, cell, 24):
        x = short(middle(0, column)[0])
        drawn.append(tag("text", column, x=x, y=short(rows * cell + 16), text_anchor="middle"))
    return tag(
        "svg",
        tag("title", described(alt)),
        drawn,
        viewBox=f"0 0 {short(width)} {short(height)}",
        role="img",
        class_="small" if width < 300 else None,
        style=f"max-width:{short(1.35 * width)}px",
    )


@dataclass(frozen=True, slots=True)
class _Curve:
    name: str
    colour: int
    dash: str | None
    shape: int
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, series: Series, index: int, names: Sequence[str]) -> "_Curve":
        places = {name: place for place, name in enumerate(names)}
        x = [places[str(x)] for x in series.x] if names else series.x
        missing = [None] * len(series.y)
        colour = (index if series.colour is None else series.colour) % _COLOURS
        columns = (x, series.y, *(missing if bound is None else bound for bound in (series.low, series.high)))
        x, y, low, high = (np.array([np.nan if v is None else float(v) for v in column]) for column in columns)
        return cls(series.name, colour, _DASHES[index % len(_DASHES)], index % 4, x, y, low, high)

    @property
    def is_short(self) -> bool:
        return len(self.x) <= _MOST_WITH_POINTS


def _drawn(curve: _Curve, across, down, bars: bool) -> list[Html]:
    drawn = []
    xs, ys = across(curve.x), down(curve.y)
    spread = np.isfinite(curve.low) & np.isfinite(curve.high) & np.isfinite(ys)
    lows, highs = down(curve.low), down(curve.high)
    if bars:
        for x, low, high in zip(xs[spread], lows[spread], highs[spread], strict=True):
            path = (
                f"M{short(x)} {short(low)}V{short(high)}M{short(x - 4)} {short(low)}h8M{short(x - 4)} {short(high)}h8"
            )
            drawn.append(tag("path", d=path, class_=f"whisker s{curve.colour}"))
    else:
        for run in _runs(spread):
            there = [f"{short(x)} {short(y)}" for x, y in zip(xs[run], highs[run], strict=True)]
            back = [f"{short(x)} {short(y)}" for x, y in zip(xs[run][::-1], lows[run][::-1], strict=True)]
            drawn.append(tag("path", d=f"M{'L'.join(there + back)}Z", class_=f"band s{curve.colour}"))
    for run in _runs(np.isfinite(ys)):
        points = "L".join(f"{short(x)} {short(y)}" for x, y in zip(xs[run], ys[run], strict=True))
        drawn.append(tag("path", d=f"M{points}", class_=f"curve s{curve.colour}", stroke_dasharray=curve.dash))
    if curve.is_short:
        drawn += [_point(x, y, curve) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
    return drawn


def _point(x: float, y: float, curve: _Curve) -> Html:
    name = f"point s{curve.colour}"
    if curve.shape == 0:
        return tag("circle", cx=short(x), cy=short(y), r=4.5, class_=name)
    corners = (
        ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        ((0, -5.2), (5, 4), (-5, 4)),
        ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)),
    )[curve.shape - 1]
    return tag("path", d=f"M{'L'.join(f'{short(x + dx)} {short(y + dy)}' for dx, dy in corners)}Z", class_=name)


def key_line(curve: _Curve, **attributes: object) -> Html:
    """What stands before the name of a curve."""
    line = tag("path", d="M1 7h28", class_=f"curve s{curve.colour}", stroke_dasharray=curve.dash)
    point = _point(15, 7, curve) if curve.is_short else None
    return tag("svg", line, point, width=30, height=14, aria_hidden="true", **attributes)


def _key(curves: Sequence[_Curve]) -> Html:
    entries = [tag("li", key_line(curve), tag("span", curve.name)) for curve in curves]
    return tag("ul", entries, class_="legend")


def _numbers(curves: Sequence[_Curve], names: Sequence[str], x_label: str) -> Html:
    by_place = [
        dict(zip(curve.x.tolist(), zip(curve.y, curve.low, curve.high, strict=True), strict=True)) for curve in curves
    ]
    rows = []
    for place in sorted({place for known in by_place for place in known}):
        cells = []
        for known in by_place:
            y, low, high = known.get(place, (None, math.nan, math.nan))
            cells.append(estimate(y, low, high))
        rows.append([names[int(place)] if names else number(place), *cells])
    header = [x_label or "x", *(curve.name for curve in curves)]
    return details("Numbers", table(rows, header, numeric=range(1, len(header))), quiet=True)


def _range(arrays: Sequence[np.ndarray], margin: float) -> tuple[float, float]:
    known = np.concatenate([array[np.isfinite(array)] for array in arrays])
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    room = (high - low) * margin or abs(high) * 0.1 or 1.0
    return 0.0 if 0 <= low < room else low - room, high + room


def _ticks(low: float, high: float, about: int) -> tuple[list[float], list[str]]:
    """Round numbers inside the range, about so many, with as many decimals as they need."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    ticks = [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]
    decimals = max(0, -math.floor(math.log10(step))) + (round(step / power, 2) == 2.5)
    if max(abs(low), abs(high)) >= 1e6 or decimals > 6:
        return ticks, [f"{tick:.3g}" for tick in ticks]
    return ticks, [f"{tick + 0.0:,.{decimals}f}".replace(",", "\u202f").replace("-", "−") for tick in ticks]


def _every(count: int, cell: float, room: float) -> range:
    step = next(step for step in (1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128, 10_000) if step * cell >= room)
    return range(0, count, step)


def _runs(flags: np.ndarray) -> list[slice]:
    """The stretches where the flags hold."""
    edges = np.flatnonzero(np.diff(np.r_[0, flags.astype(int), 0]))
    return [slice(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _line(x0: float, y0: float, x1: float, y1: float, name: str) -> Html:
    return tag("path", d=f"M{short(x0)} {short(y0)}L{short(x1)} {short(y1)}", class_=name)


def _between(start: float, end: float) -> str:
    return f"left:{short(100 * start)}%;width:{short(100 * (end - start))}%"
