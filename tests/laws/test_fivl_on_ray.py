# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL-Instruct built on a local Ray is what one process builds, and what a server was paid for is on disk once."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from promvil_hf.endpoint import Endpoint
from promvil_hf.fivl.extraction import SeenTurn, prompt
from promvil_hf.fivl.extraction import schema as answer_schema
from promvil_hf.key_expressions import Turn
from tests.laws.test_fivl_build import REPOSITORY, arguments, build, checkpoints, content, launched, paid, served, toy  # noqa: F401
from tests.unit.fivl.fake_model import last_text


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed"),
]
RAY = [sys.executable, "-m", "promvil_hf"]


def test_masks_of_actors_are_those_of_one_process(toy, tmp_path, checkpoints):  # noqa: F811
    build(tmp_path / "one", toy, "llava", *checkpoints, "--shard-size", "1")
    assert launched(tmp_path / "ray", toy, checkpoints, *RAY, more=["--ray", "2"]) == content(tmp_path / "one")


def asked_with_ray(out, toy, server):  # noqa: F811
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    command = [*RAY, *arguments(out, toy, "llava", *paid(server, "--ray", "1"))]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def stored(out):
    return sum(len(json.loads(path.read_text())["answers"]) for path in (out / "paid").rglob("*.json"))


def test_prompts_that_ray_sends_make_the_rows_of_one_process_and_nothing_is_paid_twice(toy, tmp_path, served):  # noqa: F811
    build(tmp_path / "one", toy, "llava", *paid(served))
    asked, bought = list(served.requests), stored(tmp_path / "one")
    served.requests.clear()
    served.answered.clear()
    faults = (["429:0"], ["500"], ["reset"], ["half body"], ["html"], ["no json"])
    served.scripts = dict(zip(asked, faults, strict=False))
    shown = asked_with_ray(tmp_path / "ray", toy, served)
    assert content(tmp_path / "one") == content(tmp_path / "ray")
    assert f"{bought:,} prompts" in shown
    assert sum(served.answered.values()) == stored(tmp_path / "ray") == bought + 1  # "no json" was paid too
    assert sum(served.requests.values()) == bought + len(faults)


def test_a_batch_that_fails_for_good_loses_no_answer_that_was_paid(toy, tmp_path, served):  # noqa: F811
    """Ray's stage gives the answers of a batch on together, and none of them where one request ends in an error."""
    from promvil_hf.fivl.with_ray import NO_REPLY, ON_DISK, ask_with_ray

    served.scripts = {'{"question":"2?","answer":"b"}': ["503"] * 9, '{"question":"3?","answer":"c"}': ["reset"] * 9}
    turns = [SeenTurn(str(number), Turn(0, f"{number}?", answer)) for number, answer in enumerate("xabcde")]
    endpoint = Endpoint(served.url, "tiny", tmp_path, concurrency=6, attempts=2, first_wait=0.01)
    assert ask_with_ray(turns, endpoint) == {200: 4, 503: 1, NO_REPLY: 1}
    assert [endpoint.is_paid(prompt(turn), answer_schema()) for turn in turns] == [True, True, False, False, True, True]
    assert ask_with_ray(turns[:2], endpoint) == {ON_DISK: 2}
    assert sum(served.answered.values()) == 4 and last_text(served.bodies['{"question":"0?","answer":"x"}'][0])
