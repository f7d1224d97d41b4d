# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A report as `.eval_results/*.yaml` of a model repository, from which the Hub fills model pages and leaderboards."""

import os
from pathlib import Path
from typing import Any

from promvil_hf.evaluation.results import Report


def eval_results(
    report: Report, dataset_id: str, task_id: str = "default", *, revision: str | None = None, date: str | None = None,
    source_url: str | None = None, metrics: tuple[str, ...] = (),
) -> list[dict[str, Any]]:  # fmt: skip
    """The headline, and each of `metrics` as the task "TASK_metric": the values of the YAML file, as the Hub wants them.

    The notes say what makes the number comparable: metric, interval, rows, box policy or answer rule, content hash.
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    if not dataset_id.count("/") == 1:
        raise ValueError(f"You passed dataset_id={dataset_id!r}: it names a data set of the Hub, OWNER/NAME.")
    scores = report.scores
    wanted = {task_id: (scores["metric"], scores["value"])}
    for name in metrics:
        if not isinstance(scores.get(name), (int, float)):
            numbers = [key for key, value in scores.items() if isinstance(value, (int, float))]
            raise ValueError(f"You asked for the metric {name!r}: this report has {', '.join(numbers)}.")
        wanted[f"{task_id}_{name}"] = (name, scores[name])
    entries = [
        EvalResultEntry(
            dataset_id=dataset_id, task_id=task, value=value, dataset_revision=revision, date=date, source_url=source_url,
            notes=_notes(report, metric),
        )
        for task, (metric, value) in wanted.items()
    ]  # fmt: skip
    if any(entry.value is None for entry in entries):
        raise ValueError(f"The score of {report.title} is not defined: there is nothing to publish.")
    return eval_result_entries_to_yaml(entries)


def write_eval_results(folder: str | os.PathLike, entries: list[dict[str, Any]], name: str) -> Path:
    """Write `folder`/.eval_results/NAME.yaml, and read it back by the Hub client's own parser."""
    import yaml
    from huggingface_hub import parse_eval_result_entries

    path = Path(folder) / ".eval_results" / f"{name}.yaml"
    text = yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)
    read = parse_eval_result_entries(yaml.safe_load(text))
    if len(read) != len(entries):
        raise ValueError(f"The Hub client reads {len(read)} of {len(entries)} entries: {text}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _notes(report: Report, metric: str) -> str:
    spread, settings = report.scores["interval"], report.scores["settings"]
    notes = [metric]
    if metric == report.scores["metric"] and spread["low"] is not None:
        notes.append(f"{spread['confidence']:.0%} interval {spread['low']:.4f} to {spread['high']:.4f}")
    notes.append(f"{report.benchmark['rows']} rows of {report.benchmark['name']} {report.benchmark['split']}")
    notes += [f"{name} {value}" for name, value in settings.items() if value is not None]
    notes.append(f"content hash {report.benchmark['content_hash'][:16]}")
    return "; ".join(notes)
