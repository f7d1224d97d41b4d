# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""OK-VQA and VizWiz, whose answers come from several people."""

import pytest

from promvil_hf.evaluation.benchmarks import read
from tests.unit.evaluation.benchmarks import hard_files as made
from tests.unit.evaluation.benchmarks.files import parquet, write


def test_okvqa_is_vqav2s_form_under_its_own_name_and_sizes(tmp_path):
    asked = {"data_subtype": "val2014", "questions": [{"question_id": 3, "image_id": 30, "question": "Which sport?"}]}
    answers = [{"answer": "surf", "raw_answer": "surfing"}] * 10
    annotated = {"annotations": [{"question_id": 3, "image_id": 30, "answer_type": "other", "answers": answers}]}
    files = [write(tmp_path / "questions.json", asked), write(tmp_path / "annotations.json", annotated)]
    found = read("okvqa", files)
    assert (found.name, found.kind, found.rows[0].answers) == ("okvqa", "vqa", ("surf",) * 10)
    assert found.warnings[0].startswith("okvqa val2014 has 1 rows here, 5,046 when it is whole")
    assert found.content_hash == read("vqav2", files).content_hash
    with pytest.raises(ValueError, match="okvqa needs its questions file"):
        read("okvqa", files[:1])


def test_vizwiz_in_its_own_form_says_what_nobody_could_answer(tmp_path):
    found = read("vizwiz", write(tmp_path / "val.json", made.VIZWIZ))
    assert [row.id for row in found.rows] == [f"VizWiz_val_{k:08d}.jpg" for k in range(3)] and found.split == "val"
    assert [row.strata["answerable"] for row in found.rows] == ["yes", "no", "yes"]
    assert found.rows[1].answers == ("unanswerable",) * 10 and found.rows[1].group == "unanswerable"
    hub = [
        {"question_id": row["image"], "image": {"bytes": b""}, "question": row["question"], "category": row["answer_type"],
         "answers": [answer["answer"] for answer in row["answers"]]}
        for row in made.VIZWIZ
    ]  # fmt: skip
    copy = read("vizwiz", parquet(tmp_path / "val-00000-of-00001.parquet", hub))
    assert copy.content_hash == found.content_hash and copy.split == "val"
    assert [row.strata for row in copy.rows] == [row.strata for row in found.rows]  # the stratum is what most people said
    with pytest.raises(ValueError, match="VizWiz's test split cannot be scored here"):
        read("vizwiz", write(tmp_path / "test.json", [{"image": "VizWiz_test_00000000.jpg", "question": "?"}]))


def test_vizwiz_in_vqas_form_is_read_as_such(tmp_path):
    asked = {"questions": [{"question_id": 1, "image_id": "VizWiz_val_00000000", "question": "What is this?"}]}
    annotated = {"annotations": [{"question_id": 1, "image_id": 0, "answers": [{"answer": "soup"}] * 10}]}
    found = read("vizwiz", [write(tmp_path / "q.json", asked), write(tmp_path / "a.json", annotated)], split="val")
    assert (found.name, found.rows[0].image, found.rows[0].answers[0]) == ("vizwiz", "VizWiz_val_00000000.jpg", "soup")
