# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A benchmark and its answers -> `Report`.

A report holds the number, what makes it comparable, the environment, and every row with its score, so that it can be
compared later without the files it was made from. It is the same whatever the order of the answers. No torch.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from operator import eq
from pathlib import Path
from typing import Any, TypedDict

from promvil_hf.conventions import DEFAULT_FRAME, DIALECTS, FRAMES, boxes_in_fractions, dialect, frame, frame_advice
from promvil_hf.dialects import GroundingDialect, Kosmos2, PointDialect
from promvil_hf.dialects.base import EMPTY_BOX, MALFORMED, OUT_OF_RANGE
from promvil_hf.dialects.reasoning import answer_of
from promvil_hf.environment import environment
from promvil_hf.evaluation import predictions as faults_of
from promvil_hf.evaluation import report_files
from promvil_hf.evaluation.answer_ids import under_own_ids
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.nested_negatives import are_negatives, nested_negative_scores
from promvil_hf.evaluation.predictions import Answer, Faults, Predictions, boxes_of, match, texts_of
from promvil_hf.evaluation.report_files import plain
from promvil_hf.evaluation.scores import (
    BoxRules,
    Grouping,
    Resampling,
    Scores,
    gqa_scores,
    grounding_scores,
    picked_scores,
    pointing_scores,
    pope_scores,
    true_false_scores,
    vqa_scores,
)
from promvil_hf.frames import Frame
from promvil_hf.metrics.answers import Answers, read_boxes, read_texts
from promvil_hf.metrics.gqa import lower_without_period, promvil_answer
from promvil_hf.metrics.grounding import kosmos2_round_trip, quantisation_ceiling
from promvil_hf.metrics.pointing import POINT_POLICIES
from promvil_hf.metrics.pope import llava_yes_no, strict_yes_no
from promvil_hf.own_documents import typed


YES_NO_RULES: dict[str, Callable] = {"strict": strict_yes_no, "llava": llava_yes_no}
ANSWER_RULES: dict[str, Callable] = {"lower_without_period": lower_without_period, "promvil": promvil_answer}


@dataclass(frozen=True, slots=True)
class Settings:
    """How answers are read and scored. `dialect` reads raw text, in `frame` where one is given and in its own otherwise;
    without a dialect, answers are boxes in `frame` (None: fractions).

    `vqa_normalise` defaults to the data set's own: "official" for VQAv2, "always" for TextVQA.
    """

    dialect: str | GroundingDialect | None = None
    frame: str | Frame | None = None
    box_policy: str = "first"
    gold_policy: str = "any"
    iou_thresholds: tuple[float, ...] = (0.5,)
    yes_no_rule: str = "strict"
    answer_rule: str = "lower_without_period"
    vqa_normalise: str | None = None
    resampling: Resampling = field(default_factory=Resampling)


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
        "tables": dict[str, dict[str, dict[str, float | None]]], "problems": dict[str, int], "notes": list[str]}),
    "answers": TypedDict("answers", {"rows_answered": int}),
    "faults": dict[str, TypedDict("fault", {"count": int, "examples": list[str]})],
    "rows": list[TypedDict("row", {
        "id": str, "image": str, "text": str, "level": int | None, "group": str | None,
        "gold": str | list[str | list[float]], "said": None | str | list[list[float]],
        "score": float | None, "note": str | None})],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """Plain values all through: `save` writes them, `load` reads them back."""

    benchmark: dict[str, Any]
    answers: dict[str, Any]  # where they come from
    scores: dict[str, Any]
    faults: dict[str, dict[str, Any]]  # name -> {"count", "examples"}
    environment: dict[str, Any]
    rows: Sequence[dict[str, Any]]  # {"id", "image", "text", "level", "group", "gold", "said", "score", "note"}

    def save(self, path: str | os.PathLike) -> Path:
        return report_files.save(self, path, "evaluate")

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Report":
        found = report_files.load(cls, path, "evaluate", _PARTS)
        numbers = {name: value for name, value in found.scores.items() if name not in _PARTS["scores"].__annotations__}
        typed(numbers, dict[str, float | None], f"{path}, `scores`,", "as `promvil evaluate` writes it")
        return found

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
    predictions, ids = under_own_ids(predictions, benchmark)
    answers, faults = match(predictions, benchmark)
    score = _scored_boxes if benchmark.kind == "grounding" else _scored_texts
    scores, said = score(benchmark, answers, faults, settings)
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
        scores=plain(scores.to_dict()),
        faults={name: plain(asdict(fault)) for name, fault in found.items()},
        environment=environment(devices=False),
        rows=ScoredRows(benchmark, answers, said, scores),
    )


def _scored_boxes(
    benchmark: Benchmark, answers: Sequence[Answer | None], faults: Faults, settings: Settings
) -> tuple[Scores, list]:
    """The scores, and the boxes of each answer."""
    rows = benchmark.rows
    spoken = None if settings.dialect is None else dialect(settings.dialect, settings.frame)
    read = _read_boxes(benchmark, answers, faults, settings, spoken)
    grouping = _grouping(benchmark, settings)
    if any(row.level for row in rows):
        grouping = replace(grouping, levels=[row.level for row in rows])
    told = {
        "dialect": _name(settings.dialect),
        "frame": _name(settings.frame or (DEFAULT_FRAME if settings.dialect is None else None)),
    }
    rules = BoxRules(settings.box_policy, settings.gold_policy, settings.iou_thresholds)
    if are_negatives(rows):
        return nested_negative_scores(read, rows, rules, grouping, told), _by_row(read)
    gold = read_boxes([row.boxes for row in rows])
    if isinstance(spoken, PointDialect):
        policy = settings.box_policy if settings.box_policy in POINT_POLICIES else POINT_POLICIES[0]
        return pointing_scores(read, gold, policy, grouping, settings=told), _by_row(read)
    scores = grounding_scores(read, gold, rules, grouping, settings=told)
    if isinstance(spoken, Kosmos2):  # what its grid allows at best
        ceiling = quantisation_ceiling(
            gold, lambda xyxy: kosmos2_round_trip(xyxy, spoken.grid.side), settings.iou_thresholds
        )
        best = {f"ceiling@{threshold:g}": share for threshold, share in ceiling.items()}
        scores = replace(scores, numbers={**scores.numbers, **best})
    if spoken is not None:
        sizes = [row.image_size for row in rows]
        advice = frame_advice([answer and answer.text for answer in answers], spoken, sizes)
        scores = replace(scores, notes=(*scores.notes, *([advice] if advice else [])))
    return scores, _by_row(read)


def _by_row(read: Answers) -> list[list[list[float]]]:
    """The boxes or points of each answer."""
    found: list[list[list[float]]] = [[] for _ in range(read.rows)]
    for place, numbers in zip(read.row.tolist(), read.xyxy.tolist(), strict=True):
        found[place].append(numbers)
    return found


def _read_boxes(
    benchmark: Benchmark,
    answers: Sequence[Answer | None],
    faults: Faults,
    settings: Settings,
    spoken: GroundingDialect | None,
) -> Answers:
    """The answers as boxes in fractions: texts by their dialect, boxes by their frame."""
    ids = [row.id for row in benchmark.rows]
    sizes = [row.image_size for row in benchmark.rows]
    known_sizes = sizes if all(sizes) else None
    if spoken is not None:
        told = texts_of(answers, ids, faults)
        _need_sizes(getattr(spoken, "frame", None), f"dialect {_name(settings.dialect)}", known_sizes)
        return read_texts(told, spoken, sizes)
    if all(answer is None or answer.boxes is None for answer in answers):
        raise ValueError(
            "The answers are texts and no dialect was named: say how they write boxes, e.g. --dialect kosmos2 or "
            "qwen_json, or give boxes."
        )
    counted = settings.frame or DEFAULT_FRAME
    _need_sizes(frame(counted), f"frame {_name(counted)}", known_sizes)
    given = boxes_of(answers, ids, faults)
    read = boxes_in_fractions([_listed(boxes) for boxes in given], counted, known_sizes, "answers")
    for reason, name in (
        (MALFORMED, faults_of.NO_BOX_AT_ALL), (OUT_OF_RANGE, faults_of.NOT_FINITE), (EMPTY_BOX, faults_of.NO_AREA)
    ):  # fmt: skip
        for place in read.problems.get(reason, ()):
            faults.add(name, ids[place])
    return read


def _scored_texts(
    benchmark: Benchmark, answers: Sequence[Answer | None], faults: Faults, settings: Settings
) -> tuple[Scores, list]:
    """The scores by the rules of the benchmark's kind, and the texts of the answers."""
    kind, rows, grouping = benchmark.kind, benchmark.rows, _grouping(benchmark, settings)
    said = [text and answer_of(text)[0] for text in texts_of(answers, [row.id for row in rows], faults)]
    if kind == "gqa":
        tail = [row.group == "tail" for row in rows] if benchmark.name == "gqa_ood" else None
        scores = gqa_scores(
            said, {row.id: row.record for row in rows}, choices=benchmark.choices_file, tail=tail,
            normalise=_rule(ANSWER_RULES, settings.answer_rule, "answer rule"), resampling=settings.resampling,
        )  # fmt: skip
    elif kind == "pope":
        rule = _rule(YES_NO_RULES, settings.yes_no_rule, "yes-no rule")
        scores = pope_scores(said, [row.answers[0] for row in rows], grouping, rule=rule)
    elif kind == "vqa":
        normalise = settings.vqa_normalise or ("always" if benchmark.name == "textvqa" else "official")
        scores = vqa_scores(said, [row.answers for row in rows], grouping, normalise=normalise)
    elif kind == "true_false":
        scores = true_false_scores(said, [row.answers[0] == "true" for row in rows], grouping)
    elif kind == "one_word":
        right = [row.choices.index(row.answers[0]) for row in rows]
        scores = picked_scores(said, [row.choices for row in rows], right, grouping, words=True)
    else:
        scores = picked_scores(said, [row.choices for row in rows], [int(row.answers[0]) for row in rows], grouping)
    return scores, said


def _grouping(benchmark: Benchmark, settings: Settings) -> Grouping:
    rows = benchmark.rows
    return Grouping([row.image_id for row in rows], [row.group for row in rows], resampling=settings.resampling)


def _gold_of(row: BenchmarkRow, kind: str) -> Any:
    if kind == "grounding":
        return [list(box.xyxy) for box in row.boxes]
    if kind == "choice":
        return row.choices[int(row.answers[0])]
    return list(row.answers) if len(row.answers) > 1 else row.answers[0]


def _listed(boxes: Any) -> Any:
    """JSON's null among numbers is no number."""
    return [float("nan") if number is None else number for number in boxes] if isinstance(boxes, list) else boxes


def _need_sizes(used: Frame | None, named: str, sizes) -> None:
    """Refuses a frame that depends on the image where its size is not known: boxes would be compared in two units."""
    if sizes is None and used is not None:
        try:
            used.limits(None)
            used.corners((0.0, 0.0, 0.5, 0.5), None)
        except (TypeError, ValueError):
            raise ValueError(
                f"The {named} counts in {used}, which depends on the size of the image, and the benchmark's files do not "
                "tell it: pass the folder of pictures (--images)."
            ) from None


def _rule(rules: Mapping[str, Callable], name: str, what: str) -> Callable:
    if name not in rules:
        raise ValueError(f"You passed the {what} {name!r}: it is one of {', '.join(rules)}.")
    return rules[name]


def _name(choice: Any) -> str | None:
    known = (name for values in (DIALECTS, FRAMES) for name, value in values.items() if value == choice)
    return choice if choice is None or isinstance(choice, str) else next(known, repr(choice))
