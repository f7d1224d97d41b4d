# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How `PictureNeeded` is shown: some lines for a terminal, and one static page. Both say what the numbers cannot say."""

import os
from dataclasses import asdict
from pathlib import Path

from promvil_hf import pages
from promvil_hf.evaluation.metric_words import in_words
from promvil_hf.evaluation.picture_needed import BlindRun, PictureNeeded
from promvil_hf.evaluation.report_text import fault_lines, interval_text, text_table
from promvil_hf.evaluation.results import Report
from promvil_hf.metrics.intervals import Interval


_HEADER = (
    "blind run", "accuracy", "share of the accuracy with picture", "rows no other run answers", "accuracy on them",
    "guessing gives",
)  # fmt: skip


def summary(found: PictureNeeded, needed: Report | None = None) -> str:
    """The lines for a terminal; `needed` is the report of the answers with the picture, on the needed rows alone."""
    lines = [
        f"Was the picture needed? {found.title}, {found.rows:,} rows, by {found.row_metric} of a row",
        f"accuracy with the picture {_shown(found.seen)}" + (
            f"; guessing gives {pages.number(found.chance)}, a share of {pages.number(_of_guessing(found))}"
            if found.chance is not None else ""
        ),
        *text_table(_HEADER, [_cells(run) for run in found.runs]),
        f"rows that at least one blind run answers: {_shown(found.answered_blind)}",
        f"rows that no blind run answers: {len(found.needed):,}"
        + (f"; accuracy with the picture on them {_shown(found.seen_on_needed)}" if found.seen_on_needed else ""),
    ]  # fmt: skip
    if needed is not None and in_words(needed.scores["metric"]) != found.row_metric:
        spread, scores = needed.scores["interval"], needed.scores
        estimate = pages.estimate(scores["value"], spread["low"], spread["high"])
        lines.append(f"{in_words(scores['metric'])} on these rows {estimate}")
    lines += [f"fault of {run.name}: {line}" for run in found.runs for line in fault_lines(run.faults)]
    return "\n".join([*lines, *(f"note: {sentence}" for sentence in notes(found))])


def notes(found: PictureNeeded) -> list[str]:
    """What a reader must know before these numbers are used."""
    several = len(found.runs) > 1
    said = [
        "A blind run has no right answer on the rows that it helped to choose, because they were chosen so; that says nothing "
        "about it. "
        + (
            "So each run is scored on the rows that the other runs got wrong. A run that only guesses, independently of the "
            "others, stays inside what guessing gives there."
            if several
            else "With a second blind run (another model, or the same one with other wording) each is scored on the rows that "
            "the other got wrong."
        )
    ]
    for run in found.runs:
        if run.held_out is not None and run.held_out.beyond_guessing:
            said.append(
                f"{run.name} is right on {pages.number(run.held_out.accuracy.estimate)} of the rows that no other blind run "
                "answers, more than guessing gives. Either it knows something about these questions that the others do not, or "
                "it prefers other answers than they do: where only two answers are possible, a run that always says yes is right "
                "wherever another wrongly said no."
            )
    if len(found.needed_answers) == 1 or max(found.needed_answers.values(), default=0) > 0.8 * len(found.needed):
        listed = ", ".join(f"{count:,} × {answer}" for answer, count in sorted(found.needed_answers.items()))
        said.append(
            f"The right answers on the remaining rows are one-sided ({listed}): a run that always says this is right on them. "
            "Use blind runs that prefer either answer, or do not use these rows as a benchmark."
        )
    if found.left_by_guessing is not None:
        said.append(
            f"If every blind run only guessed, {pages.number(found.left_by_guessing)} of the {found.rows:,} rows would remain. "
            "Rows are also removed by luck: with few possible answers and many runs hardly any row remains, needed or not."
        )
    else:
        said.append("Of some rows the possible answers are not listed, so what guessing gives is not known.")
    if not found.needed:
        said.append("No row remains: each is answered by some blind run.")
    return said


def write_page(path: str | os.PathLike, found: PictureNeeded, needed: Report | None = None) -> Path:
    return pages.write(path, picture_needed_page(found, needed))


def picture_needed_page(found: PictureNeeded, needed: Report | None = None) -> pages.Html:
    first = found.runs[0]
    tiles = [
        pages.stat("accuracy with the picture", found.seen.estimate, _spread(found.seen)),
        pages.stat("share that stays blind", first.share.estimate, f"{_spread(first.share) or first.share.note}, {first.name}"),
        pages.stat("rows no blind run answers", len(found.needed), f"of {found.rows:,}"),
    ]
    if found.chance is not None:
        tiles.append(pages.stat("share that guessing keeps", _of_guessing(found), f"chance {pages.number(found.chance)}"))
    if found.seen_on_needed is not None:
        spread = _spread(found.seen_on_needed)
        tiles.append(pages.stat("accuracy on these rows", found.seen_on_needed.estimate, spread))
    if needed is not None and in_words(needed.scores["metric"]) != found.row_metric:
        scores, bounds = needed.scores, needed.scores["interval"]
        spread = pages.known_interval(bounds["low"], bounds["high"])
        tiles.append(pages.stat(f"{in_words(scores['metric'])} on these rows", scores["value"], spread))
    bars = [pages.Bar(run.name, run.share.estimate, *_bounds(run.share)) for run in found.runs]
    if found.chance is not None:
        bars.append(pages.Bar("guessing", _of_guessing(found), colour=1))
    faults = [f"{run.name}: {line}" for run in found.runs for line in fault_lines(run.faults)]
    return pages.page(
        f"Was the picture needed? {found.title}",
        pages.tiles(*tiles),
        pages.section(
            "What stays without the picture",
            pages.paragraph(
                f"The same {found.rows:,} questions were answered with the picture and without it. The share is the accuracy "
                "without the picture over the accuracy with it. Intervals come from resampling images."
            ),
            pages.bar_chart(bars, alt="Share of the accuracy that each blind run keeps."),
            pages.table([_cells(run) for run in found.runs], _HEADER, numeric=range(1, 6)),
        ),
        pages.section(
            "The rows that need the picture",
            pages.paragraph(
                f"{len(found.needed):,} of {found.rows:,} rows are answered right by no blind run "
                f"({_shown(found.answered_blind)} of the rows are answered by at least one). Their ids stand in "
                "needed_ids.jsonl: pass this file as --ids to score any other run on these rows."
            ),
            pages.note("Before you use them", pages.bullets(notes(found)), warn=True),
        ),
        pages.section("What was wrong with the blind answers", pages.bullets(faults)) if faults else None,
        pages.section(
            "What makes this comparable",
            pages.facts(
                {
                    "rows": f"{found.rows:,}",
                    "content hash": pages.tag("code", found.content_hash),
                    "a row is right by": found.row_metric,
                    "interval": interval_text(asdict(found.seen)) + "; a row without an image counts as an image of its own",
                }
            ),
        ),
        lead="How much of a score can be had from the questions alone.",
    )


def _cells(run: BlindRun) -> list[str]:
    cells = [run.name, _shown(run.accuracy), _shown(run.share)]
    if run.held_out is None:
        return [*cells, pages.blocks.NO_NUMBER, pages.blocks.NO_NUMBER, pages.blocks.NO_NUMBER]
    bounds = pages.known_interval(run.held_out.guess_low, run.held_out.guess_high)
    return [*cells, pages.number(run.held_out.rows), _shown(run.held_out.accuracy), bounds or pages.blocks.NO_NUMBER]


def _of_guessing(found: PictureNeeded) -> float | None:
    return found.chance / found.seen.estimate if found.chance is not None and found.seen.estimate else None


def _shown(found: Interval) -> str:
    return pages.estimate(found.estimate, found.low, found.high)


def _spread(found: Interval) -> str | None:
    return pages.known_interval(found.low, found.high)


def _bounds(found: Interval) -> tuple[float | None, float | None]:
    return (found.low, found.high) if _spread(found) else (None, None)
