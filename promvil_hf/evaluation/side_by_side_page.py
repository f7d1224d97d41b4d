# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How two models on many sets are shown: a table for a terminal, and one static page."""

import os
from pathlib import Path

from promvil_hf import pages
from promvil_hf.evaluation.metric_words import in_words
from promvil_hf.evaluation.report_text import text_table
from promvil_hf.evaluation.side_by_side import Quoted, SetCompared, SideBySide


def summary(found: SideBySide) -> str:
    """The lines for a terminal."""
    return "\n".join(
        [
            f"{found.names[1]} against {found.names[0]}, {_sets(len(found.sets))}",
            *text_table(_header(found), [_cells(one, found.names) for one in found.sets]),
            *(f"note: {sentence}" for sentence in _notes(found)),
            *(f"left out: {sentence}" for sentence in found.left_out),
        ]
    )


def write_page(path: str | os.PathLike, found: SideBySide) -> Path:
    first, second = found.names
    wins = [sum(one.better == side for one in found.sets) for side in (-1, 1)]
    clear = f"after Holm's correction over {_sets(len(found.sets))}"
    parts = [
        pages.tiles(
            pages.stat("sets that both were asked", len(found.sets)),
            pages.stat(f"{second} is better", wins[1], clear),
            pages.stat(f"{first} is better", wins[0], clear),
            pages.stat("not told apart", len(found.sets) - sum(wins)),
        ),
        pages.note("Read this first", pages.bullets(notes), warn=True) if (notes := _notes(found)) else None,
        pages.section("Headline scores", pages.table([_cells(one, found.names) for one in found.sets], _header(found))),
        pages.section(
            "Differences",
            pages.bar_chart(
                [
                    pages.Bar(one.title, one.test.difference.estimate, one.test.difference.low, one.test.difference.high)
                    for one in found.sets
                ],
                alt="; ".join(f"{one.title}: {_difference(one)}" for one in found.sets),
                caption=f"{second} less {first}, with {found.confidence:.0%} intervals. To the right {second} is better.",
            ),
        ),
        pages.section(
            "What chance gives",
            pages.table(
                [[one.title, one.chance, one.chance_by or "not known"] for one in found.sets], ["set", "chance", "by"]
            ),
        ),
    ]
    if found.left_out:
        parts.append(pages.section("Left out", pages.bullets(found.left_out)))
    lead = f"Both answered the same rows of {_sets(len(found.sets))}. Differences are tested in pairs, over whole images."
    return pages.write(path, pages.page(f"{second} against {first}", *parts, lead=lead))


def _header(found: SideBySide) -> list[str]:
    return ["set", "rows", "headline score", *found.names, "chance", "difference", "p-value", "corrected", "better"]


def _cells(one: SetCompared, names: tuple[str, str]) -> list:
    better = {-1: names[0], 0: "not told apart", 1: names[1]}[one.better]
    return [
        one.title, one.rows, in_words(one.metric), _estimate(one.first), _estimate(one.second), one.chance, _difference(one),
        one.test.p_value, one.corrected, better,
    ]  # fmt: skip


def _notes(found: SideBySide) -> list[str]:
    said = []
    if len(found.sets) > 1:
        said.append(
            f"{len(found.sets)} sets are compared at once, so p-values are corrected by Holm: the chance that any set is wrongly "
            f"called better stays below {1 - found.confidence:.0%}. The intervals are of each set by itself."
        )
    other = [one for one in found.sets if one.tested != one.metric]
    if other:
        named = ", ".join(one.title for one in other)
        said.append(f"The difference on {named} is of the {in_words(other[0].tested)}: the headline there is no mean over rows.")
    near = {
        name: [one.title for one in found.sets if _not_above_chance(quoted(one), one.chance)]
        for name, quoted in zip(found.names, (lambda one: one.first, lambda one: one.second), strict=True)
    }
    for name, titles in near.items():
        if titles:
            said.append(f"{name} is not above chance on {', '.join(titles)}.")
    return said


def _not_above_chance(quoted: Quoted, chance: float | None) -> bool:
    return None not in (chance, quoted.low) and quoted.low <= chance


def _estimate(quoted: Quoted) -> str:
    return pages.estimate(quoted.value, quoted.low, quoted.high)


def _difference(one: SetCompared) -> str:
    change = one.test.difference
    spread = pages.known_interval(change.low, change.high)
    return f"{'+' if change.estimate > 0 else ''}{pages.number(change.estimate)}{f' {spread}' if spread else ''}"


def _sets(count: int) -> str:
    return "1 set" if count == 1 else f"{count} sets"


