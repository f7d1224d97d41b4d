# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Answers of a file or a model as boxes or points in fractions of the image, with the scores that they carry. No torch."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from promvil_hf.conventions import DEFAULT_FRAME, DIALECTS, FRAMES, boxes_in_fractions, frame
from promvil_hf.dialects import GroundingDialect
from promvil_hf.dialects.base import EMPTY_BOX, MALFORMED, OUT_OF_RANGE
from promvil_hf.evaluation import predictions as faults_of
from promvil_hf.evaluation.benchmarks import BenchmarkRow
from promvil_hf.evaluation.predictions import Answer, Faults, boxes_of, texts_of
from promvil_hf.frames import Frame
from promvil_hf.metrics.answers import Answers, read_boxes, read_texts


def read_answers(
    rows: Sequence[BenchmarkRow],
    answers: Sequence[Answer | None],
    faults: Faults,
    spoken: GroundingDialect | None,
    given_frame: str | Frame | None,
) -> Answers:
    """The answers as boxes in fractions: texts by their dialect, boxes by their frame."""
    ids = [row.id for row in rows]
    sizes = [row.image_size for row in rows]
    known_sizes = sizes if all(sizes) else None
    if spoken is not None:
        texts = texts_of(answers, ids, faults)
        need_sizes(getattr(spoken, "frame", None), f"dialect {name_of(spoken)}", known_sizes)
        return read_texts(texts, spoken, sizes)
    if all(answer is None or answer.boxes is None for answer in answers):
        raise ValueError(
            "The answers are texts and no dialect was named: say how they write boxes, e.g. --dialect kosmos2 or "
            "qwen_json, or give boxes."
        )
    counted = given_frame or DEFAULT_FRAME
    need_sizes(frame(counted), f"frame {name_of(counted)}", known_sizes)
    given = boxes_of(answers, ids, faults)
    read = boxes_in_fractions([_numbers(boxes) for boxes in given], counted, known_sizes, "answers")
    for reason, name in (
        (MALFORMED, faults_of.NO_BOX_AT_ALL), (OUT_OF_RANGE, faults_of.NOT_FINITE), (EMPTY_BOX, faults_of.NO_AREA)
    ):  # fmt: skip
        for place in read.problems.get(reason, ()):
            faults.add(name, ids[place])
    return read


def scores_of(answers: Sequence[Answer | None], read: Answers, ids: Sequence[str], faults: Faults) -> np.ndarray | None:
    """The score of each box that was read, None where no answer has any. Scores that do not fit the boxes are a fault."""
    if all(answer is None or answer.scores is None for answer in answers):
        return None
    found = np.zeros(len(read.row))
    first = np.cumsum(read.counts) - read.counts
    for row, (answer, count) in enumerate(zip(answers, read.counts.tolist(), strict=True)):
        given = answer and _floats(answer.scores)
        if count and given is not None and len(given) != count and answer.boxes is not None and len(given) == len(answer.boxes):
            given = given[[len(read_boxes([[box]]).row) > 0 for box in answer.boxes]]  # of those that are boxes
        if given is not None and len(given) == count:
            found[first[row] : first[row] + count] = given
        elif count:
            faults.add(faults_of.OTHER_SCORES, ids[row])
    return found


def best_scores(answers: Sequence[Answer | None]) -> np.ndarray:
    """The best score that each answer gives, also where its box is none, as detectors write "nothing": 0 without any."""
    given = (answer and _floats(answer.scores) for answer in answers)
    return np.array([0.0 if scores is None or not len(scores) else scores.max() for scores in given])


def _floats(scores: Any) -> np.ndarray | None:
    """Scores as numbers, one of them or a list; None where they are no finite numbers."""
    try:
        found = np.atleast_1d(np.asarray(scores, float)) if scores is not None else None
    except (TypeError, ValueError):
        return None
    return found if found is not None and found.ndim == 1 and np.isfinite(found).all() else None


def _numbers(boxes: Any) -> Any:
    """JSON's null among numbers is no number."""
    return [float("nan") if number is None else number for number in boxes] if isinstance(boxes, list) else boxes


def need_sizes(used: Frame | None, named: str, sizes) -> None:
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


def name_of(choice: Any) -> str | None:
    known = (name for values in (DIALECTS, FRAMES) for name, value in values.items() if value == choice)
    return choice if choice is None or isinstance(choice, str) else next(known, repr(choice))
