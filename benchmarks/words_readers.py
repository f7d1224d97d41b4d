# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What readers mark in answers, in the form that people and models can write: `[2:a red hat]` (docs/labelling.md).

A number says which mentions are of one thing, `?` that the words could be guessed without the picture; both may be missing.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from promvil_hf.key_expressions import Turn


_OPENING = re.compile(r"\[(?:(\d*)(\??):)?")


@dataclass(frozen=True, slots=True)
class MarkedRow:
    """One answer as a reader marked it. `things` has the spans of each thing's mentions in the answer."""

    name: str
    kind: str
    turn: Turn
    things: tuple[tuple[tuple[int, int], ...], ...]
    needs_picture: tuple[bool, ...]


def unmarked(marked: str) -> tuple[str, list[list[tuple[int, int]]], list[bool]]:
    """The text without its marks, the spans of each thing's mentions, and which things need the picture."""
    text, spans, needs, opened, at = "", {}, {}, [], 0
    while at < len(marked):
        if marked[at] == "[":
            found = _OPENING.match(marked, at)
            opened.append((found[1] or f"alone {at}", bool(found[2]), len(text)))
            at = found.end()
        elif marked[at] == "]":
            if not opened:
                raise ValueError(f"A mark is closed that was not opened: …{marked[max(at - 40, 0) : at + 1]}")
            name, can_be_guessed, start = opened.pop()
            spans.setdefault(name, []).append((start, len(text)))
            needs[name] = needs.get(name, True) and not can_be_guessed
            at += 1
        else:
            text += marked[at]
            at += 1
    if opened:
        raise ValueError(f"A mark is not closed: {marked[:80]}")
    return text, list(spans.values()), list(needs.values())


def read_marked(path: Path) -> list[MarkedRow]:
    """The rows of a reader's file: one JSON object a line with `file`, `row`, `kind`, `question` and `marked`."""
    rows = []
    for line in filter(None, path.read_text(encoding="utf-8").splitlines()):
        record = json.loads(line)
        text, things, needs = unmarked(record["marked"])
        turn = Turn(0, record["question"], text)
        rows.append(MarkedRow(f"{record['file']}/{record['row']}", record["kind"], turn, tuple(map(tuple, things)), tuple(needs)))
    return rows
