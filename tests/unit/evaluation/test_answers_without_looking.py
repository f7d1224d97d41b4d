# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Nobody who does not look at the pictures scores more than the chance that stands beside the headline, on any benchmark."""

import json
import math
from pathlib import Path
from random import Random

import pytest

from benchmarks.answers_without_looking import ANSWERERS, DIALECT, ROWS, at_hand, invented, measured, scores_of, table
from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks import READERS, Benchmark, BenchmarkRow
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.results import Settings, evaluate
from promvil_hf.evaluation.scores import Resampling


PAGE = Path(__file__).resolve().parents[3] / "docs" / "evaluation.md"


@pytest.fixture(scope="module")
def found():
    return measured(invented())


def share(draw, seed=1, count=20_000):
    """How often something holds, drawn by other code than the rows were."""
    random = Random(seed)
    return sum(draw(random) for _ in range(count)) / count


def _iou_with_a_drawn_box(box):
    def hit(random):
        width, height = random.uniform(0.1, 0.9), random.uniform(0.1, 0.9)
        x, y = random.uniform(0, 1 - width), random.uniform(0, 1 - height)
        across = min(x + width, box[2]) - max(x, box[0])
        down = min(y + height, box[3]) - max(y, box[1])
        inside = max(across, 0) * max(down, 0)
        return inside >= 0.5 * (width * height + (box[2] - box[0]) * (box[3] - box[1]) - inside)

    return hit


# A drawn box covers half of the picture in (0.9 * (0.9 - 0.5 / 0.9) - 0.5 * ln(0.9 * 0.9 / 0.5)) / 0.64 of all cases.
WHOLE = (0.9 * (0.9 - 0.5 / 0.9) - 0.5 * math.log(0.81 / 0.5)) / 0.64
MIDDLE = share(_iou_with_a_drawn_box((0.25, 0.25, 0.75, 0.75)))
EXPECTED = {  # what each answerer scores on average, by how the rows are made; 0 where nothing is said
    "`refcoco`": {"whole picture": WHOLE, "box in the middle": MIDDLE},
    "`ref_l4`": {"whole picture": WHOLE, "box in the middle": MIDDLE},
    "`finecops`": {"whole picture": WHOLE, "box in the middle": MIDDLE},
    "its negatives": {},
    "`grefcoco`": {"refuses": 1 / 6, "whole picture": WHOLE / 2, "box in the middle": MIDDLE / 2},
    "`gqa`": {"yes": 1 / 4, "no": 1 / 4},
    "`gqa_ood`": {"yes": 1 / 4, "no": 1 / 4},
    "`pope`": {"yes": 2 / 3},
    "`vqav2`": {"yes": 3 / 8 * 2 / 3, "no": 3 / 8 * 2 / 3},
    "`textvqa`": {"yes": 3 / 8 * 2 / 3, "no": 3 / 8 * 2 / 3},
    "`hallusionbench`": {"yes": 3 / 7 / 2, "no": 4 / 7 / 2, "refuses": 4 / 7 / 2},  # "no such object" says no, by its rule
    "`naturalbench`": {},
    "`mmvp`": {},
    "`vsr`": {"yes": 1 / 2, "no": 1 / 2},
    "`choice`": {"A": (1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 4},
}


def test_every_answerer_scores_what_its_rows_lead_to_expect_and_none_more_than_chance(found):
    assert len(found) == len(EXPECTED)
    for names, (_, chance, how, scores) in found.items():
        expected = next(means for name, means in EXPECTED.items() if name in names and (" " in name) == ("negatives" in names))
        assert scores.keys() == ANSWERERS.keys() and 0 <= chance < 1 and how
        for name, score in scores.items():
            mean = expected.get(name, 0.0)
            rows = ROWS / 3 if "finecops" in names else ROWS
            assert abs(score - mean) <= 4 * math.sqrt(mean * (1 - mean) / rows), (names, name, score, mean)
            assert score <= chance + 1e-9, (names, name, score, chance)


def test_every_benchmark_with_a_truth_is_in_the_table(found):
    names = " ".join(found)
    assert [name for name in READERS if f"`{name}`" not in names] == ["promvil_lines"]  # its truth is another benchmark's


def test_the_page_holds_the_table(found):
    assert table(found) in PAGE.read_text(encoding="utf-8"), "print it anew: python -m benchmarks.answers_without_looking"


def test_who_looks_scores_more_than_chance(found):
    for names, benchmark in invented().items():
        truth = Predictions({row.id: Answer(text=_right(row, benchmark.kind)) for row in benchmark.rows})
        settings = Settings(dialect=DIALECT if benchmark.kind == "grounding" else None, resampling=Resampling(resamples=9))
        assert evaluate(benchmark, truth, settings).scores["value"] > 0.9 > found[names][1], names


def _right(row, kind):
    if kind == "grounding":
        return json.dumps([{"bbox_2d": [1_000 * corner for corner in box.xyxy]} for box in row.boxes] or None)
    if kind == "choice":
        return "ABCDE"[int(row.answers[0])]
    return max(row.answers, key=row.answers.count)


def test_one_box_that_is_all_that_many_pictures_want_is_found_by_chance_too():
    rows = [BenchmarkRow(str(k), f"{k}.jpg", "it", (Box(0.0, 0.0, 0.5, 1.0),)) for k in range(20)]
    _, chance, how, scores = scores_of(Benchmark("mine", "test", "grounding", rows))
    assert chance == scores["whole picture"] == 1.0  # the thing is half of the picture: an IoU of 0.5
    assert how.startswith("the best of one box for every picture")


def test_the_commonest_word_is_not_always_the_best_answer():
    """Three words that one of ten people gives to most questions; one that all give to a few questions."""
    stray = ("red", "pink", "grey")
    people = [("no",) * 10] * 3 + [(*stray, *(f"{k} {place}" for place in range(7))) for k in range(6)]
    rows = [BenchmarkRow(str(k), f"{k}.jpg", "Which?", answers=answers) for k, answers in enumerate(people)]
    _, chance, how, scores = scores_of(Benchmark("vqav2", "test", "vqa", rows))
    assert chance == pytest.approx(3 / 9) and how == "always 'no'" and scores["no"] == pytest.approx(chance)


def test_on_real_rows_nobody_who_does_not_look_beats_chance(shared_data):
    real = measured(at_hand(shared_data))
    assert len(real) == 6
    for names, (_, chance, _, scores) in real.items():
        assert all(score <= chance + 1e-9 for score in scores.values()), (names, chance, scores)
    hallusion, natural = real["`hallusionbench`"][3], real["`naturalbench`"][3]
    assert (hallusion["yes"], hallusion["no"]) == (pytest.approx(18 / 455), pytest.approx(88 / 455))
    assert set(natural.values()) == {0.0}
