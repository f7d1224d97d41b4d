# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of the endpoint client: no answer is bought twice, and what was bought is counted."""

import json
import os
import signal
import threading
import time

import pytest
from PIL import Image

from promvil_hf.endpoint import Rejected, Request, system, user
from tests import forks
from tests.unit import misbehaving_endpoint as misbehaving
from tests.unit.endpoint.asked import REPOSITORY, Phrases, stored


# -- nothing is bought twice


def test_every_item_of_a_large_run_is_answered_or_rejected_and_nothing_is_asked_after_its_answer(server, endpoint):
    acts = ["429", "429:0", "500", "503", "reset", "half body", "html", "half json", "prose", "good", "wrong schema"]
    for i in range(66):
        server.scripts[f"q{i}"] = [acts[i % 11], acts[(i // 11 + i) % 11]]
    server.scripts["q7"] = ["half json"] * 9
    server.scripts["q9"] = ["503"] * 4
    requests = [Request(i, [user(f"q{i}")], Phrases) for i in range(66)]
    first = endpoint()
    results = dict(first.ask_all(requests))
    assert list(results) == list(range(66))
    rejected = {key: result.reason for key, result in results.items() if isinstance(result, Rejected)}
    assert rejected.items() >= {7: "half json", 9: "server error"}.items()
    assert set(rejected.values()) <= {"half json", "wrong schema", "server error"}
    assert max(server.requests.values()) <= 4
    before = server.requests.copy()

    again = endpoint()
    repeated = dict(again.ask_all(requests))
    asked_again = {prompt for prompt in server.requests if server.requests[prompt] != before[prompt]}
    assert asked_again == {"q9"}  # nothing was bought for it yet
    assert all(server.answered[prompt] <= 2 for prompt in server.answered)
    assert [getattr(r, "value", None) for k, r in repeated.items() if k != 9] == [
        getattr(r, "value", None) for k, r in results.items() if k != 9
    ]
    assert again.spent().bought == 1
    assert again.spent().reused == 65 - (len(rejected) - 1)


def test_threads_with_the_same_prompt_buy_it_once(server, endpoint):
    server.delay = 0.1
    asked = endpoint(concurrency=8)
    results = [result for _, result in asked.ask_all(Request(i, [user("same")], Phrases) for i in range(24))]
    assert server.requests["same"] == 1
    assert {result.value.count for result in results} == {2}
    assert sum(not result.cached for result in results) == 1
    assert asked.spent().bought == 1


def test_a_bad_answer_that_was_paid_is_not_bought_again_unless_the_budget_is_raised(server, endpoint):
    server.default = ["half json", "half json"]
    first = endpoint().ask([user("q")], Phrases)
    second = endpoint().ask([user("q")], Phrases)
    assert first.reason == second.reason == "half json"
    assert (first.cached, second.cached) == (False, True)
    assert server.requests["q"] == 2
    third = endpoint(bad_answers=3).ask([user("q")], Phrases)
    assert third.value.count == 2
    assert server.requests["q"] == 3
    assert endpoint(bad_answers=1).ask([user("q")], Phrases).cached


def test_the_cache_key_is_the_whole_prompt_and_not_the_address(server, endpoint):
    base = endpoint()
    base.ask([user("q")])
    same = [endpoint(base_url=server.url + "/"), endpoint(api_key="another-key-0123"), endpoint(timeout=9.0)]
    assert all(other.ask([user("q")]).cached for other in same)
    others = [
        (endpoint(model="other"), [user("q")], None),
        (endpoint(temperature=0.5), [user("q")], None),
        (endpoint(max_tokens=9), [user("q")], None),
        (endpoint(seed=1), [user("q")], None),
        (endpoint(extra={"top_k": 1}), [user("q")], None),
        (base, [system("be short"), user("q")], None),
        (base, [user("q", Image.new("RGB", (4, 4)))], None),
        (base, [user("q", Image.new("RGB", (4, 4), "red"))], None),
        (base, [user("q")], Phrases),
    ]
    assert not any(asked.ask(messages, schema).cached for asked, messages, schema in others)
    assert server.requests["q"] == 1 + len(others)
    assert server.bodies["q"][5]["top_k"] == 1


def test_what_is_stored_is_the_raw_answer_before_anything_reads_it(server, endpoint, monkeypatch):
    import promvil_hf.endpoint.client

    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(promvil_hf.endpoint.client, "judged", crash)
    server.default = ["prose"]
    with pytest.raises(KeyboardInterrupt):
        endpoint().ask([user("q")], Phrases)
    monkeypatch.undo()
    answer = endpoint().ask([user("q")], Phrases)
    assert answer.cached
    assert answer.text == misbehaving.ANSWERS["prose"]
    (path,) = stored(endpoint())
    record = json.loads(path.read_text())
    assert record["request"]["messages"] == [user("q")]
    assert record["answers"][0]["text"] == misbehaving.ANSWERS["prose"]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"answers": 3}', '{"answers": [{"text": "x"}]}'])
def test_a_damaged_file_rejects_its_prompt_and_buys_nothing(server, endpoint, damage):
    endpoint().ask([user("q")])
    (path,) = stored(endpoint())
    path.write_text(damage)
    result = endpoint().ask([user("q")])
    assert result.reason == "cache damaged"
    assert str(path) in result.detail
    assert server.requests["q"] == 1


CHILD = """
import sys
from pydantic import BaseModel
from promvil_hf.endpoint import Endpoint, Request, user

class Phrases(BaseModel):
    phrases: list[str]
    count: int

endpoint = Endpoint(sys.argv[1], "tiny", cache_dir=sys.argv[2], concurrency=3, first_wait=0.01, timeout=60)
for key, result in endpoint.ask_all(Request(i, [user(f"q{i}")], Phrases) for i in range(60)):
    print(key, result.value.count, flush=True)
"""


def test_a_killed_run_resumes_and_buys_nothing_twice(server, tmp_path):
    server.gate = threading.Semaphore(0)  # so that no run is at its end before it is killed
    server.default = ["half json"]
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    cache = tmp_path / "answers"
    command = ["-c", CHILD, server.url, cache]
    for enough, let in ((20, 20), (50, 30)):
        server.gate.release(let)
        child = forks.start(command, cwd=REPOSITORY, env=environment)
        while sum(server.answered.values()) < enough:
            assert child.poll() is None
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
        child.wait()
        kept = sum(len(json.loads(path.read_text())["answers"]) for path in cache.rglob("*.json"))
        assert kept >= enough - 6  # at most the requests under way are lost, and no file is half written
    server.gate.release(1000)
    done = forks.run(command, tmp_path, cwd=REPOSITORY, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{i} 2" for i in range(60)]
    bought = sum(len(json.loads(path.read_text())["answers"]) for path in cache.rglob("*.json"))
    lost = sum(server.answered.values()) - bought
    assert 0 <= lost <= 2 * 3  # two kills, three threads each: every other answer the server gave is on disk, once


# -- cost


def test_tokens_and_cost_are_added_up_exactly(server, endpoint):
    server.scripts = {"bad once": ["wrong schema"], "failed": ["500"]}
    asked = endpoint(prompt_price=2.0, completion_price=10.0)
    one = 100 * 2.0 / 1e6 + 20 * 10.0 / 1e6
    good, twice = asked.ask([user("good")], Phrases), asked.ask([user("bad once")], Phrases)
    after_error, again = asked.ask([user("failed")], Phrases), asked.ask([user("good")], Phrases)
    assert (good.prompt_tokens, good.completion_tokens, good.cost) == (100, 20, pytest.approx(one))
    assert (twice.prompt_tokens, twice.completion_tokens, twice.cost) == (200, 40, pytest.approx(2 * one))
    assert after_error.cost == again.cost == pytest.approx(one)
    spent = asked.spent()
    assert (spent.requests, spent.bought, spent.reused) == (5, 4, 1)
    assert (spent.prompt_tokens, spent.completion_tokens, spent.cost) == (400, 80, pytest.approx(4 * one))
    assert str(spent) == ("5 requests, 4 answers bought, 1 reused; 400 + 80 tokens, cost 0.0016; rejected: none")


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": "many", "completion_tokens": 1}, {"prompt_tokens": -1}])
def test_a_server_that_reports_no_usage_has_no_known_cost(server, endpoint, usage):
    server.usage = usage
    asked = endpoint(prompt_price=2.0)
    answer = asked.ask([user("q")])
    assert (answer.prompt_tokens, answer.cost) == (None, None)
    assert asked.spent().without_usage == 1
    assert "(1 answers came without usage)" in str(asked.spent())


def test_an_unanswered_prompt_is_a_reject_of_jobs_that_knows_its_price(server, endpoint, tmp_path):
    from promvil_hf import jobs
    from promvil_hf.endpoint import Unanswered

    server.default = ["no json"] * 9
    asked = endpoint(prompt_price=2.0)
    result = asked.ask([user("q")], Phrases)
    assert isinstance(result, Unanswered | jobs.Rejected)
    assert (result.prompt_tokens, result.cost) == (200, pytest.approx(400e-6))
    with pytest.raises(jobs.JobError, match="Nothing came of all 1 items: 'no json' 1 times"):
        jobs.run(["q"], lambda items: [result], tmp_path / "job", key=str, describe={}, progress=False)
    assert dict(jobs.rejects(tmp_path / "job")) == {"q": jobs.Rejected("no json", result.detail)}
