# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Hard benchmarks, scored as a whole: their own rules, strata, boxes with scores, points in masks."""

import numpy as np
import pytest

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.evaluation import predictions as faults
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.predictions import Answer, Predictions, read_predictions
from promvil_hf.evaluation.results import Report, Settings, evaluate
from tests.unit.evaluation.answer_files import FEW, counts, lines


LEFT, HALF, FAR = Box(0.0, 0.0, 0.5, 1.0), [0.0, 0.0, 0.25, 1.0], [0.6, 0.0, 1.0, 1.0]


def scored(benchmark, answers, **settings):
    return evaluate(benchmark, Predictions(answers), Settings(resampling=FEW, **settings))


def test_ref_l4_asks_for_more_than_the_threshold_and_counts_each_class_once():
    rows = [
        BenchmarkRow(str(k), f"{k}.jpg", "it", (LEFT,), image_size=(500, 200), strata={"class": "cup" if k else "dog"})
        for k in range(4)
    ]
    said = {str(k): Answer(boxes=[HALF if k < 2 else list(LEFT.xyxy)]) for k in range(4)}
    strict = scored(Benchmark("ref_l4", "all", "grounding", rows), said).scores
    assert strict["value"] == 0.5 and strict["settings"]["iou_rule"] == "above"
    assert strict["class_mean_accuracy"] == pytest.approx((0 + 2 / 3) / 2)
    assert strict["accuracy@0.5:0.95"] == 0.5 and list(strict["tables"]["class"]) == ["dog", "cup"]
    usual = scored(Benchmark("refadv", "s", "grounding", rows), said).scores
    assert usual["value"] == 1 and usual["accuracy@0.5:0.95"] == pytest.approx(0.5 + 0.5 / 10)
    assert scored(Benchmark("refadv", "s", "grounding", rows), said, iou_rule="above").scores["value"] == 0.5
    with pytest.raises(ValueError, match="one of at_least, above"):
        scored(Benchmark("refadv", "s", "grounding", rows), said, iou_rule="near")


def test_sizes_and_shapes_are_tables_where_pictures_have_sizes():
    sizes = [(1000, 200), (400, 400), (300, 400)]
    rows = [BenchmarkRow(str(k), f"{k}.jpg", "it", (LEFT,), image_size=size) for k, size in enumerate(sizes)]
    tables = scored(Benchmark("mine", "x", "grounding", rows), {"0": Answer(boxes=[list(LEFT.xyxy)])}).scores["tables"]
    assert list(tables["shape of the picture"]) == ["within 4:3", "wider than 2:1"]
    assert tables["shape of the picture"]["wider than 2:1"]["accuracy"] == 1


def finecops():
    positive = [
        BenchmarkRow(f"p{k}", f"{k}.jpg", "it", (LEFT,), strata={"part": "positive", "level": str(1 + k)},
                     units={"positive": f"p{k}"})
        for k in range(2)
    ]  # fmt: skip
    negative = [
        BenchmarkRow(f"n{k}", f"{k}.jpg", "that", absent=True, units={"positive": f"p{k}"},
                     strata={"part": "negative text", "negative type": "swap", "negative level": "1"})
        for k in range(2)
    ]  # fmt: skip
    return Benchmark("finecops", "test", "grounding", [*positive, *negative])


def test_boxes_with_scores_have_fine_cops_numbers_by_hand():
    """p0: its best box is wrong, its second right. p1: right, below its negative."""
    said = {
        "p0": Answer(boxes=[list(LEFT.xyxy), FAR], scores=[0.5, 0.9]),
        "p1": Answer(boxes=[list(LEFT.xyxy)], scores=[0.3]),
        "n0": Answer(boxes=[FAR], scores=[0.6]),
        "n1": Answer(boxes=[], scores=[0.4]),
    }
    report = scored(finecops(), said)
    scores = report.scores
    assert (scores["metric"], scores["value"]) == ("accuracy_where_present", 0.5)  # the best box counts first
    assert [scores[f"precision@{k}"] for k in (1, 5, 10)] == [0.5, 1, 1]
    assert scores["auroc"] == 1  # of level 1 only p0, 0.9, against 0.6 and 0.4
    line = scores["tables"]["kind of negative"]["negative text, swap, negative level 1"]
    assert [line[f"recall@{k}"] for k in (1, 5)] == [0.5, 1] and line["auroc"] == pytest.approx(0.5)
    assert scores["absent_refused_rate"] == 0.5 == scores["absent_wrong_box_rate"]
    assert scores["positive_accuracy"] == pytest.approx(0.5)  # p1 with its negative, refused
    assert list(scores["tables"]["level"]) == ["1", "2"]
    assert scores["chance"] <= 1 and "one box for every picture" in scores["settings"]["chance"]


def test_negatives_alone_are_scored_by_refusals():
    rows = [row for row in finecops().rows if row.absent]
    scores = scored(Benchmark("finecops", "test", "grounding", rows), {"n0": Answer(boxes=[])}).scores
    assert scores["value"] == 0.5 and scores["chance"] == 1 and scores["settings"]["chance"] == "refusing always"


def test_scores_of_a_file_are_read_and_those_that_fit_no_box_are_a_fault(tmp_path):
    path = lines(
        tmp_path / "a.jsonl", {"id": "p0", "boxes": [list(LEFT.xyxy), [0, 0, 0, 0]], "scores": [0.7, 0.9]},
        {"id": "p1", "boxes": [list(LEFT.xyxy)], "scores": [0.7, 0.9]}, {"id": "n0", "boxes": [], "score": 0.1},
        {"id": "n1", "boxes": [FAR], "scores": ["high"]},
    )  # fmt: skip
    report = evaluate(finecops(), read_predictions(path), Settings(resampling=FEW))
    assert counts(report)[faults.OTHER_SCORES] == 2 and report.scores["precision@1"] == 1
    assert Report.load(report.save(tmp_path / "report.json")) == report


def test_boxes_below_the_least_score_are_dropped_on_grefcoco_only():
    rows = [BenchmarkRow("a", "1.jpg", "it", (LEFT,), wanted="all"), BenchmarkRow("b", "1.jpg", "no", absent=True)]
    said = {"a": Answer(boxes=[list(LEFT.xyxy), FAR], scores=[0.9, 0.6]), "b": Answer(boxes=[FAR], scores=[0.6])}
    on_grefcoco = scored(Benchmark("grefcoco", "val", "grounding", rows), said).scores
    assert (on_grefcoco["value"], on_grefcoco["n_acc"], on_grefcoco["t_acc"]) == (1, 1, 1)
    assert on_grefcoco["settings"]["min_score"] == 0.7
    elsewhere = scored(Benchmark("mine", "val", "grounding", rows), said).scores
    assert (elsewhere["value"], elsewhere["n_acc"]) == (0, 0)
    assert scored(Benchmark("mine", "val", "grounding", rows), said, min_score=0.7).scores["value"] == 1


def test_points_are_scored_in_masks_and_refusals_where_nothing_is():
    pixels = np.zeros((10, 10), bool)
    pixels[:, :2] = True  # the left fifth of the picture; its box is said to be larger
    rows = [
        BenchmarkRow("a", "1.jpg", "it", (LEFT,), masks=(masks.encode(pixels),)),
        BenchmarkRow("b", "1.jpg", "it", (LEFT,), masks=(masks.encode(pixels),)),
        BenchmarkRow("c", "1.jpg", "it", (LEFT,)),
        BenchmarkRow("d", "1.jpg", "no", absent=True),
    ]
    point = '<point x="{}" y="50" alt="it">it</point>'
    said = {"a": point.format(10), "b": point.format(30), "c": point.format(30), "d": "none"}
    answers = {name: Answer(text=text) for name, text in said.items()}
    report = scored(Benchmark("mine", "x", "grounding", rows), answers, dialect="molmo_points")
    assert [row["score"] for row in report.rows] == [1, 0, 1, 1] and report.scores["value"] == 0.75
    assert report.scores["absent_refused_rate"] == 1 and "by the boxes around the masks" in report.scores["settings"]["chance"]
