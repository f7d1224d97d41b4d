# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Visual reliance of a model: how much of its accuracy it loses when the key boxes of its questions are hidden.

    rows + answers to twins    --reliance-->          RelianceReport, with every control and its interval
    several reports            --follows_accuracy-->  does reliance go with accuracy, beyond what its definition brings about?

The answers come from `promvil_hf.evaluation.twin_answers` or from a file, of any program: twins are matched by id. Scores
are the data set's own (VQAv2's soft accuracy, GQA's exact match, POPE's yes or no). This module does not load torch.
"""

import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from promvil_hf.dialects.reasoning import answer_of
from promvil_hf.environment import environment
from promvil_hf.evaluation import report_files
from promvil_hf.evaluation.benchmarks import Benchmark
from promvil_hf.evaluation.picture_needed import accuracies
from promvil_hf.evaluation.predictions import MISSING, UNKNOWN, Answer, Faults, Predictions
from promvil_hf.evaluation.results import Settings, evaluate
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.evaluation.twin_answers import MASKED, ORIGINAL, SCORED_BY, TwinSettings, content_hash, twin_id, usable
from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.fivl.twins import KINDS, key_boxes
from promvil_hf.metrics.gqa import exact_matches
from promvil_hf.metrics.intervals import Interval
from promvil_hf.metrics.pope import strict_yes_no
from promvil_hf.metrics.reliance import Drop, RelianceScore, average_reliance, reliance_table, visual_reliance
from promvil_hf.metrics.reliance_and_accuracy import Asked, Correlation, Follows, of_table, reliance_and_accuracy
from promvil_hf.metrics.vqa import soft_accuracies


MOST_ORDERS = 1_999  # in which masked accuracies are dealt to other models
AREAS = (0.05, 0.1, 0.2, 0.4)  # borders of the table by hidden area


class _Spread(TypedDict):
    estimate: float | None
    low: float | None
    high: float | None
    note: str | None


class _Drop(TypedDict):
    accuracy: float | None
    relative: _Spread
    absolute: _Spread


class _Scores(TypedDict):
    score: float | None
    absolute_drop: float | None
    original_accuracy: float
    rows: int
    reason: str | None
    masked: _Drop
    controls: dict[str, _Drop]
    beyond: dict[str, _Spread]


_PARTS = {  # what a report holds, as it is checked when one is read back
    "scores": _Scores,
    "tables": dict[str, dict[str, _Scores]],
    "faults": dict[str, TypedDict("fault", {"count": int, "examples": list[str]})],
    "rows": TypedDict("rows", {
        "rows": int, "rows_with_twins": int, "images": int, "labels": dict[str, int], "labels_with_twins": dict[str, int],
        "hidden_area": float, "content_hash": str}),
    "row_scores": list[TypedDict("row", {
        "id": str, "image": str, "question": str, "truth": str, "said": dict[str, str | None],
        "scores": dict[str, float | None]})],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RelianceReport:
    """Plain values all through; `scores` and `tables` hold what `RelianceScore` says."""

    name: str
    metric: str
    answers: dict[str, Any]  # where they come from
    scores: dict[str, Any]
    tables: dict[str, dict[str, dict[str, Any]]]  # table -> label -> scores
    rows: dict[str, Any]  # counts, labels before and after rows without key expressions drop out
    faults: dict[str, dict[str, Any]]
    settings: dict[str, Any]
    environment: dict[str, Any]
    row_scores: list[dict[str, Any]]  # id, image, question, truth, said: {kind: text}, scores: {kind: number}

    def save(self, path: str | os.PathLike) -> Path:
        return report_files.save(self, path, "reliance")

    @classmethod
    def load(cls, path: str | os.PathLike) -> "RelianceReport":
        found = report_files.load(cls, path, "reliance", _PARTS)
        scores = [found.scores, *(line for table in found.tables.values() for line in table.values())]
        if found.metric not in SCORED_BY or any(line["controls"].keys() != line["beyond"].keys() for line in scores):
            raise ValueError(
                f"{path} is a damaged report of `promvil reliance`: its metric must be one of {', '.join(SCORED_BY)}, and each "
                "control must stand in `controls` and in `beyond`."
            )
        return found


def reliance(
    rows: Sequence[FivlRow],
    predictions: Predictions,
    *,
    name: str = "",
    benchmark: Benchmark | None = None,
    scoring: Settings = Settings(),  # noqa: B008
    types: Mapping[str, str] | None = None,
    settings: TwinSettings = TwinSettings(),  # noqa: B008
    resampling: Resampling = Resampling(),  # noqa: B008
    strict: bool = False,
) -> RelianceReport:
    """Score the answers. `types` names the type of a question by its id in the benchmark (`source_id`).

    `benchmark` has the questions under the ids of the rows, where they were made of one: answers are then scored as
    `evaluate` scores them, by `scoring`. A row counts when it has something to hide. One without an answer to some twin
    scores 0 there and is counted; a twin that nobody answered is no control. In strict mode any fault raises.
    """
    metric, kept = benchmark.kind if benchmark is not None else settings.metric_of(rows), usable(rows)
    if not kept:
        raise ValueError(f"None of the {len(rows):,} rows has key boxes or masks: there is nothing to hide.")
    answers, faults = _matched(kept, predictions, metric == "grounding")
    said = {kind: [_said(one) for one in of_kind] for kind, of_kind in answers.items()}
    if strict and faults:
        listed = "; ".join(f"{fault['count']} × {fault_name}" for fault_name, fault in faults.items())
        raise ValueError(f"The answers have faults, which strict mode does not accept: {listed}.")
    if benchmark is None:
        scores = {kind: row_scores(kept, texts, metric) for kind, texts in said.items()}
    else:
        scores = {kind: benchmark_scores(benchmark, kept, of_kind, scoring) for kind, of_kind in answers.items()}
    whole, tables = _scored(kept, scores, _labels(kept, types), resampling)
    images = [row.image_path for row in kept]
    return RelianceReport(
        name=name or ", ".join(sorted({row.source for row in kept})),
        metric=metric,
        answers=dict(predictions.source),
        scores=whole,
        tables=tables,
        rows={
            "rows": len(rows),
            "rows_with_twins": len(kept),
            "images": len(set(images)),
            "labels": dict(sorted(Counter(_label(row) for row in rows).items())),
            "labels_with_twins": dict(sorted(Counter(_label(row) for row in kept).items())),
            "hidden_area": float(np.mean([hidden_share(row) for row in kept])),
            "content_hash": content_hash(kept),
        },
        faults=faults,
        settings={**asdict(settings), "metric": metric, **asdict(resampling)},
        environment=environment(devices=False),
        row_scores=[
            {
                "id": row.row_id, "image": row.image_path, "question": row.turns[0].question, "truth": _truth(row),
                "said": {kind: texts[place] for kind, texts in said.items()},
                "scores": {kind: float(values[place]) for kind, values in scores.items()},
            }
            for place, row in enumerate(kept)
        ],
    )  # fmt: skip


def _matched(
    rows: Sequence[FivlRow], predictions: Predictions, of_boxes: bool
) -> tuple[dict[str, list[Answer | None]], dict[str, dict[str, Any]]]:
    """The answers to each kind of twin in the order of the rows, and what was wrong with them."""
    ids = {twin_id(row.row_id, kind) for row in rows for kind in KINDS}
    faults = Faults(predictions.faults)
    for row_id in predictions.answers:
        if row_id not in ids:
            faults.add(UNKNOWN, row_id)
    answered = [kind for kind in KINDS if any(twin_id(row.row_id, kind) in predictions.answers for row in rows)]
    missing = [kind for kind in (ORIGINAL, MASKED) if kind not in answered]
    if missing:
        given = next(iter(predictions.answers), "nothing")
        raise ValueError(
            f"No answer is to the {missing[0]!r} twin of any row: ids are made of the row's id, a slash and the twin's "
            f"kind, such as {twin_id(rows[0].row_id, missing[0])!r}; those of the answers read like {given!r}."
        )
    said: dict[str, list[Answer | None]] = {kind: [] for kind in answered}
    for kind, of_kind in said.items():
        for row in rows:
            name = twin_id(row.row_id, kind)
            found = predictions.answers.get(name)
            of_kind.append(found if found is not None and (found.text is not None or of_boxes) else None)
            if of_kind[-1] is None and name not in predictions.contested:
                faults.add(MISSING, name)
    return said, {name: asdict(fault) for name, fault in faults.found().items()}


def _said(answer: Answer | None) -> str | None:
    """What was answered, in words: without what was only thought, boxes as they came."""
    if answer is None:
        return None
    return json.dumps(answer.boxes) if answer.text is None else answer_of(answer.text)[0]


def _scored(
    rows: Sequence[FivlRow], scores: Mapping[str, np.ndarray], labels: Mapping[str, list[str]], resampling: Resampling
) -> tuple[dict[str, Any], dict[str, dict[str, dict[str, Any]]]]:
    """The score over all rows with every control, and tables of it, where random boxes are the only control."""
    controls = {kind: values for kind, values in scores.items() if kind not in (ORIGINAL, MASKED)}
    options = {"clusters": [row.image_path for row in rows], **asdict(resampling)}
    whole = visual_reliance(scores[ORIGINAL], scores[MASKED], controls, **options)
    near = {kind: values for kind, values in controls.items() if kind == "random boxes"}
    tables = {}
    for title, of_rows in labels.items():
        if len(set(of_rows)) > 1:
            found = reliance_table(scores[ORIGINAL], scores[MASKED], of_rows, near, **options)
            tables[title] = {label: _score_dict(found[label]) for label in sorted(found, key=_label_order)}
    return _score_dict(whole), tables


@dataclass(frozen=True, slots=True)
class ReliancePoint:
    """One model: mean accuracy and mean score over the benchmarks it was asked."""

    name: str
    accuracy: float
    reliance: float
    low: float  # interval of the score, where there is one benchmark only
    high: float
    benchmarks: tuple[str, ...]


def points(reports: Sequence[tuple[str, RelianceReport]]) -> list[ReliancePoint]:
    """(model, report) pairs as one point a model."""
    by_model: dict[str, list[RelianceReport]] = {}
    for model, report in reports:
        by_model.setdefault(model, []).append(report)
    asked = {model: tuple(sorted(report.name for report in of_model)) for model, of_model in by_model.items()}
    if len(set(asked.values())) > 1:
        listed = "; ".join(f"{model}: {', '.join(names)}" for model, names in asked.items())
        raise ValueError(f"The models were asked different benchmarks, so their means do not compare ({listed}).")
    return [
        ReliancePoint(
            name=model,
            accuracy=math.fsum(report.scores["original_accuracy"] for report in of_model) / len(of_model),
            reliance=average_reliance([_number(report.scores["score"]) for report in of_model]),
            low=_number(of_model[0].scores["masked"]["relative"]["low"]) if len(of_model) == 1 else math.nan,
            high=_number(of_model[0].scores["masked"]["relative"]["high"]) if len(of_model) == 1 else math.nan,
            benchmarks=asked[model],
        )
        for model, of_model in by_model.items()
    ]


def follows_accuracy(reports: Sequence[tuple[str, RelianceReport]], resampling: Resampling = Resampling()) -> Follows:  # noqa: B008
    """Whether the score follows accuracy over models, beyond what its definition brings about; (model, report) pairs.

    A model called "BASE:NAME" is a variant of BASE: variants of one base are one unit. Other rows need reports on the same
    rows; where rows differ, only the correlation on each model's own rows is given.
    """
    models = points(reports)
    units = [base_of(model.name) for model in models]
    how = {"confidence": resampling.confidence, "resamples": min(resampling.resamples, MOST_ORDERS), "seed": resampling.seed}
    by_set: dict[str, list[RelianceReport]] = {}
    for model in models:
        for report in sorted((report for name, report in reports if name == model.name), key=lambda report: report.name):
            by_set.setdefault(report.name, []).append(report)
    if all(len({tuple(row["id"] for row in report.row_scores) for report in same}) == 1 for same in by_set.values()):
        return reliance_and_accuracy([_asked(same) for same in by_set.values()], units, **how)
    accuracies, scores = [model.accuracy for model in models], [model.reliance for model in models]
    pearson, spearman = of_table(accuracies, scores, units, **how)
    nothing = Correlation.unknown(len(models), pearson.units, "the reports are not on the same rows")
    return Follows(pearson, spearman, nothing, nothing)


def base_of(name: str) -> str:
    """ "llava:tuned" is a variant of "llava"; a name without a colon is its own base."""
    return name.partition(":")[0] or name


def _asked(reports: Sequence[RelianceReport]) -> Asked:
    original, masked = (
        [[row["scores"].get(kind) for row in report.row_scores] for report in reports] for kind in (ORIGINAL, MASKED)
    )
    return Asked.of(original, masked, [row["image"] for row in reports[0].row_scores])


def hidden_share(row: FivlRow) -> float:
    """The share of a row's picture that its key boxes cover."""
    width, height = row.image_size
    area = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in key_boxes(row):
        area[y0:y1, x0:x1] = True
    return float(area.mean())


def row_scores(rows: Sequence[FivlRow], said: Sequence[str | None], metric: str) -> np.ndarray:
    """The score of each answer in 0 .. 1; a missing one scores 0."""
    texts = ["" if text is None else text.strip() for text in said]
    there = np.array([text is not None for text in said], float)
    if metric == "vqa":
        return there * soft_accuracies(texts, [row.answers or (row.turns[0].answer,) for row in rows])
    if metric == "gqa":
        return there * exact_matches(texts, [_truth(row).lower() for row in rows])
    return there * np.array(
        [strict_yes_no(text) is (_label(row) == "yes") for text, row in zip(texts, rows, strict=True)], float
    )


def benchmark_scores(
    benchmark: Benchmark, rows: Sequence[FivlRow], answers: Sequence[Answer | None], scoring: Settings = Settings()  # noqa: B008
) -> np.ndarray:
    """The score of each answer in 0 .. 1 as the rows' own benchmark counts it; a missing one scores 0."""
    by_id = {row.id: row for row in benchmark.rows}
    asked = replace(benchmark, rows=tuple(by_id[row.row_id] for row in rows), warnings=())
    given = {row.row_id: answer for row, answer in zip(rows, answers, strict=True) if answer is not None}
    only_rows = replace(scoring, resampling=Resampling(resamples=1))
    return accuracies(evaluate(asked, Predictions(given), only_rows))


def kind_of_answer(row: FivlRow) -> str:
    """VQAv2's division: yes or no, a number, or anything else."""
    label = _label(row)
    if label in ("yes", "no"):
        return "yes/no"
    truth = _truth(row).strip().lower()
    return "number" if truth.isdecimal() or truth in _NUMBERS else "other"


_NUMBERS = frozenset("zero one two three four five six seven eight nine ten eleven twelve".split())
_MOST_OPENINGS = 12


def _labels(rows: Sequence[FivlRow], types: Mapping[str, str] | None) -> dict[str, list[str]]:
    labels: dict[str, list[str]] = {}
    if types is not None:
        labels["question type"] = [types.get(row.source_id, "unknown") for row in rows]
    labels["answer type"] = [kind_of_answer(row) for row in rows]
    openings = [" ".join(row.turns[0].question.lower().split()[:2]) for row in rows]
    common = {words for words, _ in Counter(openings).most_common(_MOST_OPENINGS)}
    labels["first words"] = [words if words in common else "(other)" for words in openings]
    labels["hidden area"] = [_area_label(hidden_share(row)) for row in rows]
    if len({_label(row) for row in rows} - {"other"}) == 2:
        labels["right answer"] = [_label(row) for row in rows]
    return labels


def _area_label(share: float) -> str:
    below = [0.0, *AREAS]
    place = int(np.searchsorted(AREAS, share, side="left"))
    return f"{below[place]:.0%} to {[*AREAS, 1.0][place]:.0%}"


def _label_order(label: str) -> tuple[int, str]:
    return (int(label.split("%")[0]) if label[:1].isdigit() and "%" in label else 0, label)


def _truth(row: FivlRow) -> str:
    return row.answers[0] if row.answers and len(set(row.answers)) == 1 else row.turns[0].answer


def _label(row: FivlRow) -> str:
    plain = row.turns[0].answer.strip().rstrip(".").lower()
    return plain if plain in ("yes", "no") else "other"


def _score_dict(score: RelianceScore) -> dict[str, Any]:
    def drop(one: Drop) -> dict[str, Any]:
        return {"accuracy": one.accuracy, "relative": _spread(one.relative), "absolute": _spread(one.absolute)}

    return {
        "score": score.score,
        "absolute_drop": score.absolute_drop,
        "original_accuracy": score.original_accuracy,
        "rows": score.rows,
        "reason": score.reason,
        "masked": drop(score.masked),
        "controls": {name: drop(one) for name, one in score.controls.items()},
        "beyond": {name: _spread(one) for name, one in score.beyond.items()},
    }


def _spread(found: Interval) -> dict[str, Any]:
    return {"estimate": found.estimate, "low": found.low, "high": found.high, "note": found.note}


def _number(value: float | None) -> float:
    return math.nan if value is None else value
