# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Scores: published answers give the published numbers, and each kind of benchmark is scored by its own rules."""

import dataclasses
import json
import os
import subprocess
import sys

import msgspec
import numpy as np
import pytest

from promvil_hf.boxes import Box
from promvil_hf.dialects import Kosmos2
from promvil_hf.evaluation import predictions as faults
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow, read
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.results import Report, Settings, evaluate
from promvil_hf.evaluation.scores import Grouping, in_order
from promvil_hf.evaluation.text_scores import picked_scores, true_false_scores, vqa_scores
from promvil_hf.metrics.gqa import gqa_score
from promvil_hf.metrics.grounding import grounding_score, iou_matrix
from promvil_hf.metrics.pope import llava_yes_no, pope_score, strict_yes_no
from promvil_hf.phrases import GroundedPhrase
from tests.harnesses import dump_of_boxes
from tests.unit.evaluation.answer_files import FEW, ROOT, counts, lines, records, scored


def test_pope_and_gqa_through_the_command_give_the_oracle_values_and_never_load_torch(shared_data, tmp_path):
    pope_rows = records(shared_data / "pope/llava-v1.5-13b_popular.jsonl")
    answers = {row["question_id"] - 20_000_000: row["text"] for row in pope_rows}
    said = lines(tmp_path / "pope.jsonl", *({"question_id": qid, "text": text} for qid, text in answers.items()))
    code = f"""
import sys
from promvil_hf import cli
common = ["--resamples", "199", "--strict"]
assert cli.main(["evaluate", "--benchmark", "pope", "--files", {str(shared_data / "pope/coco_pope_popular.jsonl")!r},
                 "--predictions", {str(said)!r}, "--yes-no-rule", "llava", "--out", "pope", *common]) == 0
assert cli.main(["evaluate", "--benchmark", "gqa", "--files", {str(shared_data / "gqa/gqa_testdev_250.json")!r},
                 "--predictions", {str(shared_data / "gqa/llava-v1.5-13b_answers_250.jsonl")!r}, "--out", "gqa", *common]) == 0
heavy = {{"torch", "transformers", "trl", "peft", "datasets", "evaluate"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pope_report, gqa_report = Report.load(tmp_path / "pope/report.json"), Report.load(tmp_path / "gqa/report.json")
    assert round(pope_report.scores["value"], 6) == 0.862459
    assert [round(pope_report.scores[name], 6) for name in ("precision", "recall", "accuracy", "yes_rate")] == [
        0.952458, 0.788, 0.874333, 0.413667
    ]  # fmt: skip
    labels = {row["question_id"]: row["label"] for row in records(shared_data / "pope/coco_pope_popular.jsonl")}
    pure = pope_score([answers[qid] for qid in labels], list(labels.values()), llava_yes_no)
    assert (
        pope_report.scores["value"] == pure.f1 and pope_report.scores["false_positives"] == pure.false_positives == 59
    )
    assert gqa_report.scores["value"] == 0.608
    assert [gqa_report.scores["tables"]["structural"]["query"][key] for key in ("right", "rows")] == [91, 172]
    questions = json.loads((shared_data / "gqa/gqa_testdev_250.json").read_text())
    gqa_rows = records(shared_data / "gqa/llava-v1.5-13b_answers_250.jsonl")
    said = {row["question_id"]: row["text"] for row in gqa_rows}
    assert gqa_report.scores["distribution"] == gqa_score(said, questions).distribution
    assert (tmp_path / "pope/report.html").read_text().startswith("<!doctype html>")


def test_gqa_ood_gives_head_tail_and_delta_of_the_published_answers(shared_data, tmp_path):
    questions = list(json.loads((shared_data / "gqa/gqa_testdev_250.json").read_text()).items())
    for name, part in (("head", questions[:150]), ("tail", questions[150:])):
        (tmp_path / f"ood_testdev_{name}.json").write_text(json.dumps(dict(part)))
    report = scored(read("gqa_ood", tmp_path), shared_data / "gqa/llava-v1.5-13b_answers_250.jsonl")
    assert report.scores["value"] == 0.608
    assert (round(report.scores["head"], 6), report.scores["tail"]) == (0.653333, 0.54)
    assert report.scores["delta"] == pytest.approx((0.653333 - 0.54) / 0.54, abs=1e-5)


def test_grounding_equals_the_pure_function_and_carries_what_makes_it_comparable(toy, tmp_path):
    benchmark, said = toy
    path = lines(tmp_path / "p.jsonl", *({"id": row_id, "boxes": [box]} for row_id, box in said.items()))
    report = scored(benchmark, path, iou_thresholds=(0.5, 0.75), strict=True)
    boxes, gold = [said[row.id] for row in benchmark.rows], [row.boxes for row in benchmark.rows]
    pure = grounding_score(boxes, gold, thresholds=(0.5, 0.75))
    assert report.scores["value"] == report.scores["accuracy@0.5"] == pure.accuracy
    assert report.scores["accuracy@0.75"] == pure.accuracy_at[0.75] and report.scores["mean_iou"] == pure.mean_iou
    assert report.scores["settings"]["box_policy"] == "first" and report.scores["settings"]["frame"] == "fractions"
    assert list(report.scores["tables"]["level"]) == ["1", "2", "3"] and report.scores["interval"]["clusters"] == 8
    assert report.benchmark["content_hash"] == benchmark.content_hash and report.benchmark["images"] == 8
    assert report.environment["packages"]["numpy"] and report.answers["sha256"]
    assert Report.load(report.save(tmp_path / "deep/report.json")) == report


def test_raw_texts_are_read_by_their_dialect_and_the_grids_ceiling_stands_beside_the_score(toy, tmp_path):
    benchmark, said = toy
    texts = {row_id: Kosmos2().target(GroundedPhrase("it", [Box(*box)])) for row_id, box in said.items()}
    path = lines(tmp_path / "p.jsonl", *({"id": row_id, "text": text} for row_id, text in texts.items()))
    report = scored(benchmark, path, dialect="kosmos2", strict=True)
    assert report.scores["parse_rate"] == 1.0 and 0.9 < report.scores["ceiling@0.5"] <= 1.0
    assert report.scores["settings"]["dialect"] == "kosmos2"
    with pytest.raises(ValueError, match="no dialect was named"):
        scored(benchmark, path)
    rows = tuple(msgspec.structs.replace(row, image_size=None) for row in benchmark.rows)
    unsized = dataclasses.replace(benchmark, rows=rows)
    as_boxes = lines(tmp_path / "b.jsonl", *({"id": row_id, "boxes": [box]} for row_id, box in said.items()))
    with pytest.raises(ValueError, match=r"The frame pixels counts in .* the size of the image"):
        scored(unsized, as_boxes, frame="pixels")
    with pytest.raises(ValueError, match=r"depends on the size of the image.*--images"):
        scored(unsized, path, dialect="llava_brackets")
    assert scored(unsized, path, dialect="qwen_json").scores["parse_rate"] == 0.0
    with pytest.raises(ValueError, match="it is one of kosmos2, qwen_json"):
        scored(benchmark, path, dialect="other")


def test_vqa_choices_and_statements_are_scored_by_their_own_rules():
    people = [["2"] * 10, ["red"] * 3 + ["blue"] * 7, ["a"] * 10]
    soft = vqa_scores(["2", "red", None], people, Grouping(resampling=FEW))
    assert soft.value == pytest.approx((1 + 0.9 + 0) / 3) and soft.rows == 3
    choices = picked_scores(["A", "the cat", "neither", None], [["dog", "cat"]] * 4, [0, 1, 0, 0], Grouping(resampling=FEW))
    assert (choices.value, choices.numbers["chance"], choices.problems) == (0.5, 0.5, {"picks no choice": 1})
    statements = true_false_scores(["True", "no", "perhaps", None], [True, True, True, False], Grouping(resampling=FEW))
    assert statements.value == 0.25 and statements.problems == {"neither true nor false": 1}
    assert statements.row_notes == {2: "neither true nor false"}


def test_every_kind_of_benchmark_is_scored_from_a_file(tmp_path):
    common = {"image": "1.jpg", "text": "Which?"}
    kinds = {
        "pope": ({"answers": ("yes",), "group": "random"}, "Yes."),
        "vqa": ({"answers": ("red",) * 10}, "red"),
        "true_false": ({"answers": ("true",)}, "True"),
        "choice": ({"answers": ("1",), "choices": ("a", "b")}, "B"),
        "one_word": ({"answers": ("no",), "choices": ("yes", "no")}, "No, it is not."),
    }
    for kind, (fields, right) in kinds.items():
        rows = tuple(BenchmarkRow(id=str(k), **common, **fields) for k in range(4))
        path = lines(tmp_path / f"{kind}.jsonl", *({"id": k, "text": right} for k in range(3)))
        report = scored(Benchmark(kind, "test", kind, rows), path)
        assert report.scores["value"] == (0.75 if kind != "pope" else pytest.approx(6 / 7))
        assert counts(report) == {faults.MISSING: 1}
    prompts = Benchmark("lines", "test", "unlabelled", rows)
    with pytest.raises(ValueError, match="prompts without truth"):
        scored(prompts, path)


def test_a_blind_dump_of_boxes_scores_no_more_than_its_best_box_and_the_report_says_why(toy):
    benchmark = dataclasses.replace(toy[0], rows=toy[0].rows[:15])
    said = Predictions({row.id: Answer(dump_of_boxes.answer()) for row in benchmark.rows})
    assert len(dump_of_boxes.boxes()) == 959

    def value(**settings):
        return evaluate(benchmark, said, Settings(dialect="qwen_json", resampling=FEW, **settings)).scores

    gold = [row.boxes for row in benchmark.rows]
    alone = (iou_matrix(np.round(dump_of_boxes.boxes(), 3), [box.xyxy for (box,) in gold]) >= 0.5).mean(1)
    first = value()
    assert value(box_policy="any")["value"] > 0.9  # what a harness gives that takes the best of all boxes
    assert first["value"] <= max(alone) < 0.5
    (note,) = first["notes"]
    assert "All 15 answers hold the same 959 boxes, whatever the image." in note
    assert (
        f"No single box of theirs scores more than {max(alone):.3f}" in note and "takes the best of all boxes" in note
    )
    mostly = dict(said.answers) | {"r0": Answer("nothing")}
    (note,) = evaluate(benchmark, Predictions(mostly), Settings(dialect="qwen_json", resampling=FEW)).scores["notes"]
    assert "boxes on average" in note and "writing more of them gains nothing" in note


def test_yes_no_rules_are_named_in_the_report(tmp_path):
    rows = tuple(BenchmarkRow(str(k), f"{k}.jpg", "Is it?", answers=("yes" if k else "no",)) for k in range(2))
    path = lines(tmp_path / "p.jsonl", {"id": 0, "text": "maybe"}, {"id": 1, "text": "yes"})
    benchmark = Benchmark("pope", "x", "pope", rows)
    strict, loose = scored(benchmark, path), scored(benchmark, path, yes_no_rule="llava")
    assert (strict.scores["unknown_rate"], loose.scores["unknown_rate"]) == (0.5, 0.0)
    assert strict.scores["settings"]["yes_no_rule"] == strict_yes_no.__name__
    with pytest.raises(ValueError, match="it is one of strict, llava"):
        scored(benchmark, path, yes_no_rule="guess")
    assert strict.rows[0]["note"] == "neither yes nor no"


def test_lines_of_numbers_and_of_ranges_stand_from_small_to_large():
    assert in_order(["10", "9", "2"]) == ["2", "9", "10"]
    assert in_order(["4-6", "7+", "2-3", "11"]) == ["2-3", "4-6", "7+", "11"]
    assert in_order(["red", "2-3"]) == ["red", "2-3"]
