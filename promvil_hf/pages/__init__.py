# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Static, self-contained HTML pages: one file, no network, readable on a phone, all text escaped.

    write("report.html", page("Report", section("Scores", table(rows, header))))

Functions return `Html`; whatever else is put into a page is escaped. Pass generators where there is much to show: they
are read while the page is written.
"""

from promvil_hf.pages.blocks import (
    beside,
    bullets,
    code,
    details,
    estimate,
    facts,
    gallery,
    interval,
    known_interval,
    link,
    marked_text,
    note,
    number,
    paragraph,
    slides,
    stat,
    table,
    tiles,
)
from promvil_hf.pages.charts import Bar, Series, bar_chart, heat_map, line_chart
from promvil_hf.pages.document import contents, page, section, write
from promvil_hf.pages.elements import Content, Html, fragment, tag
from promvil_hf.pages.figures import BoxMark, Heat, MaskMark, Panel, chain_strip, figure, strip
from promvil_hf.pages.judgement import JudgementItem, Question, Verdicts, judgement_form, read_verdicts


__all__ = [
    "Bar",
    "BoxMark",
    "Content",
    "Heat",
    "Html",
    "JudgementItem",
    "MaskMark",
    "Panel",
    "Question",
    "Series",
    "Verdicts",
    "bar_chart",
    "beside",
    "bullets",
    "chain_strip",
    "code",
    "contents",
    "details",
    "estimate",
    "facts",
    "figure",
    "fragment",
    "gallery",
    "heat_map",
    "interval",
    "judgement_form",
    "known_interval",
    "line_chart",
    "link",
    "marked_text",
    "note",
    "number",
    "page",
    "paragraph",
    "read_verdicts",
    "section",
    "slides",
    "stat",
    "strip",
    "table",
    "tag",
    "tiles",
    "write",
]
