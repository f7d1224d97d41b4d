# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Thousands of queries from a JSON Lines file into a folder, resumable: `ground_file(grounder, "queries.jsonl", "out")`.

A line is `{"image": path, "expression": words}` or `{"image": path, "question": words}`, with an `id` if it has one;
paths count from the file's own folder. The job is one of `promvil_hf.jobs`: a trace for each line in order, a reason for
each query that could not be asked. Lines about one picture should stand together.
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from functools import partial
from operator import attrgetter
from pathlib import Path

from promvil_hf import jobs
from promvil_hf.endpoint import check_answered
from promvil_hf.files import sha256_of
from promvil_hf.grounding.composer import ComposedGrounder
from promvil_hf.grounding.engine import ProgressiveGrounder
from promvil_hf.grounding.trace import GroundingTrace, Query
from promvil_hf.json_records import Record, RecordError, numbered, shown


def ground_file(
    grounder: ProgressiveGrounder | ComposedGrounder,
    queries: str | os.PathLike,
    out: str | os.PathLike,
    *,
    describe: Mapping | None = None,
    shard_size: int = 256,
    restart: bool = False,
    progress: bool = True,
) -> jobs.JobReport:
    """Ground every line; called again, go on where it stopped. Read the traces back with `jobs.rows` and
    `GroundingTrace.from_dict`, what has none with `jobs.rejects`. `describe` names the model: another one is then not
    mixed in."""
    queries = Path(queries)
    plan = {
        **(describe or {}),
        "queries": sha256_of(queries),
        "options": dataclasses.asdict(grounder.options),
        "dialect": repr(grounder.dialect),
    }
    return jobs.run(
        _lines(queries),
        partial(_grounded, grounder),
        out,
        key=attrgetter("key"),
        describe=plan,
        shard_size=shard_size,
        restart=restart,
        progress=progress,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Line:
    """A line of the file: what it asks, or why it cannot be asked. `where` names it in messages."""

    key: str
    where: str
    asked: Query | jobs.Rejected


def _lines(path: Path) -> Iterator[_Line]:
    taken: dict[str, int] = {}  # key -> number of its line
    with open(path, "rb") as file:
        for number, record in numbered(file, path):
            key, asked = _asked(record, path.parent)
            if key in taken:
                message = f"{record.where}: `id` is {shown(key)}, and line {taken[key]} has it already."
                key, asked = None, jobs.Rejected("id is not unique", message)
            if key is None:
                key = f"line {number}"
                while key in taken:
                    key += " (again)"
            taken[key] = number
            yield _Line(key, record.where, asked)


def _asked(record: Record, folder: Path) -> tuple[str | None, Query | jobs.Rejected]:
    """The id of a line, if it has one that can be read, and what it asks."""
    if record.fault is not None:
        return None, jobs.Rejected("line is not JSON", f"{record.where}: {record.fault}")
    key = None
    try:
        key = record.identifier("id", default=None) or None
        tasks = [name for name in ("expression", "question") if record.has(name)]
        if len(tasks) != 1:
            message = f'{record.where}: give "image" and one of "expression" and "question".'
            return key, jobs.Rejected("line has not the keys", message)
        task = "ground" if tasks == ["expression"] else "answer"
        return key, Query(folder / record.text("image"), record.text(tasks[0]), task)
    except RecordError as error:
        return key, jobs.Rejected("wrong type or missing field", str(error))


def _grounded(grounder: ProgressiveGrounder | ComposedGrounder, lines: list[_Line]) -> list[dict | jobs.Rejected]:
    queries = [dataclasses.replace(line.asked, id=line.key) for line in lines if isinstance(line.asked, Query)]
    traces = grounder.ground_all(queries, progress=False)
    check_answered([step.ended for trace in traces for step in trace.steps])
    found = iter(traces)
    return [line.asked if isinstance(line.asked, jobs.Rejected) else _row(next(found), line.where) for line in lines]


def _row(trace: GroundingTrace, where: str) -> dict | jobs.Rejected:
    if trace.steps:
        return trace.to_dict(times=False)
    reason, _, detail = (trace.reason or "").partition(": ")
    return jobs.Rejected(reason, f"{where}: {detail or reason}")
