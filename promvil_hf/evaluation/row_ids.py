# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Files that name rows of a benchmark, one {"id": ...} a line: written by one command, they restrict another to these rows."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from promvil_hf.evaluation.answer_ids import under_benchmark_ids
from promvil_hf.evaluation.benchmarks import Benchmark
from promvil_hf.evaluation.predictions import ID_FIELDS, Predictions
from promvil_hf.files import write_json_lines
from promvil_hf.json_records import records


def write_ids(path: str | os.PathLike, ids: Iterable[str]) -> Path:
    return write_json_lines(path, ({"id": row_id} for row_id in ids))


def read_ids(path: str | os.PathLike) -> frozenset[str]:
    """The ids of a file. A file of answers will do: only its ids are read."""
    found = frozenset(record.identifier(*ID_FIELDS) for record in records(Path(path)))
    if not found:
        raise ValueError(f'{path} names no row: each line must be a JSON object with an id, such as {{"id": "17"}}.')
    return found


def only_rows(benchmark: Benchmark, path: str | os.PathLike) -> Benchmark:
    """The rows that a file names, with a warning that says so. Ids that the benchmark does not have are refused."""
    wanted = read_ids(path)
    known = {row.id for row in benchmark.rows}
    if strange := sorted(wanted - known):
        raise ValueError(
            f"{path} names {len(strange):,} rows that {benchmark.name} {benchmark.split} does not have, such as "
            f"{strange[0]!r}; its own ids read like {benchmark.rows[0].id!r}. Pass the file that was written for this benchmark."
        )
    warning = f"Only the {len(wanted):,} of {len(known):,} rows that {path} names."
    rows = tuple(row for row in benchmark.rows if row.id in wanted)
    return replace(benchmark, rows=rows, warnings=(*benchmark.warnings, warning))


def only_answers(predictions: Predictions, part: Benchmark, whole: Benchmark) -> Predictions:
    """Answers without those to rows of `whole` that `part` lacks: they are no fault of their file."""
    predictions, _ = under_benchmark_ids(predictions, whole)
    gone = {row.id for row in whole.rows} - {row.id for row in part.rows}
    answers = {row_id: answer for row_id, answer in predictions.answers.items() if row_id not in gone}
    return replace(predictions, answers=answers, contested=predictions.contested - gone)
