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


def shown(value: Any) -> str:
    """A number for people, a dash where there is none; text as it is."""
    return str(value) if isinstance(value, (bool, str)) else number(value, 4)


def listed(value: Any) -> str:
    return ", ".join(map(listed, value)) if isinstance(value, (list, tuple)) else str(value)
