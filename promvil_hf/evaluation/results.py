# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A benchmark and its answers -> `Report`.

A report holds the number, what makes it comparable, the environment, and every row with its score, so that it can be
compared later without the files it was made from. It is the same whatever the order of the answers. No torch.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from operator import eq
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from promvil_hf.environment import environment
from promvil_hf.evaluation import report_files
from promvil_hf.evaluation.answer_ids import under_benchmark_ids
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.headlines import Headline
from promvil_hf.evaluation.predictions import Answer, Predictions, match
from promvil_hf.evaluation.report_files import plain
from promvil_hf.evaluation.scores import Scores
from promvil_hf.evaluation.scoring import ANSWER_RULES, YES_NO_RULES, Settings, headlined, scored_boxes, scored_texts
from promvil_hf.json_documents import typed


__all__ = ["ANSWER_RULES", "YES_NO_RULES", "FaultyAnswers", "Report", "ScoredRows", "Settings", "evaluate"]


class _Spread(TypedDict):
    low: float | None
    high: float | None
    confidence: float
    method: str
    clusters: int
    resamples: int
    seed: int
    note: str | None


_PARTS = {  # what a report holds, as it is checked when one is read back
    "benchmark": TypedDict("benchmark", {
        "name": str, "split": str, "kind": str, "rows": int, "images": int, "content_hash": str, "files": list[str],
        "warnings": list[str]}),
    "scores": TypedDict("scores", {
        "metric": str, "value": float | None, "interval": _Spread, "settings": dict[str, Any],
        "tables": dict[str, dict[str, dict[str, float | None]]], "problems": dict[str, int], "notes": list[str],
        "headline": NotRequired[TypedDict("headline", {
            "metric": str, "hit": float | None, "unit": str | None, "part": str})]}),
    "answers": TypedDict("answers", {"rows_answered": int}),
    "faults": dict[str, TypedDict("fault", {"count": int, "examples": list[str]})],
    "rows": list[TypedDict("row", {
        "id": str, "image": str, "text": str, "level": int | None, "group": str | None,
        "gold": str | list[str | list[float]], "said": None | str | list[list[float]],
        "score": float | None, "note": str | None,
        "units": NotRequired[dict[str, str]], "absent": NotRequired[bool]})],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """Plain values all through: `save` writes them, `load` reads them back."""

    benchmark: dict[str, Any]
    answers: dict[str, Any]  # where they come from
    scores: dict[str, Any]
    faults: dict[str, dict[str, Any]]  # name -> {"count", "examples"}
    environment: dict[str, Any]
    rows: Sequence[dict[str, Any]]  # {"id", "image", "text", "level", "group", "gold", "said", "score", "note"}; with "units"
    #                                 where a row has some, and "absent" where its thing is not in the image

    def save(self, path: str | os.PathLike) -> Path:
        return report_files.save(self, path, "evaluate")

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Report":
        found = report_files.load(cls, path, "evaluate", _PARTS)
        numbers = {name: value for name, value in found.scores.items() if name not in _PARTS["scores"].__annotations__}
        typed(numbers, dict[str, float | None], f"{path}, `scores`,", "as `promvil evaluate` writes it")
        return found

    @property
    def headline(self) -> Headline:
        """How the row scores make the headline; of POPE's F1, which is no mean of rows, the accuracy."""
        return Headline(**self.scores["headline"]) if "headline" in self.scores else _headline_before(self)

    @property
    def title(self) -> str:
        return f"{self.benchmark['name']} {self.benchmark['split']}"


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRows(Sequence):
    """The rows of a report, each made when it is asked for, so that they take no memory of their own."""

    benchmark: Benchmark
    answers: Sequence[Answer | None]
    said: Sequence[Any]
    scores: Scores

    def __len__(self) -> int:
        return len(self.said)

    def __getitem__(self, place):
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        row, score = self.benchmark.rows[place], self.scores.row_scores.item(place)
        return {
            "id": row.id, "image": row.image, "text": row.text, "level": row.level, "group": row.group,
            "gold": _gold_of(row, self.benchmark.kind), "said": self.said[place],
            "score": score if score == score else None,
            "note": self.scores.row_notes.get(place) if self.answers[place] is not None else "no answer",
            **({"units": dict(row.units)} if row.units else {}), **({"absent": True} if row.absent else {}),
        }  # fmt: skip

    def __eq__(self, other) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(eq, self, other))


class FaultyAnswers(ValueError):
    """Strict mode met faults. The message names and counts them."""


def evaluate(
    benchmark: Benchmark,
    predictions: Predictions,
    settings: Settings = Settings(),  # noqa: B008
    *,
    strict: bool = False,
) -> Report:
    """Score the answers. In strict mode any fault of their file raises; what a model wrote is never a fault."""
    if benchmark.kind == "unlabelled":
        raise ValueError(
            f"{benchmark.name} {benchmark.split} holds prompts without truth, so nothing can be scored. Read it with the "
            "benchmark it was made from (`--labelled`)."
        )
    predictions, ids = under_benchmark_ids(predictions, benchmark)
    answers, faults = match(predictions, benchmark)
    score = scored_boxes if benchmark.kind == "grounding" else scored_texts
    scores, headline, said = score(benchmark, answers, faults, settings)
    scores, headline = headlined(benchmark, scores, headline, settings.resampling)
    found = faults.found()
    if strict and found:
        raise FaultyAnswers(
            "Strict mode: "
            + "; ".join(f"{fault.count:,} × {name} (e.g. {fault.examples[0]})" for name, fault in found.items())
            + ". Mend the file, or leave strict mode out to score the rest with these counts in the report."
        )
    return Report(
        benchmark=plain(benchmark.describe()),
        answers={
            **plain(predictions.source),
            **({"ids": ids} if ids else {}),
            "rows_answered": sum(answer is not None for answer in answers),
        },
        scores=plain(scores.to_dict() | {"headline": asdict(headline)}),
        faults={name: plain(asdict(fault)) for name, fault in found.items()},
        environment=environment(devices=False),
        rows=ScoredRows(benchmark, answers, said, scores),
    )


def _headline_before(report: Report) -> Headline:
    """Of a report that was written before reports named it."""
    settings = report.scores["settings"]
    if report.benchmark["kind"] == "grounding" and "iou_thresholds" in settings:
        return Headline(report.scores["metric"], settings["iou_thresholds"][0])
    return Headline("accuracy")


def _gold_of(row: BenchmarkRow, kind: str) -> Any:
    if kind == "grounding":
        return [list(box.xyxy) for box in row.boxes]
    if kind == "choice":
        return row.choices[int(row.answers[0])]
    return list(row.answers) if len(row.answers) > 1 else row.answers[0]


