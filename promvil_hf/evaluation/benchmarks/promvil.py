# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""PromViL's own files: CompoVL rows, one row per step of each chain, and its line files of prompts. Floor 2."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks.benchmark_rows import Benchmark, BenchmarkRow, left_out, numbered_records
from promvil_hf.evaluation.benchmarks.known_sizes import size_warning
from promvil_hf.files import Files, paths_of
from promvil_hf.markup import unescape
from promvil_hf.phrases import PROMVIL, PROMVIL_VSR, GroundedPhrase, PhraseChain, from_row


_IMAGE, _TAB = "[image]", "<tab>"
_PHRASE = ("<grounding><phrase>", "</phrase>")


def read_compovl(files: Files, split: str = "test") -> Benchmark:
    """CompoVL in any of its forms (JSON Lines, a JSON array or Parquet): each step of a chain is a row with its level.

    Of the published data set the views `default` and `steps`; a row's id is then the step's own. Of PromViL's training
    rows a row's id is the number of its chain and of its step, "12/0", and question-answer rows, which hold no boxes, are
    left out and counted. The evidence of a row are the true boxes of the steps it leans on.
    """
    paths = paths_of(files)
    rows, lost = [], []
    for path in paths:
        for number, (where, record) in enumerate(numbered_records(path)):
            if "steps" in record:
                rows += [_step_row(record, step) for step in steps_of(record)]
            elif "step_id" in record:
                rows.append(_step_row(record, record))
            elif record.get("bboxes"):
                chain = _chain(record, where)
                prefix = f"{number}" if len(paths) == 1 else f"{path.stem}:{number}"
                rows += _steps(chain, str(record["image_path"]), prefix)
            else:
                lost.append("question-answer rows without boxes")
    return Benchmark("compovl", split, "grounding", rows, paths, left_out(lost))


def steps_of(record: Mapping) -> list[dict]:
    """The steps of a row of the default view as rows of the steps view have them: id, text, level, boxes, evidence."""
    return [
        {
            "step_id": f"{record['chain_id']}-{number}",
            "text": step["text"],
            "level": step["level"],
            "boxes": step["boxes"],
            "evidence": [
                {"text": mention, "boxes": record["steps"][anchor]["boxes"]}
                for anchor, mention in zip(step["anchors"], step["mentions"], strict=True)
            ],
        }
        for number, step in enumerate(record["steps"])
    ]


def read_promvil_lines(files: Files, split: str | None = None, labelled: Benchmark | None = None) -> Benchmark:
    """Lines `[image]PATH<tab>PROMPT`, where <tab> is a literal tag. They hold no truth: `labelled` lends it.

    A line's id is its number, from 1. `labelled` is the benchmark the lines were made from; a line takes the truth of
    the row with its image and text, and none where several such rows disagree.
    """
    (path,) = paths_of(files)
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        head, tab, prompt = line.partition(_TAB)
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


def _step_row(record: Mapping, step: Mapping) -> BenchmarkRow:
    return BenchmarkRow(
        id=step["step_id"],
        image=record["image_path"],
        text=step["text"],
        boxes=tuple(Box(*corners) for corners in step["boxes"]),
        level=step["level"],
        evidence=tuple(
            GroundedPhrase(known["text"], [Box(*corners) for corners in known["boxes"]]) for known in step["evidence"]
        ),
        image_size=(record["width"], record["height"]),
    )


def _split_of(path: Path) -> str:
    return next((name for name in ("refcocog_test", "gqa_testdev") if name in path.stem), path.stem)


def _chain(record: dict, where: str) -> PhraseChain:
    """Read by the wording that wrote it: PromViL's spatial-relation rows have one of their own."""
    refused = []
    for wording in (PROMVIL, PROMVIL_VSR):
        try:
            return from_row(record, wording)
        except (ValueError, KeyError, TypeError) as error:
            refused.append(error)
    raise ValueError(f"{where} is no row of nested phrases: {refused[0]}") from refused[0]


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
