# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How a report is shown: a table for the terminal, and one static page with curves, tables and pictures of cases.

Both say first what makes the number comparable, and why it may not be.
"""

import heapq
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from promvil_hf import pages
from promvil_hf.boxes import Box
from promvil_hf.evaluation.comparison import Comparison
from promvil_hf.evaluation.metric_words import in_words
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.report_text import (
    chance_text,
    fault_lines,
    interval_text,
    listed,
    nested_lines,
    numbers_beside,
    settings_beside,
    shown,
    text_table,
)
from promvil_hf.evaluation.results import Report
from promvil_hf.images import UnreadableImage
from promvil_hf.metrics.intervals import PairedTest


MOST_LINES = 30  # of a table in the terminal; on the page longer ones are folded
CASES = 6  # pictures of each kind on a page
_GOLD, _SAID, _BEFORE = 0, 1, 2  # mark colours


def table_text(report: Report) -> str:
    """The report for a terminal."""
    scores, spread = report.scores, report.scores["interval"]
    interval = _spread(spread["low"], spread["high"], spread["confidence"])
    head = [
        ("benchmark", f"{report.title}, {report.benchmark['rows']:,} rows of {report.benchmark['images']:,} images"),
        ("content hash", report.benchmark["content_hash"][:16]),
        (in_words(scores["metric"]), f"{shown(scores['value'])} {interval or ''}".rstrip()),
        *([("chance", chance)] if (chance := chance_text(scores)) else []),
    ]
    if report.answers.get("ids"):
        head.append(("ids of the answers", report.answers["ids"]))
    head += [(in_words(name), shown(value)) for name, value in numbers_beside(scores).items()]
    head += [(in_words(name), listed(value)) for name, value in settings_beside(scores).items()]
    width = max(len(name) for name, _ in head)
    lines = [f"{name:<{width}}  {value}" for name, value in head]
    for title, rows in scores["tables"].items():
        header, body = _header_and_rows(title, rows)
        lines += ["", *text_table(header, body[:MOST_LINES])]
        lines += [f"... and {len(body) - MOST_LINES:,} more, on the page"] if len(body) > MOST_LINES else []
    lines += [f"answers with the problem {name!r}: {count:,}" for name, count in scores["problems"].items()]
    lines += [f"fault: {line}" for line in fault_lines(report.faults)]
    lines += [f"warning: {warning}" for warning in report.benchmark["warnings"]]
    lines += [f"note: {note}" for note in _notes(scores)]
    return "\n".join(lines)


def write_page(
    path: str | os.PathLike, report: Report, pictures: Pictures | None = None, comparison: Comparison | None = None
) -> Path:
    """The report as one HTML file. With a comparison it also shows what changed, with pictures of both answers."""
    return pages.write(path, report_page(report, pictures, comparison))


def report_page(report: Report, pictures: Pictures | None = None, comparison: Comparison | None = None) -> pages.Html:
    scores = report.scores
    parts: list[pages.Html] = [_headline(report)]
    parts += [
        pages.note("Read this first", warning, warn=True) for warning in (*report.benchmark["warnings"], *_notes(scores))
    ]
    if comparison is not None:
        parts.append(_changes(comparison, pictures))
    if "level" in scores["tables"]:
        parts.append(_curve(report, comparison.before if comparison is not None else None))
    for title, rows in scores["tables"].items():
        header, body = _header_and_rows(title, rows)
        table = pages.table(body, header)
        parts.append(
            pages.section(f"By {title}", pages.details(f"{len(body):,} parts", table) if len(body) > MOST_LINES else table)
        )
    if scores["problems"] or report.faults:
        parts.append(_faults(report))
    best, worst = _best_and_worst(report)
    parts.append(pages.section("Worst cases", _cases(worst, report, pictures)))
    parts.append(pages.section("Best cases", _cases(best, report, pictures)))
    parts.append(
        pages.section(
            "What makes this comparable",
            pages.facts(
                {
                    "benchmark": report.title,
                    "rows": f"{report.benchmark['rows']:,} of {report.benchmark['images']:,} images",
                    "content hash": pages.tag("code", report.benchmark["content_hash"]),
                    "files": ", ".join(report.benchmark["files"]) or "made in memory",
                    **{in_words(name): listed(value) for name, value in settings_beside(scores).items()},
                    "chance": chance_text(scores) or "not known",
                    "interval": interval_text(scores["interval"]),
                }
            ),
            pages.details("Where the answers come from", pages.code(nested_lines(report.answers))),
            pages.details("Environment", pages.code(nested_lines(report.environment))),
        )
    )
    lead = f"{report.benchmark['rows']:,} rows, scored by {in_words(scores['metric'])}."
    return pages.page(f"{report.title}: {in_words(scores['metric'])} {shown(scores['value'])}", *parts, lead=lead)


def _headline(report: Report) -> pages.Html:
    scores, spread = report.scores, report.scores["interval"]
    stats = [
        pages.stat(
            in_words(scores["metric"]), scores["value"], _spread(spread["low"], spread["high"], spread["confidence"])
        )
    ]
    if scores.get("chance") is not None:
        stats.append(pages.stat("chance", scores["chance"], scores["settings"].get("chance")))
    wanted = (
        "accuracy@0.5", "accuracy@0.75", "accuracy@0.9", "accuracy@0.5:0.95", "absent_refused_rate", "false_refusal_rate",
        "absent_unreadable_rate", "n_acc", "t_acc", "ap", "box_f1", "auroc", "figure_accuracy", "question_accuracy",
        "picture_accuracy", "group_accuracy", "pair_accuracy", "mean_iou", "parse_rate", "refused_rate", "no_box_rate",
        "unreadable_rate", "ceiling@0.5", "accuracy", "precision", "recall", "yes_rate", "unknown_rate", "validity",
        "binary", "open", "tail", "head", "delta",
    )  # fmt: skip
    stats += [
        pages.stat(in_words(name), scores[name]) for name in wanted if scores.get(name) is not None and name != scores["metric"]
    ]
    stats.append(pages.stat("rows", report.benchmark["rows"], f"{report.answers['rows_answered']:,} answered"))
    return pages.tiles(*stats)


def _curve(report: Report, before: Report | None) -> pages.Html:
    metric = in_words(report.scores["metric"])
    series = []
    for name, one in (("before", before), (metric if before is None else "after", report)):
        levels = one.scores["tables"].get("level") if one is not None else None
        if levels:
            columns = ([line.get(key) for line in levels.values()] for key in ("accuracy", "low", "high"))
            series.append(pages.Series(name, list(levels), *columns))
    names, values = series[-1].x, series[-1].y
    return pages.section(
        "Accuracy per level",
        pages.line_chart(
            series,
            alt=f"{metric} per level: {pages.number(values[0])} at level {names[0]}, "
            f"{pages.number(values[-1])} at level {names[-1]}.",
            x_label="level",
            y_label=metric,
            y_range=(0.0, 1.0),
            caption="Level 1 is a simple phrase; each further level refers to the one before. Bars are intervals over images.",
        ),
    )


def _header_and_rows(title: str, rows: dict[str, dict]) -> tuple[list[str], list[list]]:
    names = list(dict.fromkeys(name for line in rows.values() for name in line))
    return [title, *map(in_words, names)], [[label, *(line.get(name) for name in names)] for label, line in rows.items()]


def _faults(report: Report) -> pages.Html:
    lines = [f"{count:,} answers: {name}" for name, count in report.scores["problems"].items()]
    lines += fault_lines(report.faults)
    return pages.section(
        "What was wrong with the answers",
        pages.paragraph(
            "Answers are matched by id. Whatever could not be read or matched is counted here and scores 0."
        ),
        pages.bullets(lines),
    )


def _best_and_worst(report: Report) -> tuple[list[dict], list[dict]]:
    best = _first(report.rows, lambda row: (-row["score"], row["id"]))
    return best, _first(report.rows, lambda row: (row["score"], not row["said"], row["id"]))  # answers before missing ones


def _first(rows: Sequence[dict], order: Callable[[dict], tuple]) -> list[dict]:
    """The first scored rows in this order, one of each picture, without sorting all of them."""
    taken = 16 * CASES
    while True:
        found = heapq.nsmallest(taken, (row for row in rows if row["score"] is not None), key=order)
        chosen = _spread_out(found)
        if len(chosen) == CASES or taken >= len(rows):
            return chosen
        taken *= 16


def _spread_out(rows: Iterable[dict]) -> list[dict]:
    """The first rows, one of each picture, so that the cases differ."""
    seen, chosen = set(), []
    for row in rows:
        if row["image"] not in seen:
            seen.add(row["image"])
            chosen.append(row)
        if len(chosen) == CASES:
            break
    return chosen


def _changes_by_level(levels: Mapping[int, PairedTest], corrected: Mapping[int, float]) -> pages.Html:
    rows = []
    for level, test in levels.items():
        change = test.difference
        spread = _spread(change.low, change.high, change.confidence)
        rows.append([level, change.estimate, spread or "", test.p_value, corrected[level], test.rows, test.changed_rows])
    header = ["level", "change", "interval", "p-value", f"corrected for {len(levels)} levels", "rows", "rows changed"]
    return pages.table(rows, header)


def _changes(comparison: Comparison, pictures: Pictures | None) -> pages.Html:
    change = comparison.test.difference
    before = {row["id"]: row for row in comparison.before.rows}
    after = {row["id"]: row for row in comparison.after.rows}

    def cases(ids: Sequence[str]) -> pages.Content:
        rows = _spread_out([after[row_id] for row_id in ids])
        return _cases(rows, comparison.after, pictures, before)

    return pages.section(
        "What changed",
        pages.tiles(
            pages.stat(
                f"change of {in_words(comparison.row_metric)}",
                change.estimate,
                _spread(change.low, change.high, change.confidence),
            ),
            pages.stat("p-value", comparison.test.p_value, "paired permutation test over images"),
            pages.stat("rows better", len(comparison.better)),
            pages.stat("rows worse", len(comparison.worse)),
        ),
        pages.paragraph(str(comparison).partition("\n")[0]),
        _changes_by_level(comparison.levels, comparison.corrected) if comparison.levels else None,
        pages.section("Better than before", cases(comparison.better), level=3),
        pages.section("Worse than before", cases(comparison.worse), level=3),
    )


def _cases(
    rows: Sequence[dict], report: Report, pictures: Pictures | None, before: dict[str, dict] | None = None
) -> pages.Content:
    if not rows:
        return pages.paragraph("None.")
    return pages.gallery(_case(row, report, pictures, before and before.get(row["id"])) for row in rows)


def _case(row: dict, report: Report, pictures: Pictures | None, was: dict | None) -> pages.Html:
    said = _said(row)
    lines: list[pages.Content] = [
        pages.tag("strong", row["text"], class_="expression"), pages.tag("br"),
        f"{_score_name(report)} {shown(row['score'])}",
    ]  # fmt: skip
    if was is not None:
        lines.append(f", before {shown(was['score'])}")
    if row.get("level"):
        lines.append(f" · level {row['level']}")
    if report.benchmark["kind"] != "grounding":
        lines += [pages.tag("br"), f"answer: {said}", pages.tag("br"), f"truth: {listed(row['gold'])}"]
        if was is not None:
            lines += [pages.tag("br"), f"before: {_said(was)}"]
    elif row.get("note"):
        lines += [pages.tag("br"), row["note"]]
    lines += [pages.tag("br"), pages.tag("span", row["id"], class_="muted")]
    picture = _picture(row["image"], pictures)
    if picture is None:
        return pages.tag("figure", pages.tag("figcaption", lines))
    marks = list(_marks(row, was)) if report.benchmark["kind"] == "grounding" else []
    return pages.figure(
        picture, alt=f"The picture of the case: {row['text']}", boxes=marks, caption=lines, max_side=360
    )


def _score_name(report: Report) -> str:
    """What the score of a row is."""
    if report.benchmark["kind"] != "grounding":
        return "score"
    return {"perfect_rate": "F1", "pointing_accuracy": "points inside"}.get(report.scores["metric"], "IoU")


def _marks(row: dict, was: dict | None) -> Iterator[pages.BoxMark]:
    for box in _boxes(row["gold"]):
        yield pages.BoxMark(box, "truth", _GOLD, dashed=True)
    for place, box in enumerate(_boxes(row["said"])[:8]):
        yield pages.BoxMark(box, "answer" if place == 0 else f"answer {place + 1}", _SAID)
    for box in _boxes(was["said"] if was else None)[:1]:
        yield pages.BoxMark(box, "before", _BEFORE)


def _boxes(corners: Any) -> list[Box]:
    rows = [row for row in corners or () if isinstance(row, list) and len(row) in (2, 4) and None not in row]
    found = [Box.clipped(*row) if len(row) == 4 else _around(*row) for row in rows]
    return [box for box in found if box is not None]


def _around(x: float, y: float) -> Box | None:
    """A point, drawn as a small box."""
    return Box.clipped(x - 0.01, y - 0.01, x + 0.01, y + 0.01)


def _picture(name: str, pictures: Pictures | None):
    if pictures is None or not name:
        return None
    try:
        return pictures.open(name)
    except UnreadableImage:
        return None


def _said(row: dict) -> str:
    return "no answer" if row["said"] is None else listed(row["said"])


def _notes(scores: dict[str, Any]) -> list[str]:
    of_interval = scores["interval"]["note"]
    return [*scores["notes"], *([f"About the interval: {of_interval}."] if of_interval else [])]


def _spread(low: float | None, high: float | None, confidence: float) -> str | None:
    """An interval with its confidence, None where there is none."""
    found = pages.known_interval(low, high)
    return found and f"{found} ({confidence:.0%})"
