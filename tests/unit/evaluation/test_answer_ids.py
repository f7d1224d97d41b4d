# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Ids of known schemes are recognised and named; where they cannot tell rows apart, the message says why."""

import pytest

from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow, read
from promvil_hf.evaluation.predictions import Answer, Predictions, read_predictions
from promvil_hf.evaluation.report import table_text
from promvil_hf.evaluation.results import evaluate


def pope(group="popular", per_image=2):
    rows = [
        BenchmarkRow(str(k + 1), f"COCO_val2014_{k // per_image:012d}.jpg", "Is it?", answers=("yes",), group=group)
        for k in range(6)
    ]
    return Benchmark("pope", group, "pope", rows)


def said(ids, text="yes"):
    return Predictions({str(row_id): Answer(text) for row_id in ids})


@pytest.mark.parametrize("group, added", [("random", 10**7), ("popular", 2 * 10**7), ("adversarial", 3 * 10**7)])
def test_llavas_ids_of_pope_are_recognised_and_named(group, added):
    answers = said(range(added + 1, added + 6))
    report = evaluate(pope(group), answers)
    assert report.answers["rows_answered"] == 5 and report.answers["ids"] == f"LLaVA's: {added:,} + the id of POPE"
    assert report.answers["ids"] in table_text(report)


def test_of_all_groups_in_one_file_only_the_one_that_is_asked_for_counts():
    answers = Predictions({str(k * 10**7 + n): Answer("yes" if k == 2 else "no") for k in (1, 2, 3) for n in range(1, 7)})
    report = evaluate(pope(), answers)
    assert report.scores["accuracy"] == 1.0 and report.answers["rows_answered"] == 6
    with pytest.raises(ValueError, match="None of the 6 answers has the id of a row"):
        evaluate(pope("popular"), said(range(10**7 + 1, 10**7 + 7)))  # those of another group


def test_ids_of_the_benchmark_itself_are_left_as_they_are():
    report = evaluate(pope(), said(range(1, 7)))
    assert "ids" not in report.answers and report.answers["rows_answered"] == 6


@pytest.mark.parametrize("name", ["COCO_val2014_{:012d}.jpg", "COCO_val2014_{:012d}", "{:012d}"])
def test_ids_of_images_count_where_each_image_has_one_question(name):
    report = evaluate(pope(per_image=1), said(name.format(k) for k in range(6)))
    assert report.answers["rows_answered"] == 6 and "those of the images" in report.answers["ids"]
    with pytest.raises(ValueError, match=r"ids of the answers are those of images, .* and 3 images of pope popular have several"):
        evaluate(pope(), said(name.format(k) for k in range(3)))


def test_llavas_published_answers_are_scored_as_they_are(shared_data):
    folder = shared_data / "pope"
    report = evaluate(
        read("pope", folder / "coco_pope_popular.jsonl"), read_predictions(folder / "llava-v1.5-13b_popular.jsonl")
    )
    assert report.faults == {} and report.answers["rows_answered"] == 3_000
