# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Key expressions from a server that fails, by a run that is killed and a server that moves: no answer is paid twice.

This file is also the program that gets killed: `python -m tests.laws.test_nothing_paid_twice URL FOLDER`.
"""

import json
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from promvil_hf import jobs
from promvil_hf.endpoint import Endpoint
from promvil_hf.fivl.conversation_sources import Source
from promvil_hf.fivl.extraction import by_endpoint
from promvil_hf.fivl.fivl_build import annotate_expressions
from promvil_hf.job_terms import Terms
from tests import forks
from tests.unit.fivl.fake_model import fake_model, last_text


ROOT = Path(__file__).resolve().parents[2]
THREADS = 8
# One request in four fails, in turn in these ways; two of them are paid.
FAULTS = (["429:0"], ["500"], ["503"], ["reset"], ["broken body"], ["half body"], ["half json"], ["no json"])


def annotated(url: str, folder: Path):
    """All turns of the file in `folder`, as `promvil build fivl --expressions endpoint --blind` asks about them."""
    endpoint = Endpoint(url, "tiny", folder / "paid", concurrency=THREADS, first_wait=0.001, timeout=60)
    source = Source("llava", (folder / "conversations.json",))
    terms = Terms(shard_size=64, progress=False)
    return annotate_expressions(source, folder, by_endpoint(endpoint, False), folder / "work", describe={}, terms=terms)


def conversations(count: int) -> list[dict]:
    return [
        {"id": "same", "image": "a.png", "conversations": [
            {"from": "human", "value": f"<image>\nWhat is behind door {number}?"},
            {"from": "gpt", "value": f"A lamp with the number {number} on it."},
        ]}
        for number in range(count)
    ]  # fmt: skip


def prompts(records: list[dict]) -> list[str]:
    said = [[turn["value"].replace("<image>\n", "") for turn in record["conversations"]] for record in records]
    return [json.dumps({"question": one, "answer": two}, separators=(",", ":")) for one, two in said]


def reply(body: dict) -> str:
    return json.dumps({"key_expressions": [json.loads(last_text(body))["answer"].split(" with")[0]]})


def stored(folder: Path) -> dict[str, int]:
    """How many answers to each prompt are on disk."""
    records = (json.loads(path.read_text()) for path in (folder / "paid").rglob("*.json"))
    return {record["request"]["messages"][-1]["content"]: len(record["answers"]) for record in records}


LARGE = pytest.param(10_000, (0.2, 0.5, 0.8, None), marks=[pytest.mark.slow, pytest.mark.timeout(1200)])


@pytest.mark.parametrize("count, shares", [(300, (0.4, None)), LARGE])
def test_nothing_is_paid_twice_whatever_breaks(count, shares, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    records = conversations(count)
    asked = prompts(records)
    (tmp_path / "conversations.json").write_text(json.dumps(records))
    scripts = {prompt: FAULTS[number // 4 % len(FAULTS)] for number, prompt in enumerate(asked) if number % 4 == 0}
    answered, kills, once_asked = 0, 0, set()
    finished: set[str] = set()  # prompts with a good answer on disk: nobody may ask them again
    for share in shares:
        with ExitStack() as stack:  # a server of its own each time: another port
            server = stack.enter_context(fake_model(reply))
            server.scripts = {prompt: acts for prompt, acts in scripts.items() if prompt not in once_asked}
            child = forks.start(["-m", "tests.laws.test_nothing_paid_twice", server.url, tmp_path], cwd=ROOT)
            stack.callback(child.kill)
            if share is None:
                assert child.wait() == 0
            else:
                while answered + sum(server.answered.values()) < share * count:
                    assert child.poll() is None
                    time.sleep(0.001)
                child.send_signal(signal.SIGKILL)
                child.wait()
                kills += 1
            assert not finished & server.requests.keys()
            once_asked |= server.requests.keys()
            answered += sum(server.answered.values())
        kept = stored(tmp_path)
        finished = {prompt for prompt, answers in kept.items() if answers > (scripts.get(prompt) in FAULTS[-2:])}
        lost = answered - sum(kept.values())
        assert 0 <= lost <= kills * THREADS  # only what was under way at a kill
    rows = dict(jobs.rows(tmp_path / "work" / "expressions"))
    assert len(rows) == count and not list(jobs.rejects(tmp_path / "work" / "expressions"))
    assert all(row["phrases"] == [{"text": "A lamp", "phrase": "A lamp"}] for row in rows.values())
    paid_faults = sum(acts in FAULTS[-2:] for acts in scripts.values())
    assert count <= sum(kept.values()) <= count + paid_faults
    print(f"{count:,} prompts, {answered:,} answers given, {sum(kept.values()):,} kept, {lost} lost in {kills} kills")


if __name__ == "__main__":
    os.fsync = lambda _: None  # it guards against power cuts, not against kills, and takes most of the time
    annotated(sys.argv[1], Path(sys.argv[2]))
