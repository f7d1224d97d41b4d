# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Benchmarks of questions: GQA, POPE, VQA v2, TextVQA, VSR and choices."""

import json

import pytest

from promvil_hf.evaluation.benchmarks import read
from promvil_hf.evaluation.benchmarks.known_sizes import size_warning
from tests.unit.evaluation.benchmarks.files import lines, parquet, write


def gqa_question(**other):
    return {
        "question": "Is it red?", "answer": "yes", "imageId": "n1", "isBalanced": True, "semantic": [], "entailed": [],
        "types": {"structural": "verify", "semantic": "attr", "detailed": "verifyAttr"}, "groups": {"global": None},
    } | other  # fmt: skip


def test_gqa_is_read_with_choices_and_from_several_files(tmp_path):
    path = write(
        tmp_path / "testdev_balanced_questions.json", {"q1": gqa_question(), "q2": gqa_question(isBalanced=False)}
    )
    choices = write(tmp_path / "choices.json", {"q1": {"valid": ["yes"], "plausible": []}})
    found = read("gqa", path, choices=choices)
    assert (found.split, found.kind, found.choices_file["q1"]["valid"]) == ("testdev_balanced", "gqa", ["yes"])
    assert found.rows[0].image == "n1.jpg" and found.rows[0].record["answer"] == "yes"
    assert found.warnings[0].startswith("gqa testdev_balanced has 1 balanced questions here, 12,578")
    more = write(tmp_path / "more.json", {"q3": gqa_question()})
    assert [row.id for row in read("gqa", [path, more]).rows] == ["q1", "q2", "q3"]
    with pytest.raises(ValueError, match="q1 has no `valid`"):
        read("gqa", path, choices=path)
    with pytest.raises(ValueError, match="only gqa and gqa_ood have one"):
        read("pope", path, choices=choices)
    with pytest.raises(ValueError, match="Submission splits without answers"):
        read("gqa", write(tmp_path / "submission.json", {"q1": {"question": "?"}}))


def test_gqa_ood_joins_head_and_tail_and_knows_which_is_which(tmp_path):
    head = write(tmp_path / "ood_testdev_head.json", {"h": gqa_question()})
    tail = write(tmp_path / "ood_testdev_tail.json", {"t": gqa_question()})
    write(tmp_path / "ood_testdev_all.json", {"h": gqa_question(), "t": gqa_question()})
    found = read("gqa_ood", tmp_path)
    assert {row.id: row.group for row in found.rows} == {"h": "head", "t": "tail"} and found.split == "testdev"
    assert read("gqa_ood", [tail, head]).content_hash == found.content_hash
    with pytest.raises(ValueError, match="needs the head file and the tail file"):
        read("gqa_ood", head)


def test_pope_is_read_from_json_lines_under_a_json_name_an_array_and_parquet(tmp_path):
    rows = [
        {"question_id": k, "image": f"{k:012d}.jpg", "text": f"Is there a cup {k}?", "label": "yes" if k % 2 else "no"}
        for k in range(1, 5)
    ]
    as_lines = read("pope", write(tmp_path / "coco_pope_popular.json", lines(*rows)))
    as_array = read("pope", write(tmp_path / "array" / "coco_pope_popular.json", rows))
    assert as_lines.rows == as_array.rows and as_lines.split == "popular" and as_lines.rows[0].answers == ("yes",)
    hub = [
        {"id": str(k), "question_id": str(row["question_id"]), "question": row["text"], "answer": row["label"],
         "image_source": row["image"], "image": {"bytes": b""}}
        for k, row in enumerate(rows)
    ]  # fmt: skip
    assert read("pope", parquet(tmp_path / "popular.parquet", hub)).content_hash == as_lines.content_hash
    write(tmp_path / "array" / "coco_pope_random.json", lines(*rows[:3]))
    both = read("pope", tmp_path / "array")
    assert len(both.rows) == 7 and both.rows[0].id == "popular/1" and both.split == "popular+random"
    assert any("POPE is balanced" in warning for warning in both.warnings)
    with pytest.raises(ValueError, match="line 1: `label` is 'maybe', and it must be yes or no"):
        read("pope", write(tmp_path / "x.json", lines(rows[0] | {"label": "maybe"})))
    with pytest.raises(ValueError, match="line 2 cannot be read: it is not JSON"):
        read("pope", write(tmp_path / "y.json", json.dumps(rows[0]) + "\nnot json"))


def test_the_size_of_llavas_pope_random_is_reported():
    assert "LLaVA-1.5" in size_warning("pope", "random", 2_910)
    assert size_warning("pope", "random", 3_000) is None and size_warning("pope", "mine", 5) is None


def test_vqav2_joins_questions_and_annotations_by_id(tmp_path):
    questions = {"data_subtype": "val2014", "questions": [
        {"question_id": 1000004, "image_id": 1000, "question": "How many?"},
        {"question_id": 5, "image_id": 1, "question": "What?"},
    ]}  # fmt: skip
    annotations = {"annotations": [
        {"question_id": 1000004, "image_id": 1000, "answer_type": "number", "answers": [{"answer": "2"}] * 10},
    ]}  # fmt: skip
    files = [write(tmp_path / "annotations.json", annotations), write(tmp_path / "questions.json", questions)]
    found = read("vqav2", files)
    assert found.rows == read("vqav2", files[::-1]).rows
    (row,) = found.rows
    assert (row.id, row.image, len(row.answers), row.group) == (
        "1000004",
        "COCO_val2014_000000001000.jpg",
        10,
        "number",
    )
    assert found.warnings[0] == "1 rows left out: a question without answers in the annotations file."
    with pytest.raises(ValueError, match="questions file"):
        read("vqav2", files[:1])


def test_textvqa_vsr_and_choices(tmp_path):
    text = {"dataset_type": "val", "data": [
        {"question_id": 3, "image_id": "ab", "question": "brand?", "answers": ["x"] * 10, "image_width": 10, "image_height": 5},
    ]}  # fmt: skip
    (row,) = read("textvqa", write(tmp_path / "t.json", text)).rows
    assert (row.id, row.image, row.image_size, len(row.answers)) == ("3", "ab.jpg", (10, 5), 10)
    with pytest.raises(ValueError, match="test split cannot be scored"):
        read(
            "textvqa", write(tmp_path / "test.json", {"data": [{"question_id": 1, "image_id": "a", "question": "?"}]})
        )

    said = {"image": "1.jpg", "caption": "The dog is on it.", "label": 1, "relation": "on"}
    vsr = read("vsr", write(tmp_path / "dev.jsonl", lines(said, said | {"label": 0})))
    assert [row.id for row in vsr.rows] == ["1.jpg|The dog is on it.", "1.jpg|The dog is on it.|2"]
    assert [row.answers[0] for row in vsr.rows] == ["true", "false"]

    problem = {
        "question": "Which?",
        "choices": ["a", "b"],
        "answer": 1,
        "hint": "Look.",
        "split": "test",
        "image": "image.png",
    }
    science = read(
        "choice", write(tmp_path / "problems.json", {"4": problem, "5": problem | {"split": "val"}}), "test"
    )
    (row,) = science.rows
    assert (row.image, row.text, row.answers) == ("test/4/image.png", "Look.\nWhich?", ("1",))
    with pytest.raises(ValueError, match="it has test, val"):
        read("choice", tmp_path / "problems.json")
    for answer in (1, "B", "b", "1", "b"):
        other = read("choice", write(tmp_path / "c.jsonl", lines({"id": 1, **problem, "answer": answer})))
        assert other.rows[0].answers == ("1",)
    with pytest.raises(ValueError, match="`answer` is 'z', and it must be one of the choices"):
        read("choice", write(tmp_path / "c.jsonl", lines({"id": 1, **problem, "answer": "z"})))
