# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Files of answers: rows are matched by id, in any order, and each fault is counted and named."""

import json
import math
import random

import pytest

from promvil_hf.evaluation import predictions as faults
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.predictions import Answer, read_predictions, write_predictions
from promvil_hf.evaluation.results import FaultyAnswers
from tests.unit.evaluation.answer_files import counts, lines, scored


def test_the_order_of_a_file_changes_nothing(toy, tmp_path):
    benchmark, said = toy
    rows = [{"id": row_id, "boxes": [box]} for row_id, box in said.items()]
    straight = scored(benchmark, lines(tmp_path / "a.jsonl", *rows))
    random.Random(0).shuffle(rows)
    shuffled = scored(benchmark, lines(tmp_path / "b.jsonl", *rows))
    as_array = tmp_path / "c.json"
    as_array.write_text(json.dumps(rows[::-1]))
    array = scored(benchmark, as_array)
    for other in (shuffled, array):
        assert (other.scores, other.rows, other.faults) == (straight.scores, straight.rows, {})


def test_each_fault_of_a_file_is_counted_named_and_spares_the_other_rows(toy, tmp_path):
    benchmark, said = toy
    clean = scored(benchmark, lines(tmp_path / "clean.jsonl", *({"id": k, "boxes": [box]} for k, box in said.items())))
    broken = {k: box for k, box in said.items() if k not in ("r0", "r1")}  # two are missing
    rows = [{"id": k, "boxes": [box]} for k, box in broken.items()]
    rows += [{"id": "r2", "boxes": [said["r2"]]}]  # again, the same
    rows += [{"id": "r3", "boxes": [[0, 0, 1, 1]]}]  # again, another
    rows += [{"id": "stranger", "boxes": [[0, 0, 1, 1]]}, {"boxes": [[0, 0, 1, 1]]}, {"id": "r1"}, "no json", "[1, 2]"]
    by_id = {row["id"]: row for row in rows if isinstance(row, dict) and "id" in row and row["id"] != "r3"}
    by_id["r4"]["boxes"] = [[math.nan, 0.1, 0.5, 0.5]]
    by_id["r5"].pop("boxes")
    by_id["r5"]["text"] = "the left one"
    by_id["r6"]["boxes"] = [[0.5, 0.5, 0.5, 0.9]]
    by_id["r7"]["boxes"] = [["x", 0.5, 0.5, 0.9]]
    by_id["r8"]["boxes"] = [[0.1, None, 0.5, 0.9]]
    random.Random(1).shuffle(rows)
    report = scored(benchmark, lines(tmp_path / "broken.jsonl", *rows))
    assert counts(report) == {
        faults.MISSING: 2,
        faults.TWICE_SAME: 1,
        faults.TWICE_DIFFERENT: 1,
        faults.UNKNOWN: 1,
        faults.NO_ID: 1,
        faults.NO_ANSWER: 1,
        faults.NOT_JSON: 2,
        faults.NOT_FINITE: 2,
        faults.TEXT_FOR_BOXES: 1,
        faults.NO_AREA: 1,
        faults.NO_BOX_AT_ALL: 1,
    }
    assert report.faults[faults.TWICE_DIFFERENT]["examples"] == ["r3"]
    assert report.faults[faults.UNKNOWN]["examples"] == ["stranger"]
    touched = {f"r{k}" for k in (0, 1, 3, 4, 5, 6, 7, 8)}
    scores = {row["id"]: row["score"] for row in report.rows}
    assert all(scores[row_id] == 0 for row_id in touched)
    assert {k: v for k, v in scores.items() if k not in touched} == {
        row["id"]: row["score"] for row in clean.rows if row["id"] not in touched
    }
    assert report.scores["rows"] == 40 and report.answers["rows_answered"] == 37
    with pytest.raises(FaultyAnswers, match=r"Strict mode: .*2 × row without an answer, scored 0 \(e.g. r0\)"):
        scored(benchmark, tmp_path / "broken.jsonl", strict=True)


@pytest.mark.parametrize(
    "spoil, name",
    [
        (lambda rows: rows.pop(), faults.MISSING),
        (lambda rows: rows.append(rows[0]), faults.TWICE_SAME),
        (lambda rows: rows.append({"id": "r0", "boxes": [[0, 0, 1, 1]]}), faults.TWICE_DIFFERENT),
        (lambda rows: rows.append({"id": "x", "boxes": []}), faults.UNKNOWN),
        (lambda rows: rows.append({"boxes": []}), faults.NO_ID),
        (lambda rows: rows.append("{"), faults.NOT_JSON),
        (lambda rows: rows[0].update(boxes=[[math.nan, 0, 1, 1]]), faults.NOT_FINITE),
        (lambda rows: rows[0].update(boxes=[[math.inf, 0, 1, 1]]), faults.NOT_FINITE),
        (lambda rows: rows[0].update(boxes=[[0.5, 0, 0.5, 1]]), faults.NO_AREA),
        (lambda rows: rows[0].update(boxes=[[1, 2, 3]]), faults.NO_BOX_AT_ALL),
        (lambda rows: rows[0].update(boxes="somewhere"), faults.TEXT_FOR_BOXES),
    ],
)
def test_strict_mode_fails_on_any_one_fault(spoil, name, toy, tmp_path):
    benchmark, said = toy
    rows = [{"id": row_id, "boxes": [box]} for row_id, box in said.items()]
    lines(tmp_path / "clean.jsonl", *rows)
    assert scored(benchmark, tmp_path / "clean.jsonl", strict=True).faults == {}
    spoil(rows)
    path = lines(tmp_path / "spoilt.jsonl", *rows)
    with pytest.raises(FaultyAnswers, match=name):
        scored(benchmark, path, strict=True)
    assert name in scored(benchmark, path).faults


def test_what_a_model_wrote_is_no_fault_of_the_file(toy, tmp_path):
    benchmark, said = toy
    path = lines(tmp_path / "p.jsonl", *({"id": row_id, "text": "I cannot see it."} for row_id in said))
    report = scored(benchmark, path, dialect="kosmos2", strict=True)
    assert report.faults == {} and report.scores["problems"] == {"no box": 40} and report.scores["value"] == 0.0


def test_boxes_where_words_are_asked_for_are_a_fault(tmp_path):
    rows = tuple(BenchmarkRow(str(k), "1.jpg", "Is it?", answers=("yes",)) for k in range(2))
    path = lines(tmp_path / "p.jsonl", {"id": 0, "text": "yes"}, {"id": 1, "boxes": [[0, 0, 1, 1]]})
    assert counts(scored(Benchmark("pope", "x", "pope", rows), path)) == {faults.BOXES_FOR_TEXT: 1}


def test_ids_match_as_numbers_and_as_text_and_the_usual_fields_are_read(tmp_path):
    rows = tuple(BenchmarkRow(str(k), "1.jpg", "Is it?", answers=("yes",)) for k in range(4))
    path = lines(
        tmp_path / "p.jsonl", {"question_id": 0, "text": "yes"}, {"questionId": "1", "prediction": "yes"},
        {"id": 2.0, "answer": "yes"}, {"sent_id": 3, "output": "yes"},
    )  # fmt: skip
    report = scored(Benchmark("pope", "x", "pope", rows), path, strict=True)
    assert report.scores["value"] == 1.0


def test_a_file_of_nothing_or_of_another_benchmark_is_refused_with_both_kinds_of_ids(toy, tmp_path):
    with pytest.raises(ValueError, match="holds no answer .it is empty."):
        read_predictions(lines(tmp_path / "empty.jsonl"))
    with pytest.raises(ValueError, match="2 × line that is no JSON object"):
        read_predictions(lines(tmp_path / "text.jsonl", "hello", "world"))
    path = lines(tmp_path / "other.jsonl", {"id": 20_000_001, "text": "yes"})
    with pytest.raises(ValueError, match="its ids read like 'r0', those of the answers like '20000001'"):
        scored(toy[0], path)


def test_answers_written_are_read_back(tmp_path):
    answers = {"1": Answer(text="a\nb ÿ"), "2": Answer(boxes=[[0.0, 0.0, 1.0, 1.0]])}
    assert read_predictions(write_predictions(tmp_path / "p.jsonl", answers.items())).answers == answers


@pytest.mark.parametrize(
    "line", [b'{"id": 1, "text": "\\ud800"}', b'{"id": 1, "text": ' + b"9" * 5_000 + b"}",
             b'{"id": 1, "text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"id": 1, "text": "\xff"}'],
)  # fmt: skip
def test_a_line_that_no_program_should_write_costs_itself_alone(line, tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": 0, "text": "a\xe2\x80\xa8b"}\n' + line + b"\n" + b'{"id": 2.0, "text": "yes"}\n')
    found = read_predictions(path)
    assert {row_id: answer.text for row_id, answer in found.answers.items()} == {"0": "a\u2028b", "2": "yes"}
    assert [(name, fault.examples) for name, fault in found.faults.items()] == [(faults.NOT_JSON, ("line 2",))]
