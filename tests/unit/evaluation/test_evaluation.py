# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Evaluation: published answers give the published numbers, files are matched by id, faults are named, ranks agree."""

import dataclasses
import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from promvil_hf import cli
from promvil_hf.boxes import Box
from promvil_hf.dialects import Kosmos2, LlavaBrackets, QwenJson
from promvil_hf.evaluation import predictions as faults
from promvil_hf.evaluation.answering import Asking, answer, prompt_of
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow, read
from promvil_hf.evaluation.hub_scores import eval_results, write_eval_results
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.predictions import Answer, Predictions, read_predictions, write_predictions
from promvil_hf.evaluation.results import FaultyAnswers, Report, Settings, compare, evaluate
from promvil_hf.evaluation.scores import Grouping, Resampling, picked_scores, true_false_scores, vqa_scores
from promvil_hf.images import UnreadableImage
from promvil_hf.metrics.gqa import gqa_score
from promvil_hf.metrics.grounding import grounding_score, iou_matrix
from promvil_hf.metrics.pope import llava_yes_no, pope_score, strict_yes_no
from promvil_hf.phrases import GroundedPhrase
from tests.harnesses import dump_of_boxes
from tests.hub.conftest import hub  # noqa: F401


ROOT = Path(__file__).resolve().parents[2]
FEW = Resampling(resamples=199)


def lines(path, *rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def toy():
    """Forty phrases of eight images with levels, and answers near most of them."""
    rng = np.random.default_rng(0)
    rows, said = [], {}
    for number in range(40):
        low = rng.uniform(0, 0.5, 2)
        box = Box(*low, *(low + rng.uniform(0.2, 0.45, 2)))
        rows.append(
            BenchmarkRow(f"r{number}", f"{number % 8}.png", f"thing {number}", (box,), level=1 + number % 3,
                         image_size=(80, 60))
        )  # fmt: skip
        said[f"r{number}"] = np.clip(np.array(box.xyxy) + rng.normal(0, 0.06, 4), 0, 1).tolist()
    return Benchmark("toy", "test", "grounding", tuple(rows)), said


def scored(benchmark, path, strict=False, **settings):
    return evaluate(benchmark, read_predictions(path), Settings(resampling=FEW, **settings), strict=strict)


def counts(report):
    return {name: fault["count"] for name, fault in report.faults.items()}


# The published answers


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
    rows = tuple(dataclasses.replace(row, image_size=None) for row in benchmark.rows)
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
    }
    for kind, (own, right) in kinds.items():
        rows = tuple(BenchmarkRow(id=str(k), **common, **own) for k in range(4))
        path = lines(tmp_path / f"{kind}.jsonl", *({"id": k, "text": right} for k in range(3)))
        report = scored(Benchmark(kind, "test", kind, rows), path)
        assert report.scores["value"] == (0.75 if kind != "pope" else pytest.approx(6 / 7))
        assert counts(report) == {faults.MISSING: 1}
    prompts = Benchmark("lines", "test", "unlabelled", rows)
    with pytest.raises(ValueError, match="prompts without truth"):
        scored(prompts, path)


# Files of answers


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


# The dump of boxes


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


# Comparing


def test_a_comparison_is_the_paired_test_over_rows_matched_by_id(toy, tmp_path):
    benchmark, said = toy
    worse = {row_id: box if k % 3 else [0.9, 0.9, 0.99, 0.99] for k, (row_id, box) in enumerate(said.items())}
    before = scored(benchmark, lines(tmp_path / "a.jsonl", *({"id": k, "boxes": [b]} for k, b in worse.items())))
    after = scored(
        benchmark, lines(tmp_path / "b.jsonl", *({"id": k, "boxes": [b]} for k, b in reversed(said.items())))
    )
    found = compare(before, after, FEW)
    change = after.scores["value"] - before.scores["value"]
    assert found.test.difference.estimate == pytest.approx(change) and change > 0
    assert found.test.p_value < 0.05 and found.worse == () and set(found.better) <= set(said)
    back = compare(after, before, FEW)
    assert back.test.difference.estimate == pytest.approx(-change) and back.worse and not back.better
    assert compare(after, after, FEW).test.p_value == 1.0
    assert f"changed by {change:+.4f}" in str(found) and "rows better, 0 worse." in str(found)
    loaded = compare(Report.load(before.save(tmp_path / "x.json")), Report.load(after.save(tmp_path / "y.json")), FEW)
    assert loaded.test == found.test


def test_reports_of_other_questions_or_other_rules_are_not_compared(toy, tmp_path):
    benchmark, said = toy
    path = lines(tmp_path / "a.jsonl", *({"id": k, "boxes": [b]} for k, b in said.items()))
    report = scored(benchmark, path)
    fewer = scored(dataclasses.replace(benchmark, rows=benchmark.rows[:30]), path)
    with pytest.raises(ValueError, match="of different questions: toy test with content hash"):
        compare(report, fewer)
    with pytest.raises(ValueError, match="scored by different rules .box_policy 'first' and 'any'."):
        compare(report, scored(benchmark, path, box_policy="any"))
    (tmp_path / "no.json").write_text("{}")
    with pytest.raises(ValueError, match="no report of `promvil evaluate`"):
        Report.load(tmp_path / "no.json")


# A model's answers


@dataclasses.dataclass(frozen=True)
class Echo:
    """A backend without a model: answers by a fixed rule, and can break in the middle."""

    dialect: object = Kosmos2()
    calls: list = dataclasses.field(default_factory=list)
    breaks_after: int | None = None

    def generate(self, requests, decoding=None):
        from promvil_hf.backends.base import Generated

        if self.breaks_after is not None and len(self.calls) >= self.breaks_after:
            raise KeyboardInterrupt
        self.calls.append([request.prompt for request in requests])
        cell = "<patch_index_0000><patch_index_{:04d}></object>"
        return [Generated(cell.format(len(request.prompt) % 1024), (), (), "end") for request in requests]


@pytest.fixture
def pictures(tmp_path):
    for number in range(8):
        Image.new("RGB", (80, 60), (number, 0, 0)).save(tmp_path / f"{number}.png")
    return Pictures(tmp_path)


def asked(benchmark, out, backend=None, **options):
    return answer(
        benchmark, backend or Echo(), options.pop("pictures"), out, model={"model": "echo"}, progress=False,
        asking=Asking(**{"batch_size": 4, **options}),
    )  # fmt: skip


def many(benchmark, times=5):
    return dataclasses.replace(
        benchmark,
        rows=tuple(dataclasses.replace(row, id=f"{row.id}-{k}") for k in range(times) for row in benchmark.rows),
    )


def test_a_stopped_evaluation_goes_on_and_several_ranks_write_the_report_of_one(toy, pictures, tmp_path, monkeypatch):
    benchmark = many(toy[0])
    whole = asked(benchmark, tmp_path / "one", pictures=pictures)
    settings = Settings(dialect="kosmos2", resampling=FEW)
    report = evaluate(benchmark, whole, settings)
    assert report.answers["rows_answered"] == 200 and report.scores["parse_rate"] == 1.0

    broken = Echo(breaks_after=20)
    with pytest.raises(KeyboardInterrupt):
        asked(benchmark, tmp_path / "two", broken, pictures=pictures)
    rest = Echo()
    again = asked(benchmark, tmp_path / "two", rest, pictures=pictures)
    assert len(rest.calls) == 50 - 16 and evaluate(benchmark, again, settings) == report  # one shard was finished

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert asked(benchmark, tmp_path / "three", pictures=pictures) is None
    monkeypatch.setenv("RANK", "1")
    by_two = asked(benchmark, tmp_path / "three", pictures=pictures)
    assert evaluate(benchmark, by_two, settings) == report
    for name in ("one", "two", "three"):
        assert (tmp_path / name / "predictions.jsonl").read_bytes() == (
            tmp_path / "one/predictions.jsonl"
        ).read_bytes()
    monkeypatch.setenv("RANK", "second")
    with pytest.raises(ValueError, match="RANK of the environment must be a whole number, and is 'second'"):
        asked(benchmark, tmp_path / "four", pictures=pictures)


def test_the_predictions_of_a_model_score_the_same_as_a_file(toy, pictures, tmp_path):
    benchmark, _ = toy
    settings = Settings(dialect="kosmos2", resampling=FEW)
    direct = evaluate(benchmark, asked(benchmark, tmp_path / "out", pictures=pictures), settings)
    from_file = evaluate(benchmark, read_predictions(tmp_path / "out/predictions.jsonl"), settings, strict=True)
    assert (from_file.scores, from_file.rows) == (direct.scores, direct.rows)
    assert direct.answers["asking"]["evidence"] == "none" and direct.answers["model"] == {"model": "echo"}


def test_another_model_or_wording_does_not_go_on_in_the_same_folder(toy, pictures, tmp_path):
    from promvil_hf.jobs import JobError

    asked(toy[0], tmp_path / "out", pictures=pictures)
    with pytest.raises(JobError, match="begun with other settings"):
        asked(toy[0], tmp_path / "out", pictures=pictures, blind=True)


def test_missing_pictures_are_counted_and_all_missing_is_an_error(toy, pictures, tmp_path):
    benchmark, _ = toy
    (tmp_path / "3.png").unlink()
    (tmp_path / "4.png").write_bytes(b"broken")
    found = asked(benchmark, tmp_path / "out", pictures=pictures)
    assert found.source["without_picture"] == 10
    report = evaluate(benchmark, found, Settings(dialect="kosmos2", resampling=FEW))
    assert counts(report) == {faults.MISSING: 10}
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="Not one of the 40 rows could be asked .no picture: A row asks about"):
        asked(benchmark, tmp_path / "none", pictures=Pictures(tmp_path / "empty"))
    with pytest.raises(ValueError, match="no folder of pictures: name it, or ask blind"):
        asked(benchmark, tmp_path / "blind", pictures=None)
    assert len(asked(benchmark, tmp_path / "blind", pictures=None, blind=True).answers) == 40
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        Pictures(tmp_path / "nowhere")


def test_pictures_are_found_by_path_name_or_stem_but_never_guessed_or_outside(tmp_path):
    for name in ("a/1.png", "b/2.png", "b/same.png", "c/same.png", "3.jpeg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3)).save(tmp_path / "in" / name)
    Image.new("RGB", (4, 3)).save(tmp_path / "secret.png")
    found = Pictures(tmp_path / "in")
    assert found.path("a/1.png") == tmp_path / "in/a/1.png"
    assert found.path("/path/to/VG/images/2.png") == tmp_path / "in/b/2.png"
    assert found.path("COCO/3.jpg") == tmp_path / "in/3.jpeg"
    assert found.path("b/same.png") == tmp_path / "in/b/same.png" and found.path("same.png") is None
    assert found.path("../secret.png") is None and found.path("") is None and found.size("a/1.png") == (4, 3)
    with pytest.raises(UnreadableImage, match="2 pictures of that name lie"):
        found.open("same.png")


def test_prompts_fit_the_family_the_kind_and_the_evidence():
    evidence = (GroundedPhrase("the jacket", [Box(0.4, 0.4, 0.6, 0.6)]),)
    row = BenchmarkRow("1", "1.png", "the man", (Box(0, 0, 1, 1),), level=2, evidence=evidence, image_size=(10, 10))
    assert prompt_of(row, "grounding", Kosmos2(), Asking()) == "<grounding><phrase>the man</phrase><object>"
    told = prompt_of(row, "grounding", Kosmos2(), Asking(evidence="gold"))
    assert told.startswith("<grounding>We can see in the image: <phrase>the jacket</phrase><object>")
    question = BenchmarkRow("2", "1.png", "Is it <phrase>?", answers=("1",), choices=("a", "b"))
    assert prompt_of(question, "gqa", Kosmos2(), Asking()).startswith("Question: Is it <\\phrase>? Short")
    assert "A. a\nB. b" in prompt_of(question, "choice", LlavaBrackets(), Asking())
    assert "true or false" in prompt_of(question, "true_false", QwenJson(), Asking())
    assert prompt_of(question, "vqa", QwenJson(), Asking(prompt="Q: {text} A:")) == "Q: Is it <\\phrase>? A:"
    with pytest.raises(ValueError, match="it needs .text. where the question goes"):
        Asking(prompt="Answer!")
    with pytest.raises(ValueError, match="it is one of none, gold"):
        Asking(evidence="predicted")


def test_a_tiny_model_is_evaluated_end_to_end_by_the_command(tmp_path, capsys):
    from promvil_hf.phrases import to_row
    from promvil_hf.toy.models import tiny_kosmos2
    from tests.harnesses.toy_compovl import chains, save_model, save_pictures, world

    drawn = world(2)
    save_pictures(drawn, tmp_path / "images")
    rows = [to_row(chain, f"VG_100K/{scene.image_id}.png", dataset="toy") for scene, chain in chains(drawn, 2)]
    data, model = lines(tmp_path / "rows.jsonl", *rows), save_model(tiny_kosmos2(), tmp_path / "model")
    command = [
        "evaluate", "--benchmark", "compovl", "--files", str(data), "--images", str(tmp_path / "images"), "--model",
        str(model), "--max-new-tokens", "3", "--resamples", "99", "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    assert cli.main(command) == 0
    assert "accuracy@0.5" in capsys.readouterr().out
    report = Report.load(tmp_path / "out/report.json")
    assert report.scores["settings"]["dialect"] == "kosmos2" and report.answers["model"]["model"] == str(model)
    assert report.benchmark["rows"] == report.answers["answered"] == len(report.rows)
    assert cli.main([*command, "--compare", str(tmp_path / "out/report.json")]) == 0  # goes on: nothing is asked again
    assert "changed by +0.0000" in capsys.readouterr().out
    html = (tmp_path / "out/report.html").read_text()
    assert "What changed" in html and "data:image/" in html


@pytest.mark.slow
def test_two_processes_of_torchrun_write_the_report_of_one(tmp_path):
    from promvil_hf.phrases import to_row
    from promvil_hf.toy.models import tiny_kosmos2
    from tests.harnesses.toy_compovl import chains, save_model, save_pictures, world

    drawn = world(20)
    save_pictures(drawn, tmp_path / "images")
    rows = [to_row(chain, f"VG_100K/{scene.image_id}.png", dataset="toy") for scene, chain in chains(drawn, 4)]
    data, model = lines(tmp_path / "rows.jsonl", *rows), save_model(tiny_kosmos2(), tmp_path / "model")
    recipe = [
        str(ROOT / "recipes/evaluate_grounding.py"), "--benchmark", "compovl", "--files", str(data), "--images",
        str(tmp_path / "images"), "--model", str(model), "--max-new-tokens", "6", "--resamples", "199",
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for name, launcher in (
        ("one", [sys.executable]),
        ("two", [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29611"]),
    ):
        done = subprocess.run(
            [*launcher, *recipe, "--out", str(tmp_path / name)], capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr[-3000:]
    for name in ("report.json", "predictions.jsonl", "report.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    assert len(json.loads((tmp_path / "two/answers/job.json").read_text())["parts"]) > 2


# The command


def test_the_command_says_what_is_missing_or_too_much(toy, tmp_path, capsys):
    def told(*arguments):
        assert cli.main(["evaluate", *arguments]) == 2
        return capsys.readouterr().err

    assert "You passed no benchmark: name one" in told()
    assert "You passed no files of pope" in told("--benchmark", "pope", "--predictions", "x")
    assert "You passed nothing that answers" in told("--benchmark", "pope", "--files", "x")
    assert "There is no file x" in told("--benchmark", "pope", "--files", "x", "--predictions", "y")
    assert "only promvil_lines lacks its truth" in told(
        "--benchmark", "pope", "--files", "x", "--predictions", "y", "--labelled", "gqa", "z"
    )
    row = {"question_id": 1, "image": "1.jpg", "text": "Is it?", "label": "yes"}
    data = lines(tmp_path / "coco_pope_popular.json", row, row | {"question_id": 2, "label": "no"})
    said = lines(tmp_path / "p.jsonl", {"id": 1, "text": "yes"})
    common = ("--benchmark", "pope", "--files", str(data), "--predictions", str(said), "--out", str(tmp_path / "o"))
    assert "Strict mode: 1 × row without an answer" in told(*common, "--strict")
    with pytest.raises(SystemExit):
        cli.main(["evaluate", *common, "--limit", "0"])
    assert "argument --limit: 0 is no whole number of 1 or more" in capsys.readouterr().err
    assert cli.main(["evaluate", *common, "--limit", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == 1.0
    warnings = Report.load(tmp_path / "o/report.json").benchmark["warnings"]
    assert "Only the first 1 of 2 rows." in warnings and any("3,000 when it is whole" in told for told in warnings)


def test_prompt_lines_are_scored_by_the_truth_of_their_benchmark(tmp_path, capsys):
    question = {
        "question": "Is it overcast?", "answer": "no", "imageId": "n1", "isBalanced": True, "semantic": [], "entailed": [],
        "types": {"structural": "verify", "semantic": "attr", "detailed": "verify"}, "groups": {"global": None},
    }  # fmt: skip
    labels = tmp_path / "questions.json"
    labels.write_text(json.dumps({"q": question}))
    data = lines(tmp_path / "gqa_testdev.txt", "[image]/path/to/n1.jpg<tab>Is it overcast?")
    said = lines(tmp_path / "p.jsonl", {"id": 1, "text": "No."})
    command = ["evaluate", "--benchmark", "promvil_lines", "--files", str(data), "--predictions", str(said)]
    command += ["--out", str(tmp_path)]
    assert cli.main([*command, "--labelled", "gqa", str(labels)]) == 0
    assert Report.load(tmp_path / "report.json").scores["value"] == 1.0
    assert cli.main(command) == 2 and "`--labelled`" in capsys.readouterr().err


# The Hub's scores


def test_eval_results_pass_the_hub_clients_own_parser_and_say_what_makes_them_comparable(toy, tmp_path):
    import yaml
    from huggingface_hub import parse_eval_result_entries

    benchmark, said = toy
    report = scored(benchmark, lines(tmp_path / "p.jsonl", *({"id": k, "boxes": [b]} for k, b in said.items())))
    entries = eval_results(
        report, "promvil/compovl", "test", revision="abc", date="2026-11-20", metrics=("parse_rate",)
    )
    path = write_eval_results(tmp_path, entries, "compovl")
    assert path == tmp_path / ".eval_results/compovl.yaml"
    headline, parsed = parse_eval_result_entries(yaml.safe_load(path.read_text()))
    assert (headline.dataset_id, headline.task_id, headline.value) == (
        "promvil/compovl",
        "test",
        report.scores["value"],
    )
    assert (parsed.task_id, parsed.value, headline.dataset_revision) == ("test_parse_rate", 1.0, "abc")
    for told in (
        "accuracy@0.5",
        "95% interval",
        "40 rows of toy test",
        "box_policy first",
        benchmark.content_hash[:16],
    ):
        assert told in headline.notes
    with pytest.raises(ValueError, match="OWNER/NAME"):
        eval_results(report, "compovl")
    with pytest.raises(ValueError, match="this report has"):
        eval_results(report, "promvil/compovl", metrics=("f2",))


def test_eval_results_travel_to_a_model_of_the_hub(toy, tmp_path, hub):  # noqa: F811
    from huggingface_hub import HfApi, hf_hub_download

    benchmark, said = toy
    report = scored(benchmark, lines(tmp_path / "p.jsonl", *({"id": k, "boxes": [b]} for k, b in said.items())))
    write_eval_results(tmp_path / "model", eval_results(report, "promvil/compovl"), "compovl")
    HfApi().create_repo("promvil/adapter")
    HfApi().upload_folder(folder_path=tmp_path / "model", repo_id="promvil/adapter")
    got = hf_hub_download("promvil/adapter", ".eval_results/compovl.yaml")
    assert Path(got).read_text() == (tmp_path / "model/.eval_results/compovl.yaml").read_text()


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
