# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Thousands of queries from a JSON Lines file into a folder, resumable: `ground_file(grounder, "queries.jsonl", "out")`.

A line is `{"image": path, "expression": words}` or `{"image": path, "question": words}`, with an `id` if it has one;
paths count from the file's own folder. The job is one of `promvil_hf.jobs`: a trace for each line in order, a reason for
each query that could not be asked. Lines about one picture should stand together.
"""

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path

from promvil_hf import jobs
from promvil_hf.grounding.engine import ProgressiveGrounder
from promvil_hf.grounding.trace import Query


def ground_file(
    grounder: ProgressiveGrounder,
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
    content = sha256()
    with open(queries, "rb") as file:
        while block := file.read(1 << 20):
            content.update(block)
    plan = {
        **(describe or {}),
        "queries": content.hexdigest(),
        "options": dataclasses.asdict(grounder.options),
        "dialect": repr(grounder.backend.dialect),
    }
    return jobs.run(
        _lines(queries),
        partial(_grounded, grounder, queries.parent),
        out,
        key=lambda line: line["key"],
        describe=plan,
        shard_size=shard_size,
        restart=restart,
        progress=progress,
    )


def _lines(path: Path) -> Iterator[dict]:
    with open(path, encoding="utf-8", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                fault = None if isinstance(row, dict) else "not a JSON object"
            except ValueError as error:
                row, fault = {}, str(error)
            identity = row.get("id") if fault is None else None
            key = f"line {number}" if identity in (None, "") else str(identity)
            yield {"key": key, "row": row, "fault": fault}


def _grounded(grounder: ProgressiveGrounder, folder: Path, lines: list[dict]) -> list[dict | jobs.Rejected]:
    results: list[dict | jobs.Rejected | None] = [None] * len(lines)
    asked: list[tuple[int, Query]] = []
    for place, line in enumerate(lines):
        row, fault = line["row"], line["fault"]
        tasks = [name for name in ("expression", "question") if name in row]
        if fault is not None:
            results[place] = jobs.Rejected("line is not JSON", fault)
        elif len(tasks) != 1 or not isinstance(row.get("image"), str):
            results[place] = jobs.Rejected(
                "line has not the keys", 'give "image" and one of "expression" and "question"'
            )
        else:
            task = "ground" if tasks == ["expression"] else "answer"
            asked.append((place, Query(folder / row["image"], row[tasks[0]], task, line["key"])))
    traces = grounder.ground_all([query for _, query in asked], progress=False)
    for (place, _), trace in zip(asked, traces, strict=True):
        if trace.steps:
            results[place] = trace.to_dict(times=False)
        else:
            reason, _, detail = (trace.reason or "").partition(": ")
            results[place] = jobs.Rejected(reason, detail)
    return results
