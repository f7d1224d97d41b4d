# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""PromViL's own files: CompoVL rows, one row per step of each chain, and its line files of prompts."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from msgspec.structs import replace

from promvil_hf.boxes import Box
from promvil_hf.compovl.compovl_rows import ABOVE, AS_IT_WAS, CHANGED, negative_step_rows, step_rows
from promvil_hf.evaluation.benchmarks.benchmark_rows import Benchmark, BenchmarkRow, left_out
from promvil_hf.evaluation.benchmarks.known_sizes import size_warning
from promvil_hf.files import Files, one_path, paths_of
from promvil_hf.json_records import Record, read_bytes, records
from promvil_hf.markup import unescape
from promvil_hf.phrases import PROMVIL, PROMVIL_VSR, GroundedPhrase, PhraseChain, from_row


_IMAGE, _TAB = "[image]", "<tab>"
_VIEWS_WITH_STEPS = ("steps", "data")  # the folders of the views steps and default
_PHRASE = ("<grounding><phrase>", "</phrase>")


def read_compovl(files: Files, split: str = "test") -> Benchmark:
    """CompoVL in any of its forms (JSON Lines, a JSON array or Parquet): each step of a chain is a row with its level.

    Of the published data set, or a folder that `promvil build compovl` wrote, the views `default`, `steps` and `negatives` (of a
    folder the split's part of one of the first two, unless the view's own folder is named); a row's id is then the step's
    own. Of the negatives each step is a row, absent or not, and so is the changed step as it was. Of PromViL's training rows
    an id is the number of the chain and of the step, "12/0", and question-answer rows, which hold no boxes, are left out and
    counted. The evidence of a row are the true boxes of the steps it refers to.
    """
    paths = [part for path in paths_of(files) for part in (_built(path, split) if path.is_dir() else [path])]
    rows, lost = [], []
    for path in paths:
        for number, record in enumerate(records(path)):
            if record.has("negative_id"):
                rows += _negative(record)
            elif record.has("steps"):
                rows += map(_step_row, _steps_of(record, step_rows))
            elif record.has("step_id"):
                rows.append(_step_row(record))
            elif record.has("bboxes"):
                prefix = f"{number}" if len(paths) == 1 else f"{path.stem}:{number}"
                rows += _steps(_chain(record), record.text("image_path"), prefix)
            else:
                lost.append("question-answer rows without boxes")
    return Benchmark("compovl", split, "grounding", rows, paths, left_out(lost))


def read_promvil_lines(files: Files, split: str | None = None, labelled: Benchmark | None = None) -> Benchmark:
    """Lines `[image]PATH<tab>PROMPT`, where <tab> is a literal tag. They hold no truth: `labelled` lends it.

    A line's id is its number, from 1. `labelled` is the benchmark the lines were made from; a line takes the truth of
    the row with its image and text, and none where several such rows disagree.
    """
    path = one_path(files, "PromViL's lines of prompts")
    rows = []
    for number, line in enumerate(read_bytes(path).decode("utf-8", "replace").split("\n"), 1):
        if not line.strip():
            continue
        head, tab, prompt = line.rstrip("\r").partition(_TAB)
        if not tab or not head.startswith(_IMAGE):
            raise ValueError(
                f"{path} line {number} is {line[:80]!r}: each line reads [image]PATH<tab>PROMPT, with <tab> spelled out."
            )
        text = prompt
        if prompt.startswith(_PHRASE[0]) and prompt.endswith(_PHRASE[1]):
            text = unescape(prompt.removeprefix(_PHRASE[0]).removesuffix(_PHRASE[1]))
        rows.append(BenchmarkRow(id=str(number), image=PurePosixPath(head.removeprefix(_IMAGE)).name, text=text))
    name = split or _split_of(path)
    warnings = [size_warning("promvil_lines", name, len(rows))]
    if labelled is None:
        return Benchmark("promvil_lines", name, "unlabelled", rows, [path], warnings)
    rows, lost = _labelled(rows, labelled)
    files, warnings = [path, *labelled.files], [*warnings, *left_out(lost)]
    return Benchmark("promvil_lines", name, labelled.kind, rows, files, warnings, labelled.choices_file)


def _built(folder: Path, split: str) -> list[Path]:
    """The Parquet files of a split in a folder that a build wrote, or in one of its views."""
    views = [folder / view for view in _VIEWS_WITH_STEPS if (folder / view).is_dir()] or [folder]
    found = sorted(views[0].glob(f"{split}-*.parquet"))
    if not found:
        there = sorted({path.name.partition("-")[0] for path in views[0].glob("*.parquet")})
        raise ValueError(
            f"{views[0]} has no split {split!r}: it has {', '.join(there)}. Name one with --split."
            if there
            else f"{folder} holds neither {' nor '.join(_VIEWS_WITH_STEPS)} with Parquet files: it is no folder that "
            "`promvil build compovl` finished."
        )
    return found


def _negative(record: Record) -> Iterator[BenchmarkRow]:
    exchanged, units = record.text("kind"), {"negative": record.identifier("negative_id")}
    steps = _steps_of(record, negative_step_rows)
    places = [step.text("place") for step in steps]
    if places.count(CHANGED) != 1:
        raise record.wrong(("changed_step",), record.get("changed_step"), "the number of the first absent step")
    for step, place in zip(steps, places, strict=True):
        absent = place in (CHANGED, ABOVE)
        row = _step_row(step, least=0 if absent else 1)
        row_units = units | {"pair": units["negative"]} if place in (CHANGED, AS_IT_WAS) else units
        yield replace(row, absent=absent, strata={"exchanged": exchanged, "place": place}, units=row_units)


def _steps_of(record: Record, steps_of: Callable[[Mapping], Iterable[Mapping]]) -> list[Record]:
    """The steps of a row of the default view or of the negatives, as rows of the steps view have them."""
    try:
        steps = list(steps_of(record.whole_fields()))
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        raise ValueError(f"{record.where} is no chain of CompoVL: its steps cannot be read ({error!r}).") from error
    return [Record.of(f"{record.where}, step {number}", step) for number, step in enumerate(steps)]


def _step_row(step: Record, least: int = 1) -> BenchmarkRow:
    return BenchmarkRow(
        id=step.identifier("step_id"),
        image=step.text("image_path"),
        text=step.text("text"),
        boxes=_boxes(step, least),
        level=step.whole("level", least=1),
        evidence=tuple(GroundedPhrase(known.text("text"), _boxes(known)) for known in step.records("evidence")),
        image_size=(step.whole("width", least=1), step.whole("height", least=1)),
    )


def _boxes(record: Record, least: int = 0) -> tuple[Box, ...]:
    try:
        boxes = tuple(Box(*corners) for corners in record.get("boxes"))
        if len(boxes) < least:
            raise ValueError
        return boxes
    except (TypeError, ValueError):
        raise record.wrong(("boxes",), record.get("boxes"), "a list of boxes in fractions: x0, y0, x1, y1") from None


def _split_of(path: Path) -> str:
    return next((name for name in ("refcocog_test", "gqa_testdev") if name in path.stem), path.stem)


def _chain(record: Record) -> PhraseChain:
    """Read by the wording that wrote it: PromViL's spatial-relation rows have one of their own."""
    refused = []
    for wording in (PROMVIL, PROMVIL_VSR):
        try:
            return from_row(record.fields, wording)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            refused.append(error)
    raise ValueError(f"{record.where} is no row of nested phrases: {refused[0]}") from refused[0]


def _steps(chain: PhraseChain, image: str, prefix: str) -> list[BenchmarkRow]:
    return [
        BenchmarkRow(
            id=f"{prefix}/{place}",
            image=image,
            text=step.target.text,
            boxes=step.target.boxes,
            level=level,
            evidence=chain.evidence(place),
        )
        for place, (step, level) in enumerate(zip(chain.steps, chain.levels, strict=True))
        if step.target.boxes
    ]


def _labelled(rows: list[BenchmarkRow], labelled: Benchmark) -> tuple[list[BenchmarkRow], list[str]]:
    known: dict[tuple[str, str], list[BenchmarkRow]] = {}
    for row in labelled.rows:
        known.setdefault((PurePosixPath(row.image).name, row.text), []).append(row)
    found, lost = [], []
    for row in rows:
        matches = known.get((row.image, row.text), [])
        if not matches:
            lost.append(f"no row of {labelled.name} {labelled.split} has their image and text")
        elif any((match.boxes, match.answers) != (matches[0].boxes, matches[0].answers) for match in matches):
            lost.append(f"several rows of {labelled.name} {labelled.split} have their image and text and disagree")
        else:
            found.append(replace(matches[0], id=row.id, image=row.image))
    return found, lost
