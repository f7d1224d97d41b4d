# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Files of answers, matched to a benchmark by id and never by order. Every fault of a file is counted and named.

A file is JSON Lines or a JSON array of objects with an id and an answer, in the fields people use: `id` or
`question_id`, and `text`, `answer` or `prediction`, or `boxes`, perhaps with `scores`. Nothing here scores, and nothing
loads torch.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from promvil_hf.evaluation.benchmarks import Benchmark
from promvil_hf.files import sha256_of, write_json_lines
from promvil_hf.json_records import RecordError, records


ID_FIELDS = ("id", "question_id", "questionId", "sent_id", "row_idx")
TEXT_FIELDS = ("text", "answer", "prediction", "output")
BOX_FIELDS = ("boxes", "bbox", "box", "pred_bbox", "pred_box_xyxy_first")  # the last two: of Ref-L4 and Ref-Adv
SCORE_FIELDS = ("scores", "score")

NOT_JSON = "line that is no JSON object"
NO_ID = "line without an id"
NO_ANSWER = "line without an answer"
TWICE_SAME = "id given twice with the same answer"
TWICE_DIFFERENT = "id given twice with different answers, scored as unanswered"
UNKNOWN = "id that is not in the benchmark, left out"
MISSING = "row without an answer, scored 0"
TEXT_FOR_BOXES = "text where boxes are expected, scored 0"
BOXES_FOR_TEXT = "boxes where text is expected, scored 0"
NO_BOX_AT_ALL = "something that is no box"
NOT_FINITE = "box with NaN or infinity"
NO_AREA = "box without an area"
OTHER_SCORES = "scores that are not one number for each box, left out"
_SHOWN = 5  # examples kept of each fault


@dataclass(frozen=True, slots=True)
class Fault:
    """How often, and the first places."""

    count: int
    examples: tuple[str, ...]


class Faults:
    """Counts faults by name while a file is read and matched."""

    def __init__(self, before: Mapping[str, Fault] | None = None) -> None:
        self._found = dict(before or {})

    def add(self, name: str, where: object) -> None:
        known = self._found.get(name, Fault(0, ()))
        self._found[name] = Fault(known.count + 1, (*known.examples, str(where))[:_SHOWN])

    def found(self) -> dict[str, Fault]:
        return dict(sorted(self._found.items()))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said about one row: its raw text, or boxes as they came. `scores` has a number for each box, where the
    model gives them."""

    text: str | None = None
    boxes: Any = None
    scores: Any = None

    def same(self, other: "Answer") -> bool:
        """Also where both hold the same NaN."""
        theirs = (json.dumps(part) for part in (other.boxes, other.scores))
        return self.text == other.text and [json.dumps(part) for part in (self.boxes, self.scores)] == [*theirs]


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers by id, with what was wrong with their file. `source` says where they come from."""

    answers: Mapping[str, Answer]
    faults: Mapping[str, Fault] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    contested: frozenset[str] = frozenset()  # ids with answers that contradict each other


def read_predictions(path: str | os.PathLike) -> Predictions:
    """The answers of a file. Faulty lines are counted; a file in which nothing can be read raises."""
    path, faults = Path(path), Faults()
    given: dict[str, Answer] = {}
    contested: set[str] = set()
    for record in records(path):
        try:
            answer, row_id = _answer(record.whole_fields()), record.identifier(*ID_FIELDS)
        except RecordError:
            faults.add(NOT_JSON if record.fault else NO_ID, record.where.removeprefix(f"{path} "))
            continue
        if answer is None:
            faults.add(NO_ANSWER, f"{record.where.removeprefix(f'{path} ')} ({row_id})")
        elif row_id not in given:
            given[row_id] = answer
        elif given[row_id].same(answer):
            faults.add(TWICE_SAME, row_id)
        else:
            faults.add(TWICE_DIFFERENT, row_id)
            contested.add(row_id)
    if not given:
        reasons = "; ".join(f"{fault.count} × {name}" for name, fault in faults.found().items()) or "it is empty"
        raise ValueError(
            f"{path} holds no answer ({reasons}). Each line must be a JSON object with an id ({', '.join(ID_FIELDS)}) and "
            f"an answer ({', '.join(TEXT_FIELDS)}, or {', '.join(BOX_FIELDS)})."
        )
    answers = {row_id: answer for row_id, answer in given.items() if row_id not in contested}
    source = {"file": str(path), "sha256": sha256_of(path)}
    return Predictions(answers, faults.found(), source, frozenset(contested))


def match(predictions: Predictions, benchmark: Benchmark) -> tuple[list[Answer | None], Faults]:
    """One answer or None per row of the benchmark, in its order, and the faults so far."""
    faults = Faults(predictions.faults)
    known = {row.id for row in benchmark.rows}
    for row_id in predictions.answers:
        if row_id not in known:
            faults.add(UNKNOWN, row_id)
    if not known & predictions.answers.keys():
        asked, said = benchmark.rows[0].id, next(iter(predictions.answers), "nothing")
        raise ValueError(
            f"None of the {len(predictions.answers):,} answers has the id of a row of {benchmark.name} {benchmark.split}: "
            f"its ids read like {asked!r}, those of the answers like {said!r}. Write the benchmark's ids into the file."
        )
    matched = [predictions.answers.get(row.id) for row in benchmark.rows]
    for row, answer in zip(benchmark.rows, matched, strict=True):
        if answer is None and row.id not in predictions.contested:
            faults.add(MISSING, row.id)
    return matched, faults


def texts_of(answers: Sequence[Answer | None], ids: Sequence[str], faults: Faults) -> list[str | None]:
    """The answers as texts; boxes among them are faults."""
    return _of_kind(answers, ids, "text", faults, BOXES_FOR_TEXT)


def boxes_of(answers: Sequence[Answer | None], ids: Sequence[str], faults: Faults) -> list[Any]:
    """The answers as boxes, not read yet; texts among them are faults."""
    return _of_kind(answers, ids, "boxes", faults, TEXT_FOR_BOXES)


def _of_kind(answers: Sequence[Answer | None], ids: Sequence[str], kind: str, faults: Faults, other: str) -> list[Any]:
    found = [None if answer is None else getattr(answer, kind) for answer in answers]
    for answer, value, row_id in zip(answers, found, ids, strict=True):
        if answer is not None and value is None:
            faults.add(other, row_id)
    return found


def write_predictions(path: str | os.PathLike, answers: Iterable[tuple[str, Answer]]) -> Path:
    """JSON Lines that `read_predictions` reads back."""

    def fields_of(answer: Answer) -> dict[str, Any]:
        said = {"text": answer.text} if answer.text is not None else {"boxes": answer.boxes}
        return said if answer.scores is None else said | {"scores": answer.scores}

    return write_json_lines(path, ({"id": row_id, **fields_of(answer)} for row_id, answer in answers))


def _answer(record: Mapping[str, Any]) -> Answer | None:
    text, boxes = _first(record, TEXT_FIELDS), _first(record, BOX_FIELDS)
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        text = str(text)
    if isinstance(text, list) and boxes is None:
        text, boxes = None, text
    if isinstance(boxes, str) and text is None:
        text, boxes = boxes, None
    if text is not None and not isinstance(text, str):
        text = None
    scores = _first(record, SCORE_FIELDS)
    if boxes is None:
        return None if text is None else _text_answer(text) if scores is None else Answer(text, scores=scores)
    return Answer(text, boxes, scores)


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        if record.get(name) is not None:
            return record[name]
    return None


_text_answer = lru_cache(4_096)(Answer)  # many answers are the same few words: they share one value
