# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The build of FiVL-Instruct as a whole: everything is accounted for, kills cost nothing, processes change nothing."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from promvil_hf import jobs
from promvil_hf.cli import main
from promvil_hf.fivl.conversation_sources import Source
from promvil_hf.fivl.extraction import rules
from promvil_hf.fivl.fivl_build import annotate_expressions, annotate_masks, image_of
from promvil_hf.fivl.fivl_publish import read_rows
from promvil_hf.fivl.given_masks import given
from promvil_hf.fivl.twins import KINDS, TwinSummary, all_twins
from promvil_hf.job_terms import Ranks, Terms
from promvil_hf.toy.world import WorldConfig, scenes, write_world
from tests import forks
from tests.unit.fivl.fake_model import fake_model, last_text


REPOSITORY = Path(__file__).resolve().parents[2]
FILES = {"llava": "llava_conversations.json", "gqa": "gqa_questions.json", "pope": "pope_random.jsonl"}


def world(folder: Path, count: int) -> Path:
    write_world(scenes(WorldConfig(), count), folder)
    return folder


def arguments(out: Path, files: Path, source: str, *more: str, images: str = "") -> list[str]:
    folder = files if source == "llava" else files / "VG_100K"
    command = ["build", "fivl", "--source", source, "--files", files / FILES[source], "--images", images or folder]
    masks = [] if "--masks" in more or "--detector" in more else ["--masks", files / "key_expressions.jsonl"]
    return [*map(str, [*command, "--out", out, *masks]), "--quiet", *more]


def build(out: Path, files: Path, source: str, *more: str, **kwargs) -> None:
    assert main(arguments(out, files, source, *more, **kwargs)) == 0


def content(folder: Path) -> dict[str, bytes]:
    """Everything but locks and what was bought."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock" and "paid" not in path.parts
    }


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return world(tmp_path_factory.mktemp("toy"), 8)


def test_conversations_to_rules_to_given_masks_to_rows_to_twins(toy, tmp_path, capsys):
    build(tmp_path / "out", toy, "llava")
    output = capsys.readouterr().out
    assert "8 rows in, 8 with key expressions" in output
    truth = [json.loads(line) for line in (toy / "key_expressions.jsonl").read_text().splitlines()]
    wanted = {(row["image_id"], row["turn"], row["text"]) for row in truth if row["source"] == "llava"}
    rows = list(read_rows(tmp_path / "out"))
    found = {(int(Path(row.image_path).stem), key.expression.turn, key.text) for row in rows for key in row.keys}
    assert len(wanted & found) > 0.95 * len(wanted)  # the rules find what the world says cannot be said unseen

    build(tmp_path / "out", toy, "pope")
    asked = [json.loads(line) for line in (toy / FILES["pope"]).read_text().splitlines()]
    kept = list(read_rows(tmp_path / "out", "pope"))
    assert len(kept) == sum(row["label"] == "yes" for row in asked)
    summary = TwinSummary()
    made = list(all_twins(kept, lambda row: image_of(row, toy / "VG_100K"), summary=summary))
    assert Counter(twin.kind for _, twin in made) == dict.fromkeys(KINDS, len(kept))
    assert summary.to_dict()["labels_of_rows_with_twins"] == {"yes": len(kept)}
    report = json.loads((tmp_path / "out" / "pope" / "report.json").read_text())
    assert report["rows"] + sum(report["rows_rejected"].values()) == report["rows_in"] == len(asked)


def test_every_turn_and_every_row_is_there_or_among_the_rejects(toy, tmp_path):
    records = json.loads((toy / FILES["llava"]).read_text())
    records[1].pop("image")
    records[2]["image"] = "VG_100K/gone.png"
    records[3]["image"] = "../outside.png"
    records[4]["conversations"].pop()
    records[5]["conversations"] = []
    records[6]["id"] = records[0]["id"]
    files = tmp_path / "files"
    files.mkdir()
    (files / FILES["llava"]).write_text(json.dumps(records))
    (files / "key_expressions.jsonl").write_bytes((toy / "key_expressions.jsonl").read_bytes())
    build(tmp_path / "out", files, "llava", images=str(toy))
    work = tmp_path / "out" / "work" / "instruct"
    rejects = {key: rejected.reason for key, rejected in jobs.rejects(work / "masks")}
    assert rejects == {
        "llava-00000001": "no image",
        "llava-00000002": "image missing",
        "llava-00000003": "image outside the folder",
        "llava-00000004": "unreadable record",
        "llava-00000005": "no turns",
    }
    kept = [key for key, _ in jobs.rows(work / "masks")]
    assert kept == ["llava-00000000", "llava-00000006", "llava-00000007"]  # two of them with one id
    turns = sum(len(record["conversations"]) // 2 for number, record in enumerate(records) if number not in (4, 5)) + 2
    assert len(list(jobs.rows(work / "expressions"))) + len(list(jobs.rejects(work / "expressions"))) == turns


def test_the_masks_of_two_processes_equal_those_of_one(toy, tmp_path):
    source = Source("llava", (toy / FILES["llava"],))
    for name, world_size in (("one", 1), ("two", 2), ("three", 3)):
        out = tmp_path / name
        terms = Terms(shard_size=1, progress=False)
        annotate_expressions(source, toy, rules, out, describe={}, terms=terms)
        for rank in reversed(range(world_size)):
            rank_terms = Terms(shard_size=1, ranks=Ranks(rank, world_size), progress=False)
            report = annotate_masks(source, toy, given(toy / "key_expressions.jsonl"), out, describe={}, terms=rank_terms)
        assert report.finished
    assert content(tmp_path / "one") == content(tmp_path / "two") == content(tmp_path / "three")


SRUN = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")
TORCHRUN = ("RANK", "WORLD_SIZE")  # a job array's script sets these too


@pytest.mark.parametrize("rank, world_size", [TORCHRUN, SRUN])
def test_ranks_that_the_environment_names_give_what_one_process_gives(rank, world_size, toy, tmp_path, monkeypatch):
    build(tmp_path / "one", toy, "llava", "--shard-size", "1")
    words = ["--shard-size", "1", "--stage"]
    build(tmp_path / "two", toy, "llava", *words, "expressions")
    monkeypatch.setenv(world_size, "2")
    for number in (1, 0):
        monkeypatch.setenv(rank, str(number))
        assert len(list((tmp_path / "two").rglob("masks/part-*"))) == 4 * (1 - number)
        build(tmp_path / "two", toy, "llava", *words, "masks")
    monkeypatch.delenv(world_size)
    build(tmp_path / "two", toy, "llava", *words, "rows")
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_a_dry_run_counts_turns_and_pictures_names_a_missing_one_and_writes_nothing(toy, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(arguments(out, toy, "llava", "--dry-run")) == 0
    said = capsys.readouterr().out
    turns = sum(len(row.turns) for row in Source("llava", (toy / "llava_conversations.json",)))
    assert f"key expressions of {turns:,} turns by" in said and "Nothing was built" in said and "not in" not in said
    assert not out.exists()
    moved = json.loads((toy / FILES["llava"]).read_text().replace("VG_100K/", "elsewhere/"))
    other = tmp_path / FILES["llava"]
    other.write_text(json.dumps(moved))
    words = arguments(out, toy, "llava", "--dry-run")
    assert main([str(other) if word == str(toy / FILES["llava"]) else word for word in words]) == 0
    assert f"{len(moved):,} of the pictures are not in" in capsys.readouterr().out


def test_masks_before_expressions_and_many_processes_for_the_wrong_stage_say_what_to_do(
    toy, tmp_path, capsys, monkeypatch
):
    assert main(arguments(tmp_path / "out", toy, "llava", "--stage", "masks")) == 2
    assert (
        "holds no finished key expressions: run that stage to its end first, in one process" in capsys.readouterr().err
    )
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(arguments(tmp_path / "out", toy, "llava")) == 2
    assert "You started 2 processes for the stage 'all': only the masks are divided" in capsys.readouterr().err
    monkeypatch.delenv("WORLD_SIZE")
    for more, message in [
        (["--published", "x.json"], "You passed one of --published and --tensors"),
        (["--expressions", "endpoint"], "pass both --base-url"),
        (
            ["--expressions", "magic"],
            "You passed --expressions magic: it is words, endpoint, or a file, and there is no",
        ),
        (
            ["--masks", "magic"],
            "You passed --masks magic: it is grounded-sam, boxes, sam3, composed, or a file, and there is no",
        ),
        (["--masks", "given"], "To use those that you have, name their file: --masks mine.jsonl."),
    ]:
        assert main(arguments(tmp_path / "out", toy, "llava", *more)) == 2
        assert message in capsys.readouterr().err


# -- a model that is paid


def reply(body):
    """Two phrases, one of them not in the answer."""
    answer = json.loads(last_text(body))["answer"]
    return json.dumps({"key_expressions": [answer.rstrip(".").rsplit(" ", 1)[-1], "a purple elephant"]})


@pytest.fixture
def served(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with fake_model(reply) as server:
        yield server


def paid(server, *more):
    return ["--expressions", "endpoint", "--base-url", server.url, "--served-model", "tiny", "--stage", "expressions", *more]


def test_a_misbehaving_model_leaves_every_turn_annotated_or_rejected(toy, tmp_path, served, capsys, monkeypatch):
    monkeypatch.setattr("promvil_hf.endpoint.pace.Pace.wait", lambda self, stop: True)  # no back-off in this test
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)
    acts = [["429"] * 9, ["500"], ["half json"] * 9, ["wrong schema"], ["no json"] * 9, ["declined"], ["prose"], []]
    records = json.loads((toy / FILES["llava"]).read_text())
    prompts = [
        json.dumps(
            {"question": said[0]["value"].replace("<image>\n", ""), "answer": said[1]["value"]}, separators=(",", ":")
        )
        for record in records
        for said in zip(record["conversations"][::2], record["conversations"][1::2], strict=True)
    ]
    for number, prompt in enumerate(prompts):
        served.scripts[prompt] = acts[number % len(acts)]
    build(tmp_path / "out", toy, "llava", *paid(served, "--prompt-price", "2.5", "--completion-price", "10"))
    work = tmp_path / "out" / "work" / "instruct" / "expressions"
    rows, rejects = dict(jobs.rows(work)), dict(jobs.rejects(work))
    assert len(rows) + len(rejects) == len(prompts)
    assert set(Counter(rejected.reason for rejected in rejects.values())) == {
        "rate limited",
        "half json",
        "no json",
        "declined",
    }  # what went wrong once was asked again
    assert all(row["dropped"] == {"not in the answer": ["a purple elephant"]} for row in rows.values())
    assert all(len(row["phrases"]) == 1 for row in rows.values())
    output = capsys.readouterr().out
    assert "asked tiny: " in output
    assert "tokens, cost 0." in output


def test_a_killed_and_resumed_run_buys_nothing_twice_and_ends_identical(toy, tmp_path, served):
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    more = paid(served, "--concurrency", "3", "--shard-size", "2")
    killed = arguments(tmp_path / "killed", toy, "llava", *more)
    turns = sum(len(record["conversations"]) // 2 for record in json.loads((toy / FILES["llava"]).read_text()))
    served.gate = threading.Semaphore(turns // 2)  # the run waits there for its end
    child = forks.start(["-m", "promvil_hf", *killed], cwd=REPOSITORY, env=environment)
    while sum(served.answered.values()) < turns // 2:
        assert child.poll() is None
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    served.gate.release(1000)
    assert forks.start(["-m", "promvil_hf", *killed], cwd=REPOSITORY, env=environment).wait(280) == 0
    bought = sum(
        len(json.loads(path.read_text())["answers"]) for path in (tmp_path / "killed" / "paid").rglob("*.json")
    )
    assert bought == turns
    assert sum(served.answered.values()) - bought <= 3  # under way at the kill, one a thread
    build(tmp_path / "whole", toy, "llava", *more)
    assert content(tmp_path / "killed") == content(tmp_path / "whole")


# -- tiny models, and processes that the launchers start


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A tiny Grounding DINO and a tiny SAM in folders, as `from_pretrained` wants them."""
    from promvil_hf.toy.models import tiny_grounding_dino, tiny_sam

    folder = tmp_path_factory.mktemp("checkpoints")
    for name, tiny in (("dino", tiny_grounding_dino()), ("sam", tiny_sam())):
        tiny.model.save_pretrained(folder / name)
        tiny.processor.save_pretrained(folder / name)
    return [
        "--detector",
        str(folder / "dino"),
        "--segmenter",
        str(folder / "sam"),
        "--box-threshold",
        "0.6",
        "--limit",
        "4",
    ]


def test_checkpoints_of_grounding_dino_and_sam_make_rows(toy, tmp_path, checkpoints):
    build(tmp_path / "out", toy, "llava", *checkpoints, "--limit", "2")
    rows = list(read_rows(tmp_path / "out"))
    assert len(rows) == 2
    for row in rows:
        with Image.open(toy / row.image_path) as picture:
            assert picture.size == row.image_size
        assert all(key.scores and key.expression.mask.image_size == row.image_size for key in row.keys)
    described = json.loads((tmp_path / "out" / "work" / "instruct" / "masks" / "plan.json").read_text())["describe"]
    assert described["settings"]["sam_masks"] == "best"


def test_composed_masks_come_from_the_same_checkpoints(toy, tmp_path, checkpoints):
    build(tmp_path / "out", toy, "llava", "--masks", "composed", *checkpoints, "--limit", "2")
    rows = list(read_rows(tmp_path / "out"))
    assert rows
    assert all(key.scores and key.expression.mask.image_size == row.image_size for row in rows for key in row.keys)
    described = json.loads((tmp_path / "out" / "work" / "instruct" / "masks" / "plan.json").read_text())["describe"]
    assert described["annotator"] == "composed"


def launched(out, toy, checkpoints, *launcher, more=()):
    stages = ["--shard-size", "1"]
    build(out, toy, "llava", *checkpoints, *stages, "--stage", "expressions")
    command = arguments(out, toy, "llava", *checkpoints, *stages, "--stage", "masks", *more)
    subprocess.run([*launcher, *command], cwd=REPOSITORY, check=True, timeout=280, capture_output=True)
    build(out, toy, "llava", *checkpoints, *stages, "--stage", "rows")
    return content(out)


@pytest.mark.slow
def test_torchrun_and_accelerate_give_what_one_process_gives(toy, tmp_path, checkpoints):
    binaries = Path(sys.executable).parent
    build(tmp_path / "one", toy, "llava", *checkpoints, "--shard-size", "1")
    one = content(tmp_path / "one")
    torchrun = [str(binaries / "torchrun"), "--nproc_per_node", "2", "--master_port", "29517", "-m", "promvil_hf"]
    assert launched(tmp_path / "torchrun", toy, checkpoints, *torchrun) == one
    accelerate = [
        str(binaries / "accelerate"),
        "launch",
        "--multi_gpu",
        "--num_processes",
        "2",
        "--main_process_port",
        "29518",
    ]
    script = str(REPOSITORY / "recipes" / "build_fivl.py")

    def without_names(out, *launcher):  # the recipe adds "build fivl" itself
        build(out, toy, "llava", *checkpoints, "--shard-size", "1", "--stage", "expressions")
        command = arguments(out, toy, "llava", *checkpoints, "--shard-size", "1", "--stage", "masks")[2:]
        subprocess.run([*launcher, *command], cwd=REPOSITORY, check=True, timeout=280, capture_output=True)
        build(out, toy, "llava", *checkpoints, "--shard-size", "1", "--stage", "rows")
        return content(out)

    assert without_names(tmp_path / "accelerate", *accelerate, script) == one


def test_ray_that_is_not_installed_is_named_with_its_extra(toy, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    build(tmp_path / "out", toy, "llava", "--stage", "expressions")
    assert main(arguments(tmp_path / "out", toy, "llava", "--stage", "masks", "--ray", "2")) == 2
    assert (
        "Ray is not installed: pip install 'promvil_hf[ray]', or start the stage with torchrun"
        in capsys.readouterr().err
    )
