# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the parts of the demo's page share: differences in words, and pictures at a size to look at."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image

from promvil_hf import pages
from promvil_hf.commands.demo.fivl import file_name
from promvil_hf.commands.demo.world import Worlds
from promvil_hf.images import read_image
from promvil_hf.metrics.intervals import Interval


def verdict(gain: Interval, what: str) -> str:
    """A difference with its interval, and what may be said of it."""
    if math.isnan(gain.low):
        return f"{what}: {signed(gain.estimate)}, without an interval ({gain.note or 'undefined'})."
    difference = f"{what}: {signed(gain.estimate)} {pages.interval(gain.low, gain.high)}."
    if gain.low > 0:
        return f"{difference} The 95 % interval lies above 0: better."
    if gain.high < 0:
        return f"{difference} The 95 % interval lies below 0: worse, the claim does not hold in this run."
    return f"{difference} No clear difference: the 95 % interval includes 0."


def signed(value: float) -> str:
    return ("+" if value > 0 else "") + pages.number(value)


def spread(interval: Interval, write: Callable[[float], str] = pages.number) -> str:
    """An estimate with its interval; `signed` writes it as a difference."""
    return f"{write(interval.estimate)} {pages.interval(interval.low, interval.high)}"


def interval(record: dict) -> str:
    return "" if record["low"] is None else pages.interval(record["low"], record["high"])


def cell(record: dict | None) -> str:
    return "–" if record is None else f"{pages.number(record['estimate'])} {interval(record)}"


def large(image, side: int = 256):
    """Scenes are 64 pixels wide: enlarged without blur."""
    return image.resize((side, side), Image.Resampling.NEAREST)


def written(worlds: Worlds, name: str):
    """A held-out scene that was talked about, as it was written, enlarged."""
    return large(read_image(Path(worlds.folders["talk_test"], name)))


def linked(about: str, names: Iterable[str], page: str):
    """A paragraph with a link for each name; `page` is a path with a place for the name's file."""
    return pages.paragraph(about, [[pages.link(name, page.format(file_name(name))), " "] for name in names])
