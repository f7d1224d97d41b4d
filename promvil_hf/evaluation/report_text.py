# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the reports of scores and of reliance have in common as plain text: tables for a terminal, faults, settings."""

from collections.abc import Mapping, Sequence
from typing import Any

from promvil_hf.pages import number


def text_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Lines of a table: the first column flush left, the others flush right."""
    cells = [header, *([shown(cell) for cell in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(header))]
    lines = []
    for label, *others in cells:
        flush = [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([label.ljust(widths[0]), *flush]))
    return lines


def fault_lines(faults: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """How often each fault of a file of answers was met, with the first places."""
    return [f"{fault['count']:,} × {name}, e.g. {', '.join(fault['examples'][:3])}" for name, fault in faults.items()]


def nested_lines(values: Mapping[str, Any], depth: int = 0) -> str:
    """Names and values line by line, those of a mapping set in below its name."""
    lines = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            lines += [f"{'  ' * depth}{name}", nested_lines(value, depth + 1)]
        else:
            lines.append(f"{'  ' * depth}{name}: {listed(value)}")
    return "\n".join(lines)


_FRONT = {"metric", "value", "interval", "rows", "settings", "tables", "problems", "notes", "headline", "chance"}


def numbers_beside(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a report's scores that stand beside the headline."""
    return {name: value for name, value in scores.items() if name not in _FRONT and name != scores["metric"]}


def settings_beside(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were made, without the reason of chance, which stands with its number."""
    return {name: value for name, value in scores["settings"].items() if value is not None and name != "chance"}


def chance_text(scores: Mapping[str, Any]) -> str | None:
    """What chance gives for the headline, and by what; None where it is not known."""
    if scores.get("chance") is None:
        return None
    how = scores["settings"].get("chance")
    return shown(scores["chance"]) + (f", {how}" if how else "")


def interval_text(spread: Mapping[str, Any]) -> str:
    """How an interval was made."""
    over = f"over {spread['clusters']:,} images, pairs or groups"
    if spread["method"] == "wilson":
        return f"{spread['confidence']:.0%}, Wilson's on the effective number of rows {over}: too few for a bootstrap"
    drawn = f"{spread['resamples']:,} resamples, seed {spread['seed']}"
    return f"{spread['confidence']:.0%}, {spread['method']} bootstrap {over}, {drawn}"


def shown(value: Any) -> str:
    """A number for people, a dash where there is none; text as it is."""
    return str(value) if isinstance(value, (bool, str)) else number(value, 4)


def listed(value: Any) -> str:
    return ", ".join(map(listed, value)) if isinstance(value, (list, tuple)) else str(value)
