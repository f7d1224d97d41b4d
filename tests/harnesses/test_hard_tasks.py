# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Tasks of hard grounding sets: documents from the Hub's form and from copies, and the scores of `promvil evaluate`."""

import io

import pytest
from PIL import Image

from promvil_hf.boxes import Box
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.results import Settings, evaluate
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.tasks import copies, hard_grounding, speaking
from tests.harnesses.test_tasks import tasks


LEFT, RIGHT = Box(0.0, 0.0, 0.5, 1.0), Box(0.6, 0.0, 1.0, 1.0)
SAID = [
    '[{"bbox_2d": [0, 0, 500, 1000]}]', '[{"bbox_2d": [0, 0, 500, 1000]}, {"bbox_2d": [600, 0, 1000, 1000]}]', "none",
    '[{"bbox_2d": [1, 2', '[{"bbox_2d": [0, 0, 250, 1000]}]',
]  # fmt: skip


@pytest.fixture(autouse=True)
def the_default_dialect(monkeypatch):
    monkeypatch.setattr(speaking, "_spoken", [])
    monkeypatch.delenv(speaking.VARIABLE, raising=False)


def benchmark(name, wanted="one"):
    rows = [
        BenchmarkRow("a", "1.png", "the left", (LEFT,)),
        BenchmarkRow("b", "1.png", "the two", (LEFT, RIGHT), wanted=wanted),
        BenchmarkRow("c", "2.png", "the cup", absent=True),
        BenchmarkRow("d", "2.png", "the jar", absent=True),
        BenchmarkRow("e", "1.png", "half of the left", (LEFT,)),
    ]
    return Benchmark(name, "test", "grounding", [row for row in rows if name != "ref_l4" or not row.absent])


@pytest.mark.parametrize(("name", "wanted"), [("finecops", "one"), ("grefcoco", "all"), ("ref_l4", "one")])
def test_a_copy_is_scored_as_promvil_evaluate_scores_the_files(name, wanted, tmp_path):
    import datasets

    for picture in ("1.png", "2.png"):
        Image.new("RGB", (100, 50)).save(tmp_path / picture)
    source = benchmark(name, wanted)
    copies.write_copy(source, tmp_path, tmp_path / "copy")
    task = tasks()[f"promvil_{name}"]
    copied = datasets.load_dataset("parquet", data_files=str(tmp_path / "copy/test.parquet"))["train"]
    documents = task["process_docs"](copied)
    said = {row.id: text for row, text in zip(benchmark("all", wanted).rows, SAID, strict=True)}
    judged = [task["process_results"](document, [said[document["id"]]]) for document in documents]
    found = {
        metric["metric"]: metric["aggregation"]([one[metric["metric"]] for one in judged]) for metric in task["metric_list"]
    }
    answers = Predictions({row.id: Answer(text=said[row.id]) for row in source.rows})
    scores = evaluate(source, answers, Settings(dialect="qwen_json", resampling=Resampling(resamples=9))).scores
    expected = {
        "finecops": {"promvil_accuracy": scores.get("accuracy_where_present"),
                     "promvil_refused": scores.get("absent_refused_rate"),
                     "promvil_unreadable": scores.get("absent_unreadable_rate"), "promvil_mean_iou": scores.get("mean_iou")},
        "grefcoco": {"promvil_perfect": scores["value"], "promvil_n_acc": scores.get("n_acc"),
                     "promvil_t_acc": scores.get("t_acc")},
        "ref_l4": {"promvil_above_accuracy": scores["value"], "promvil_above_mean_accuracy": scores.get("accuracy@0.5:0.95"),
                   "promvil_above_accuracy_90": scores.get("accuracy@0.9")},
    }[name]  # fmt: skip
    assert {metric: found[metric] for metric in expected} == pytest.approx(expected)
    assert found["promvil_parse_rate"] == scores["parse_rate"]
    if name != "ref_l4":
        assert found["promvil_unreadable"] == 0.5  # one of the two absent things was answered by what cannot be read
        assert hard_grounding.target(documents[2]) == "none" and hard_grounding.prompt(documents[0])
    if name == "ref_l4":  # the box of half the area has an IoU of 0.5 itself
        assert found["promvil_above_accuracy"] == pytest.approx(2 / 3)


def test_ref_adv_of_the_hub_becomes_documents():
    import datasets

    png = io.BytesIO()
    Image.new("RGB", (200, 100)).save(png, "PNG")
    row = {"image": {"bytes": png.getvalue(), "path": None}, "normal_caption": "the cup", "solution": [20.0, 10.0, 120.0, 60.0],
           "width": 200, "height": 100}  # fmt: skip
    dataset = datasets.Dataset.from_list([row, row]).cast_column("image", datasets.Image())
    found = list(hard_grounding.refadv_documents(dataset))
    assert [document["id"] for document in found] == ["0", "1"] and found[0]["boxes"] == [[0.1, 0.1, 0.6, 0.6]]
    judged = hard_grounding.process_results(found[0], ['[{"bbox_2d": [100, 100, 600, 600]}]'])
    assert hard_grounding.accuracy([judged["promvil_accuracy"]]) == 1.0
    with pytest.raises(ValueError, match="no column solution"):
        hard_grounding.refadv_documents(dataset.remove_columns("solution"))
    with pytest.raises(ValueError, match=r"no column .*wanted: write the copy"):
        hard_grounding.copied_documents(dataset)


def test_a_copy_needs_its_pictures(tmp_path):
    with pytest.raises(ValueError, match=r"5 of 5 rows have no picture.*--images"):
        copies.write_copy(benchmark("finecops"), tmp_path, tmp_path / "copy")
