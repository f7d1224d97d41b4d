# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The exam of held-out scenes: files that the benchmark readers take, with the truth of the scenes."""

import json

import pytest

from promvil_hf.evaluation.benchmarks import read
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.toy.exam import FILES, main, write_exam
from promvil_hf.toy.small_world import HARD, NEAR, NESTED, QUESTIONS, held_out


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exam")
    return folder, write_exam(folder, scenes=4, seed=3)


def test_each_file_is_read_as_its_benchmark_with_every_row(exam):
    folder, rows = exam
    for file, name in zip(FILES, ("compovl", "compovl", "compovl", "gqa", "pope"), strict=True):
        benchmark = read(name, [folder / file])
        assert len(benchmark.rows) == rows[file] > 0
        pictures = Pictures(folder / "images")
        assert all(pictures.open(row.image).size == (64, 64) for row in benchmark.rows)


def test_phrases_have_the_boxes_of_held_out_scenes_and_the_evidence_of_the_parts_they_lean_on(exam):
    folder, _ = exam
    for file, config in (("simple.jsonl", HARD), ("nested.jsonl", NESTED), ("near.jsonl", NEAR)):
        truth = {}
        for scene in held_out(config, 4, 3):
            for expression in scene.expressions(4):
                truth[f"{file.removesuffix('.jsonl')}_{scene.image_id}.png", expression.text] = (
                    expression.level, scene.box(scene.position_of(expression.target_id)),
                )  # fmt: skip
        rows = read("compovl", [folder / file]).rows
        assert {row.level for row in rows} == ({1} if file == "simple.jsonl" else {1, 2, 3})
        for row in rows:
            level, box = truth[row.image, row.text]
            assert (row.level, row.boxes) == (level, (box,))
            assert bool(row.evidence) == (level > 1)
            assert all(known.text in row.text for known in row.evidence)


def test_questions_are_of_the_kinds_the_base_knows(exam):
    folder, _ = exam
    asked = json.loads((folder / "questions.json").read_text())
    assert {question["types"]["detailed"] for question in asked.values()} <= set(QUESTIONS)
    labels = [json.loads(line)["label"] for line in (folder / "pope.jsonl").read_text().splitlines()]
    assert labels.count("yes") == labels.count("no")


def test_the_command_tells_what_it_wrote_and_refuses_no_scenes(tmp_path, capsys):
    assert main(["--out", str(tmp_path), "--scenes", "1"]) == 0
    assert "nested.jsonl: " in capsys.readouterr().out
    assert main(["--out", str(tmp_path), "--scenes", "0"]) == 2
    assert "You passed --scenes 0. Pass 1 or more." in capsys.readouterr().err
