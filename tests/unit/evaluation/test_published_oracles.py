# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Hard benchmarks: published answers give their published numbers, and who does not look has the numbers that are known."""

import json

import pytest

from promvil_hf.evaluation.benchmarks import read
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.results import Settings, evaluate
from tests.unit.evaluation.answer_files import FEW, records


MODELS = {  # hits at IoU 0.5, 0.75 and 0.9, answers that cannot be read, hits by distractors, hits of negations, mean IoU
    "qwen3a2b_direct": (29, (4, 2, 2), 0, ((1, 6), (3, 22), (0, 1)), (1, 10), 0.139149),
    "qwen3a4bthinking_direct": (29, (11, 8, 3), 3, ((2, 6), (9, 22), (0, 1)), (7, 10), 0.333545),
    "qwen35a27b_direct": (29, (13, 9, 3), 1, ((3, 6), (10, 22), (0, 1)), (7, 10), 0.372644),
    "qwen25a7b_cot": (30, (5, 5, 2), 0, ((3, 7), (2, 22), (0, 1)), (3, 11), 0.171427),
}


def ref_adv(folder, tmp_path, model):
    """The model's rows in pixels, as rows of the format `rows`, with the parts that the benchmark's report has."""
    rows = records(folder / f"ref_adv/{model}_predictions.jsonl")
    size = 1 + max(corner for row in rows for corner in (*row["gt_bbox_xyxy"], *row["pred_box_xyxy_first"]))
    bands = ((3, "2 to 3"), (6, "4 to 6"), (99, "7 and more"))
    rows_in_pixels = [
        {"id": row["row_idx"], "image": row["file_name"], "text": row["normal_caption"], "frame": "pixels",
         "boxes": [row["gt_bbox_xyxy"]], "width": int(size), "height": int(size),
         "strata": {"distractors": next(name for most, name in bands if row["distractor_count"] <= most),
                    "negation": "yes" if row["use_negation"] else "no"}}
        for row in rows
    ]  # fmt: skip
    path = tmp_path / f"{model}.jsonl"
    path.write_text("\n".join(map(json.dumps, rows_in_pixels)))
    said = {
        str(row["row_idx"]): Answer(text="<answer>?")
        if row["parse_error"]
        else Answer(boxes=[row["pred_box_xyxy_first"]])
        for row in rows
    }
    return read("rows", path), Predictions(said)


@pytest.mark.parametrize("model", MODELS)
def test_the_published_answers_to_ref_adv_have_the_published_numbers(shared_data, tmp_path, model):
    rows, hits, unread, by_distractors, negations, mean_iou = MODELS[model]
    benchmark, said = ref_adv(shared_data, tmp_path, model)
    report = evaluate(benchmark, said, Settings(frame="pixels", resampling=FEW))
    scores = report.scores
    assert [scores[f"accuracy@{at}"] for at in ("0.5", "0.75", "0.9")] == [pytest.approx(hit / rows) for hit in hits]
    assert scores["value"] == scores["accuracy@0.5"] and scores["mean_iou"] == pytest.approx(mean_iou, abs=1e-6)
    assert (1 - scores["parse_rate"]) * rows == pytest.approx(unread)
    table = scores["tables"]["distractors"]
    for name, (right, of) in zip(("2 to 3", "4 to 6", "7 and more"), by_distractors, strict=True):
        assert (table[name]["accuracy"], table[name]["rows"]) == (pytest.approx(right / of), of)
    assert scores["tables"]["negation"]["yes"]["accuracy"] == pytest.approx(negations[0] / negations[1])
    assert scores["interval"]["low"] < scores["value"] < scores["interval"]["high"]


@pytest.mark.parametrize(("word", "asked", "figures", "questions"), [("yes", 484, 25, 18), ("no", 645, 42, 88)])
def test_one_answer_to_all_of_hallusionbench(shared_data, word, asked, figures, questions):
    benchmark = read("hallusionbench", shared_data / "hallusion/HallusionBench.json")
    said = Predictions({row.id: Answer(text=f"{word.title()}.") for row in benchmark.rows})
    scores = evaluate(benchmark, said, Settings(resampling=FEW)).scores
    assert scores["accuracy"] == asked / 1129
    assert scores["figure_accuracy"] == pytest.approx(figures / 346)
    assert scores["metric"] == "question_accuracy" and scores["value"] == pytest.approx(questions / 455)
    assert scores["chance"] >= 88 / 455 - 1e-12


def test_hallusionbenchs_chance_is_the_better_of_one_word_and_guessing(shared_data):
    benchmark = read("hallusionbench", shared_data / "hallusion/HallusionBench.json")
    said = Predictions({benchmark.rows[0].id: Answer(text="yes")})
    scores = evaluate(benchmark, said, Settings(resampling=FEW)).scores
    sizes = {}
    for row in benchmark.rows:
        sizes[row.units["question"]] = sizes.get(row.units["question"], 0) + 1
    guessing = sum(0.5**size for size in sizes.values()) / len(sizes)
    assert scores["chance"] == pytest.approx(max(guessing, 88 / 455))


BLIND = {  # of 100 questions, of 100 pictures, of 50 groups
    "always the first": (lambda question, picture: True, 0, 0),
    "the picture alone": (lambda question, picture: int("".join(filter(str.isdigit, picture))) % 2 == 0, 29, 0),
    "the question alone": (lambda question, picture: len(question) % 2 == 0, 0, 26),
}


@pytest.mark.parametrize("name", BLIND)
def test_who_is_blind_to_one_of_two_scores_nothing_in_groups_of_naturalbench(shared_data, name):
    first, questions, pictures = BLIND[name]
    path = shared_data / "naturalbench/test_set.first200.json"
    benchmark, raw = read("naturalbench", path), json.loads(path.read_text())
    said = {
        row.id: Answer(text=row.choices[0 if first(question, picture) else 1])
        for row, (question, picture, _, _) in zip(benchmark.rows, raw, strict=True)
    }
    scores = evaluate(benchmark, Predictions(said), Settings(resampling=FEW)).scores
    assert (scores["accuracy"], scores["metric"], scores["value"]) == (0.5, "group_accuracy", 0)
    assert [scores["question_accuracy"], scores["picture_accuracy"]] == pytest.approx([questions / 100, pictures / 100])
    assert scores["chance"] == 1 / 16 and scores["settings"]["chance"].startswith("guessing evenly")
    assert scores["interval"]["low"] == 0 < scores["interval"]["high"] and scores["interval"]["clusters"] <= 50
