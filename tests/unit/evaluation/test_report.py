# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A report on the terminal and as one page: what makes it comparable, its faults, its curve, its best and worst cases."""

import dataclasses
import re

import numpy as np
import pytest
from PIL import Image

from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.comparison import compare
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.report import CASES, report_page, table_text, write_page
from promvil_hf.evaluation.results import Settings, evaluate
from promvil_hf.evaluation.scores import Resampling
from tests.harnesses import dump_of_boxes


FEW = Settings(resampling=Resampling(resamples=99))


@pytest.fixture
def grounding(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(30):
        low = rng.uniform(0, 0.5, 2)
        box = Box(*low, *(low + rng.uniform(0.2, 0.45, 2)))
        rows.append(
            BenchmarkRow(f"r{number}", f"{number % 10}.png", f"<b>thing</b> {number}", (box,), level=1 + number % 3)
        )
    for number in range(10):
        Image.new("RGB", (80, 60), (20 * number, 80, 90)).save(tmp_path / f"{number}.png")
    return Benchmark("toy", "test", "grounding", tuple(rows), warnings=("toy test is small.",)), Pictures(tmp_path)


def answered(benchmark, noise, seed=0, skip=()):
    rng = np.random.default_rng(seed)
    said = {
        row.id: Answer(
            boxes=[np.clip(np.array(row.boxes[0].xyxy) + rng.normal(0, noise * row.level, 4), 0, 1).tolist()]
        )
        for row in benchmark.rows
        if row.id not in skip
    }
    return evaluate(benchmark, Predictions(said, {}, {"file": "answers.jsonl"}), FEW)


def test_the_terminal_table_says_number_interval_rows_hash_policy_tables_faults_and_warnings(grounding):
    benchmark, _ = grounding
    report = answered(benchmark, 0.03, skip=("r3", "r4"))
    shown = table_text(report)
    assert re.search(r"accuracy at IoU 0.5 +0\.\d+ \[0\.\d+, \d\.\d+\] \(95%\)", shown)
    for text in (
        "toy test, 30 rows of 10 images",
        benchmark.content_hash[:16],
        "which of several boxes counts",
        "share of answers with a box",
        "level  accuracy     low    high  rows",
        "fault: 2 × row without an answer, scored 0, e.g. r3, r4",
        "warning: toy test is small.",
    ):
        assert text in shown, text
    lines = shown.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("level"))
    assert [line.split()[0] for line in lines[first + 1 : first + 4]] == ["1", "2", "3"]
    assert len({len(line) for line in lines[first : first + 4]}) == 1  # columns are flush


def test_the_page_holds_curve_tables_faults_cases_with_pictures_and_the_environment(grounding, tmp_path):
    benchmark, pictures = grounding
    report = answered(benchmark, 0.05, skip=("r3",))
    path = write_page(tmp_path / "deep/report.html", report, pictures)
    html = path.read_text()
    for text in (
        "Accuracy per level", "By level", "By size", "What was wrong with the answers", "Worst cases", "Best cases",
        "What makes this comparable", benchmark.content_hash, "which of several boxes counts", "over 10 images", "Environment",
        "toy test is small.", "numpy", "answers.jsonl",
    ):  # fmt: skip
        assert text in html, text
    assert html.count("data:image/") >= 2 * CASES
    assert "<b>thing</b>" not in html and "&lt;b&gt;thing&lt;/b&gt;" in html
    assert not re.search(r'(src|href)="http', html)


def test_best_and_worst_cases_are_those_with_the_highest_and_lowest_scores(grounding):
    benchmark, _ = grounding
    report = answered(benchmark, 0.06)
    html = str(report_page(report))
    worst, best = html.split("Worst cases")[-1].split("Best cases")
    ordered = sorted(report.rows, key=lambda row: row["score"])
    assert f">{ordered[0]['id']}<" in worst and f">{ordered[-1]['id']}<" in best
    assert f">{ordered[-1]['id']}<" not in worst and "data:image/" not in html.split("<main>")[1]


def test_a_comparison_shows_what_changed_for_the_better_and_the_worse_with_both_answers(grounding):
    benchmark, pictures = grounding
    before, after = answered(benchmark, 0.09, seed=1), answered(benchmark, 0.03, seed=2)
    found = compare(before, after, FEW.resampling)
    assert found.better
    html = str(report_page(after, pictures, found))
    changed = html.split("What changed")[-1].split("Accuracy per level")[0]
    assert "Better than before" in changed and "Worse than before" in changed and "p-value" in changed
    assert f">{found.better[0]}<" in changed and ", before 0." in changed and ">before<" in changed
    curve = html.split("Accuracy per level")[-1]
    assert "after" in curve and str(found)[:40] in html


def test_the_page_of_a_blind_dump_says_why_it_scores_no_more_than_its_best_box(grounding):
    benchmark, pictures = grounding
    said = {row.id: Answer(text=dump_of_boxes.answer()) for row in benchmark.rows}
    settings = dataclasses.replace(FEW, dialect="qwen_json")
    report = evaluate(benchmark, Predictions(said), settings)
    html = str(report_page(report, pictures))
    assert "All 30 answers hold the same 959 boxes, whatever the image." in html
    assert "No single box of theirs scores more than" in html and "takes the best of all boxes" in html
    assert report.scores["value"] <= 0.2


def test_questions_show_answer_and_truth_and_need_no_picture(tmp_path):
    rows = tuple(
        BenchmarkRow(str(k), f"{k}.jpg", f"Is there a cup {k}?", answers=("yes" if k % 2 else "no",)) for k in range(4)
    )
    benchmark = Benchmark("pope", "popular", "pope", rows)
    said = Predictions({str(k): Answer(text="yes <script>") for k in range(3)})
    report = evaluate(benchmark, said, FEW)
    html = str(report_page(report))
    assert "answer: yes &lt;script&gt;" in html and "truth: no" in html and "answer: no answer" in html
    assert "<script>" not in html.split("<main>")[1] and "F1 " in table_text(report)


def test_a_score_that_is_not_defined_is_a_dash_and_not_a_number(grounding):
    benchmark, _ = grounding
    one = dataclasses.replace(benchmark, rows=benchmark.rows[:1])
    report = answered(one, 0.01)
    assert report.scores["interval"]["low"] is None
    assert "nan" not in table_text(report).lower() and "one cluster only" in table_text(report)
    assert "nan" not in str(report_page(report)).split("<main>")[1].lower()
