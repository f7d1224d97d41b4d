# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`--dry-run` counts, names what is missing, refuses what contradicts itself, and writes nothing; `--restart` begins anew."""

import json

import pytest

from promvil_hf import jobs
from promvil_hf.cli import main
from promvil_hf.jobs import JobError
from promvil_hf.toy.real_forms import Amounts, write_real_forms


SERVED = "--base-url http://127.0.0.1:9/v1 --served-model judge"  # nothing listens there


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_real_forms(folder, Amounts(graphs=4, referred=1, asked=2, described=2))
    build = "build fivl --source pope --files pope/coco_pope_popular.json --images coco/val2014 --out fivl --quiet "
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main((build + "--masks pope/key_expressions.jsonl").split()) == 0
    return folder


CALLS = {
    "build compovl": ("build compovl --vg vg", ("4 images of Visual Genome 1.2", "a minute of one core", "Nothing was built")),
    "evaluate": (
        "evaluate --benchmark pope --files pope/coco_pope_popular.json --images coco/val2014 --model toy:kosmos2",
        ("12 rows about 2 pictures", "of toy:kosmos2", "Nothing was asked or scored"),
    ),
    "reliance": (
        "reliance --rows fivl --images coco/val2014 --model toy:llava --adapter toy:vision_loss",
        ("6 rows about 2 pictures, each asked in 6 ways", "of toy:llava with the adapter toy:vision_loss", "scored: as pope"),
    ),
    "judge": (f"judge --rows fivl --images coco/val2014 {SERVED}", ("18 requests to judge", "not paid for again")),
}


def files(folder):
    return {path for path in folder.rglob("*") if not path.match("*.lock")}


@pytest.mark.parametrize("words, said", CALLS.values(), ids=CALLS)
def test_it_says_what_would_be_done_and_writes_nothing(data, words, said, monkeypatch, capsys):
    monkeypatch.chdir(data)
    before = files(data)
    assert main([*words.split(), "--out", "made", "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert all(part in text for part in said), text
    assert files(data) == before


@pytest.mark.parametrize("name", ["evaluate", "reliance", "judge"])
def test_missing_pictures_are_named(data, name, monkeypatch, capsys):
    monkeypatch.chdir(data)
    words = CALLS[name][0].replace("coco/val2014", "coco/train2017")
    assert main([*words.split(), "--out", "made", "--dry-run"]) == 0
    assert "2 of the pictures are not in coco/train2017, such as COCO_val2014" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, why",
    [
        (f"{CALLS['evaluate'][0]} --mode progressive --blind", "Drop one of the two"),
        (f"{CALLS['evaluate'][0]} --prompt question", "needs {text} where the question goes"),
        ("reliance --rows fivl --images coco/val2014 --model nowhere", "There is no file or folder 'nowhere'"),
        ("build compovl --vg vg --llava none.json", "There is no file none.json"),
    ],
)  # fmt: skip
def test_a_call_that_cannot_work_is_refused(data, words, why, monkeypatch, capsys):
    monkeypatch.chdir(data)
    assert main([*words.split(), "--out", "made", "--dry-run"]) == 2
    assert why in capsys.readouterr().err


def test_what_is_answered_already_is_counted(data, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(data)
    rows = [json.loads(line)["question_id"] for line in (data / "pope/coco_pope_popular.json").read_text().splitlines()]
    ask = jobs.each(lambda row: {"text": "yes"})
    jobs.run(rows[:5], ask, tmp_path / "answers", key=str, describe={}, progress=False)
    assert main([*CALLS["evaluate"][0].split(), "--out", str(tmp_path), "--dry-run"]) == 0
    assert "answers holds 5 of 12 already" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["evaluate", "reliance", "judge"])
def test_a_message_that_says_restart_is_of_a_command_that_has_it(command, tmp_path, capsys):
    jobs.run(["a"], jobs.each(lambda item: {}), tmp_path, key=str, describe={"by": 1}, progress=False)
    with pytest.raises(JobError, match="or pass --restart"):
        jobs.run(["a"], jobs.each(lambda item: {}), tmp_path, key=str, describe={"by": 2}, progress=False)
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "--restart" in capsys.readouterr().out
