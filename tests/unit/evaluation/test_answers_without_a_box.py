# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a refused, an empty, an unreadable and a missing answer does to every metric: the table of docs/evaluation.md, row by
row, computed from one question of each kind that is answered so."""

import math
from pathlib import Path

import pytest

from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.results import Settings, evaluate
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.fivl.twins import KINDS
from promvil_hf.metrics.reliance import visual_reliance
from promvil_hf.metrics.vqa import soft_accuracies
from promvil_hf.rewards import chain_reward, iou_reward, parse_reward, point_reward


PAGE = Path(__file__).resolve().parents[3] / "docs" / "evaluation.md"
GOLD = Box(0.1, 0.1, 0.5, 0.5)
COLUMNS = {  # column of the table -> the answer, which is one of its kind for boxes, points and words
    "refused": "There is no such object.",
    "no box": "I cannot say.",
    "unreadable": '<think>Yes, it is red, A, true: [{"bbox_2d": [100, 100, 500, 500], "point_2d": [300, 300]}]',
    "missing": None,
}
FEW = Resampling(resamples=50)


def said(text, other):
    """The question under test, and beside it one whose answer says nothing here."""
    return Predictions({"other": Answer(text=other)} | ({} if text is None else {"row": Answer(text=text)}))


def one(kind, row, text, **settings):
    rows = (BenchmarkRow("row", "1.jpg", "it", **row), BenchmarkRow("other", "2.jpg", "it", **row))
    report = evaluate(Benchmark("mine", "test", kind, rows), said(text, "?"), Settings(resampling=FEW, **settings))
    return report.scores, report.rows[0]


def boxes(text):
    scores, row = one("grounding", {"boxes": (GOLD,)}, text, dialect="qwen_json")
    return {"accuracy and mean IoU, under every box policy": row["score"]} | {
        name: scores[name] * 2 - (name == "no_box_rate")  # the other question has no box
        for name in ("parse_rate", "refused_rate", "no_box_rate", "unreadable_rate", "missing_rate", "boxes_per_answer")
    }


def points(text):
    _, row = one("grounding", {"boxes": (GOLD,)}, text, dialect="qwen_points")
    return {"pointing accuracy": row["score"]}


def one_word(truth, text):
    return one("one_word", {"choices": ("yes", "no"), "answers": (truth,)}, text)[1]["score"]


def words(text):
    choice = {"choices": ("red", "blue"), "answers": ("0",)}
    pope = {f"POPE accuracy, truth {truth}": one("pope", {"answers": (truth,)}, text)[1]["score"] for truth in ("yes", "no")}
    scores, _ = one("pope", {"answers": ("yes",)}, text)
    lenient = {
        f"POPE accuracy, truth {truth}, rule llava": one("pope", {"answers": (truth,)}, text, yes_no_rule="llava")[1]["score"]
        for truth in ("yes", "no")
    }
    record = {
        "answer": "red", "isBalanced": True, "imageId": "1", "question": "it?", "groups": {"global": None}, "entailed": {},
        "types": {"structural": "query", "semantic": "attr", "detailed": "colour"},
        "semantic": [{"operation": "query", "argument": "color"}],
    }  # fmt: skip
    return {
        **pope,
        "POPE unknown_rate": scores["unknown_rate"] * 2 - 1,
        **lenient,
        "GQA accuracy": one("gqa", {"answers": ("red",), "record": record}, text)[1]["score"],
        "VQAv2 and TextVQA accuracy": one("vqa", {"answers": ("red",) * 10}, text)[1]["score"],
        "accuracy of choices": one("choice", choice, text)[1]["score"],
        **{f"accuracy of one word, truth {truth}": one_word(truth, text) for truth in ("yes", "no")},
        "accuracy of true and false": one("true_false", {"answers": ("true",)}, text)[1]["score"],
    }


def rewards(text):
    if text is None:  # a trainer always has an answer
        return {}
    there, absent, steps = {"boxes": [[list(GOLD.xyxy)]]}, {"boxes": [[]]}, [[{"text": "it", "level": 1, "boxes": [GOLD.xyxy]}]]
    return {
        "`iou_reward`": iou_reward("qwen_json")(completions=[text], **there)[0],
        "`parse_reward`": parse_reward("qwen_json")(completions=[text], **there)[0],
        "`point_reward`": point_reward("qwen_points")(completions=[text], **there)[0],
        "`chain_reward`": chain_reward("qwen_json")(completions=[text], steps=steps)[0],
        "`iou_reward`, nothing is there": iou_reward("qwen_json")(completions=[text], **absent)[0],
        "`parse_reward`, nothing is there": parse_reward("qwen_json")(completions=[text], **absent)[0],
        "`point_reward`, nothing is there": point_reward("qwen_points")(completions=[text], **absent)[0],
    }


def computed():
    table = {}
    for column, text in COLUMNS.items():
        for name, value in (boxes(text) | points(text) | words(text) | rewards(text)).items():
            table.setdefault(name, dict.fromkeys(COLUMNS, "–"))[column] = f"{value:g}" if math.isfinite(value) else "–"
    return {name: list(row.values()) for name, row in table.items()}


def documented():
    _, _, below = PAGE.read_text(encoding="utf-8").partition("| effect of an answer that is | ")
    header, _, *lines = below.partition("\n\n")[0].splitlines()
    assert [cell.strip() for cell in header.strip("| ").split("|")] == list(COLUMNS)
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]
    return {name: cells for name, *cells in rows}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # precision without a single yes
def test_the_table_of_the_page_is_what_the_metrics_do():
    assert documented() == computed()


def test_reliance_takes_each_of_them_for_a_wrong_answer():
    truth = [["red"] * 10] * 3
    wrong = soft_accuracies(["There is no such object.", "I cannot say.", ""], truth)
    assert wrong.tolist() == [0, 0, 0] and len(KINDS) > 2
    assert visual_reliance([1, 1, 1], wrong, resamples=50, method="percentile").score == 1.0


def test_every_row_says_which_of_them_it_was():
    for column, text in COLUMNS.items():
        note = one("grounding", {"boxes": (GOLD,)}, text, dialect="qwen_json")[1]["note"]
        assert note == {"missing": "no answer", "unreadable": "truncated"}.get(column, column)
