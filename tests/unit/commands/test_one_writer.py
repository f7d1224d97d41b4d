# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Who writes a folder holds it from the first byte to the last: a second command on the same --out is refused."""

import json

import pytest

from promvil_hf.cli import main
from promvil_hf.folder_lock import held
from promvil_hf.kept_results import do_once
from promvil_hf.publishing import replacement
from promvil_hf.toy.world import WorldConfig, scenes, write_world
from tests.unit.another_process import another_process


SERVED = ("--base-url", "http://127.0.0.1:9/v1", "--served-model", "m")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_world(scenes(WorldConfig(image_size=(48, 48)), 2), folder)
    line = {"image": "VG_100K/1.png", "expression": "the small red square"}
    (folder / "queries.jsonl").write_text(json.dumps(line) + "\n")
    answers = [{"id": json.loads(line)["question_id"], "text": "yes"} for line in open(folder / "pope_random.jsonl")]
    (folder / "answers.jsonl").write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    assert main([str(word) for word in (*fivl(folder), "--out", folder / "rows")]) == 0
    return folder


def fivl(world):
    pope = ("--source", "pope", "--files", world / "pope_random.jsonl", "--images", world / "VG_100K")
    return "build", "fivl", *pope, "--masks", world / "key_expressions.jsonl", "--quiet"


def pope(world):
    return "evaluate", "--benchmark", "pope", "--files", world / "pope_random.jsonl", "--images", world / "VG_100K"


COMMANDS = {
    "build compovl": lambda world: ("build", "compovl", "--vg", world),
    "region pairs": lambda world: ("build", "compovl", "--vg", world, "--region-pairs"),
    "build fivl": fivl,
    "rows of fivl": lambda world: (*fivl(world), "--stage", "rows"),
    "ground": lambda world: ("ground", "--queries", world / "queries.jsonl", "--frame", "fractions", *SERVED),
    "evaluate a model": lambda world: (*pope(world), *SERVED),
    "evaluate a file": lambda world: (*pope(world), "--predictions", world / "answers.jsonl"),
    "reliance": lambda world: ("reliance", "--rows", world / "rows", "--images", world / "VG_100K", *SERVED),
    "demo": lambda world: ("demo", "--quick"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_second_command_is_refused_and_writes_nothing(name, world, tmp_path, capsys):
    out = tmp_path / "out"
    with another_process(lambda: held(out)):
        there = list(tmp_path.rglob("*"))
        assert main([str(word) for word in (*COMMANDS[name](world), "--out", out)]) == 2
        assert f"is writing {out}: wait for it, or use another folder." in capsys.readouterr().err
        assert list(tmp_path.rglob("*")) == there


def test_a_second_training_is_refused(tmp_path):
    from promvil_hf.commands import train_kosmos2
    from promvil_hf.training.run_training import LOCK_OF_TRAINING

    with another_process(lambda: held(tmp_path, name=LOCK_OF_TRAINING)):
        with pytest.raises(ValueError, match="wait for it, or use another folder"):
            train_kosmos2.train(["--model", "toy", "--rows", "toy:2", "--use_cpu", "true", "--output_dir", str(tmp_path)])


def test_the_draft_of_who_publishes_survives_a_second_publisher(tmp_path):
    with another_process(lambda: replacement(tmp_path, ["data"])):
        [draft] = tmp_path.glob(".draft-*.part")
        with pytest.raises(ValueError, match="wait for it"), replacement(tmp_path, ["data"]):
            pass
        assert draft.is_dir()


def test_work_that_is_done_once_is_not_done_by_two_at_a_time(tmp_path):
    with another_process(lambda: held(tmp_path)):
        with pytest.raises(ValueError, match="wait for it"):
            do_once(tmp_path / "done.json", {}, lambda: 1)
    assert do_once(tmp_path / "done.json", {}, lambda: 1)["result"] == 1
