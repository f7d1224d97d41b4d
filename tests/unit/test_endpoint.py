# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of the endpoint client, against a real HTTP server on 127.0.0.1 that misbehaves on purpose."""

import base64
import io
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from PIL import Image
from pydantic import BaseModel, ConfigDict

from promvil_hf.endpoint import (
    REASONS,
    Answer,
    Endpoint,
    Rejected,
    Request,
    image_part,
    read_structured,
    system,
    user,
)
from tests.unit import misbehaving_endpoint as misbehaving


KEY = "sk-secret-0123456789abcdef"
REPOSITORY = Path(__file__).resolve().parents[2]


class Phrases(BaseModel):
    phrases: list[str]
    count: int


class StrictPhrases(BaseModel):
    model_config = ConfigDict(extra="forbid")
    phrases: list[str]
    count: int


@pytest.fixture
def server(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with misbehaving.misbehaving_endpoint() as running:
        yield running


@pytest.fixture
def endpoint(server, tmp_path):
    """Makes endpoints that keep their waits short; each has the same cache folder."""

    def make(**settings):
        given = {
            "base_url": server.url,
            "model": "tiny",
            "cache_dir": tmp_path / "answers",
            "api_key": KEY,
            "timeout": 5.0,
            "attempts": 4,
            "first_wait": 0.01,
            "longest_wait": 2.0,
        }
        return Endpoint(**{**given, **settings})

    return make


def stored(endpoint) -> list[Path]:
    return sorted(Path(endpoint.cache_dir).rglob("*.json"))


# -- answers and rejects


@pytest.mark.parametrize("act", ["good", "prose", "fences", "thinking", "drafts", "content in parts"])
def test_json_is_found_through_what_models_write_around_it(server, endpoint, act):
    server.default = [act]
    answer = endpoint().ask([user("q")], Phrases)
    assert isinstance(answer, Answer)
    assert answer.value == Phrases(phrases=["a red bus", "a woman"], count=2)
    assert server.requests["q"] == 1


# What the server does, over and over; the reason; the requests it may cost with attempts=4 and bad_answers=2.
HOPELESS = [
    ("429", "rate limited", 4),
    ("429:0", "rate limited", 4),
    ("500", "server error", 4),
    ("503", "server error", 4),
    ("503 as a JSON string", "server error", 4),
    ("reset", "connection failed", 4),
    ("broken body", "connection failed", 4),
    ("half body", "bad response", 4),
    ("html", "bad response", 4),
    ("error in 200", "bad response", 4),
    ("a list", "bad response", 4),
    ("choices of numbers", "bad response", 4),
    ("content of numbers", "bad response", 4),
    ("no choices", "empty answer", 2),
    ("empty", "empty answer", 2),
    ("null", "empty answer", 2),
    ("half json", "half json", 2),
    ("half with whole inside", "half json", 2),
    ("no json", "no json", 2),
    ("wrong schema", "wrong schema", 2),
    ("lone surrogate", "wrong schema", 2),
    ("cut off", "cut off", 1),
    ("huge", "too long", 1),
    ("declined", "declined", 1),
    ("filtered", "declined", 1),
    ("401", "unauthorized", 1),
    ("403", "refused", 1),
    ("echo key", "refused", 1),
    ("400", "refused", 2),  # once with response_format, once with the schema in words
]


@pytest.mark.parametrize(("act", "reason", "requests"), HOPELESS, ids=[row[0] for row in HOPELESS])
def test_a_hopeless_server_costs_its_budget_and_gives_a_reason(server, endpoint, act, reason, requests):
    server.default = [act] * 50
    asked = endpoint()
    result = asked.ask([user("q")], Phrases)
    assert isinstance(result, Rejected)
    assert (result.reason, server.requests["q"], result.requests) == (reason, requests, requests)
    assert reason in REASONS
    assert result.detail
    assert len(result.detail) < 700
    assert asked.spent().rejected == {reason: 1}


@pytest.mark.parametrize(
    "act",
    ["429", "429:0", "500", "503", "503 as a JSON string", "reset", "broken body", "half body", "html",
     "error in 200", "no choices", "half json", "no json", "wrong schema"],
)  # fmt: skip
def test_one_mishap_is_repaired_by_asking_again_and_no_more(server, endpoint, act):
    server.default = [act]
    asked = endpoint()
    first, second = asked.ask([user("q")], Phrases), asked.ask([user("q")], Phrases)
    assert first.value.count == second.value.count == 2
    assert (first.requests, first.cached) == (2, False)
    assert (second.requests, second.cached) == (0, True)
    assert server.requests["q"] == 2


def test_a_silent_server_is_given_up_after_the_timeout(server, endpoint):
    server.default = ["hang"] * 2
    started = time.monotonic()
    result = endpoint(timeout=0.15, attempts=2).ask([user("q")])
    assert result.reason == "timed out"
    assert "0.15 s" in result.detail
    assert 0.3 <= time.monotonic() - started < 2
    assert endpoint(timeout=2.0).ask([user("q")]).text == misbehaving.GOOD


def test_a_closed_port_is_a_failed_connection(endpoint):
    result = endpoint(base_url="http://127.0.0.1:9/v1", attempts=2).ask([user("q")])
    assert (result.reason, result.requests) == ("connection failed", 2)


def test_without_a_schema_the_text_is_the_value(server, endpoint):
    server.scripts = {"q": ["no json"], "cut": ["cut off"]}
    answer = endpoint().ask([user("q")])
    assert answer.value == answer.text == misbehaving.ANSWERS["no json"]
    assert endpoint().ask([user("cut")]).finish_reason == "length"


def test_after_a_refused_key_nothing_else_is_asked(server, endpoint):
    server.default = ["401"] * 50
    asked = endpoint(concurrency=1)
    results = [result for _, result in asked.ask_all(Request(i, [user(f"q{i}")]) for i in range(20))]
    assert {result.reason for result in results} == {"unauthorized"}
    assert sum(server.requests.values()) == 1


def test_messages_that_are_no_json_are_rejected_and_not_raised(server, endpoint):
    for messages in ([user("half a pair \ud800")], [{"role": "user", "content": {1, 2}}], [], ["text"]):
        assert endpoint().ask(messages).reason == "unsendable"
    assert not server.requests


# -- waiting


def test_retry_after_is_honoured_in_seconds_and_as_a_date(server, endpoint):
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    server.scripts = {"seconds": ["429:1"], "date": [f"503:{in_an_hour}"], "neither": ["503:soon"]}
    started = time.monotonic()
    assert isinstance(endpoint().ask([user("seconds")]), Answer)
    assert 0.95 <= time.monotonic() - started < 3
    told = endpoint().ask([user("date")]).detail
    assert 3590 < float(told.removeprefix("the server asks to wait ").partition(" s")[0]) <= 3600
    assert isinstance(endpoint().ask([user("neither")]), Answer)


def test_a_wait_beyond_the_longest_rejects_at_once(server, endpoint):
    server.default = ["429:3600"] * 9
    started = time.monotonic()
    result = endpoint().ask([user("q")])
    assert result.reason == "rate limited"
    assert result.detail == "the server asks to wait 3600 s; longest_wait is 2 s"
    assert time.monotonic() - started < 1
    assert server.requests["q"] == 1


def test_one_retry_after_silences_every_thread(server, endpoint):
    server.scripts = {"q0": ["429:0.5"]}
    asked = endpoint(concurrency=4, requests_per_minute=60 / 0.05)
    list(asked.ask_all(Request(i, [user(f"q{i}")]) for i in range(12)))
    gaps = [later - earlier for earlier, later in zip(server.times, server.times[1:], strict=False)]
    assert max(gaps) > 0.45  # one waiting thread alone would leave a request every 0.05 s
    assert sum(server.requests.values()) == 13


def test_back_off_doubles_with_jitter(server, endpoint):
    server.default = ["500"] * 9
    endpoint(attempts=4, first_wait=0.1).ask([user("q")])
    gaps = [later - earlier for earlier, later in zip(server.times, server.times[1:], strict=False)]
    for gap, longest in zip(gaps, [0.1, 0.2, 0.4], strict=True):
        assert longest / 2 - 0.01 <= gap < longest + 0.5  # the server's clock, on a machine that may be busy


def test_threads_share_the_rate_limit_and_are_really_concurrent(server, endpoint):
    server.delay = 0.12
    server.scripts = {"q3": ["500"]}
    asked = endpoint(concurrency=6, requests_per_minute=60 / 0.04)
    results = list(asked.ask_all(Request(i, [user(f"q{i}")]) for i in range(20)))
    assert [key for key, _ in results] == list(range(20))
    assert all(isinstance(result, Answer) for _, result in results)
    assert server.busiest > 1
    times = sorted(server.times)
    assert len(times) == 21
    assert times[-1] - times[0] >= 20 * 0.04 - 0.03  # the server's clock starts when a thread of it is scheduled


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

endpoint = Endpoint(sys.argv[1], "tiny", cache_dir=sys.argv[2], concurrency=3, first_wait=0.01, timeout=5)
for key, result in endpoint.ask_all(Request(i, [user(f"q{i}")], Phrases) for i in range(60)):
    print(key, result.value.count, flush=True)
"""


def test_a_killed_run_resumes_and_buys_nothing_twice(server, tmp_path):
    server.delay = 0.01
    server.default = ["half json"]
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    cache = tmp_path / "answers"
    command = [sys.executable, "-c", CHILD, server.url, str(cache)]
    for enough in (20, 50):
        child = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE)
        while sum(server.answered.values()) < enough:
            assert child.poll() is None
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        kept = sum(len(json.loads(path.read_text())["answers"]) for path in cache.rglob("*.json"))
        assert kept >= enough - 6  # at most the requests under way are lost, and no file is half written
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{i} 2" for i in range(60)]
    bought = sum(len(json.loads(path.read_text())["answers"]) for path in cache.rglob("*.json"))
    lost = sum(server.answered.values()) - bought
    assert 0 <= lost <= 2 * 3  # two kills, three threads each: every other answer the server gave is on disk, once


# -- response_format


def test_the_schema_travels_as_openais_json_schema(server, endpoint):
    endpoint().ask([user("loose")], Phrases)
    endpoint().ask([user("strict")], StrictPhrases)
    (loose,), (strict,) = server.bodies["loose"], server.bodies["strict"]
    assert loose["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "Phrases", "schema": Phrases.model_json_schema(), "strict": False},
    }
    assert strict["response_format"]["json_schema"]["strict"] is True
    assert (loose["temperature"], loose["model"], loose["max_tokens"]) == (0.0, "tiny", 1024)
    endpoint(temperature=None, max_tokens=None, extra={"max_completion_tokens": 9}).ask([user("bare")])
    assert server.bodies["bare"][0].keys() == {"model", "messages", "max_completion_tokens", "stream"}


def test_a_server_without_response_format_gets_the_schema_in_words_from_then_on(server, endpoint):
    server.takes_response_format = False
    asked = endpoint(attempts=1)
    picture = user("q1", Image.new("RGB", (2, 2)))
    for messages in ([user("q0")], [picture], [user("q2"), {"role": "assistant", "content": "So:"}]):
        assert asked.ask(messages, Phrases).value.count == 2
    assert [server.requests[prompt] for prompt in ("q0", "q1", "q2")] == [2, 1, 1]
    assert server.bodies["q0"][1]["messages"][0]["content"].startswith("q0\n\nAnswer with one JSON value that fits")
    assert server.bodies["q1"][0]["messages"][0]["content"][-1]["text"].startswith("Answer with one JSON value")
    assert [message["role"] for message in server.bodies["q2"][0]["messages"]] == ["user", "assistant", "user"]
    assert endpoint().ask([user("q0")], Phrases).cached  # the wording is no part of the cache key


# -- reading


def test_an_object_inside_an_unfinished_or_unfitting_one_is_no_answer():
    inner = '{"phrases": [], "count": 0}'
    assert read_structured(f'{{"outer": {inner}, "more": [', Phrases).reason == "half json"
    assert read_structured(f'{{"outer": {inner}}}', Phrases).reason == "wrong schema"
    assert read_structured(f"{{'outer': {inner}}}", Phrases).reason == "no json"
    assert read_structured(f"see [1] and {inner} (in [brackets])", Phrases) == Phrases(phrases=[], count=0)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{" * 100_000, '{"a":' * 50_000, '["' * 50_000, "[]" * 50_000, '{"' + '\\"' * 90_000]
)
def test_brackets_without_end_are_read_in_linear_time(text):
    started = time.monotonic()
    assert isinstance(read_structured(text, Phrases), Rejected)
    assert time.monotonic() - started < 2


def test_a_schema_complaint_names_the_fields():
    details = read_structured(misbehaving.ANSWERS["wrong schema"], Phrases).detail
    assert details.startswith("Phrases does not take the answer: phrases: Input should be a valid array; count: ")


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
    jobs.run(["q"], lambda items: [result], tmp_path / "job", key=str, describe={}, progress=False)
    assert dict(jobs.rejects(tmp_path / "job")) == {"q": jobs.Rejected("no json", result.detail)}


# -- the key


def test_the_key_appears_nowhere_but_at_the_server(server, endpoint, caplog, capfd, monkeypatch):
    caplog.set_level(logging.DEBUG)
    acts = ["good", "echo key", "say key", "401", "500", "reset", "html", "half json", "hang"]
    server.scripts = {act: [act] * 9 for act in acts}
    everything = []
    for act in acts:
        asked = endpoint(attempts=2, timeout=0.2)
        for schema in (None, Phrases):
            everything += [repr(asked), str(asked.spent()), repr(asked.ask([user(act)], schema))]
    everything.append(repr(endpoint().ask([user(f"{KEY} in the prompt")])))
    for crash in [
        lambda: endpoint(base_url="ftp://example.org"),
        lambda: endpoint(attempts=0),
        lambda: list(endpoint().ask_all([None])),
    ]:
        with pytest.raises((ValueError, AttributeError)) as error:
            crash()
        told = traceback.TracebackException.from_exception(error.value, capture_locals=True)
        ours = [repr(frame.locals) for frame in told.stack if "promvil_hf" in frame.filename]
        everything += [str(error.value), *ours]
    assert any(KEY in (authorization or "") for authorization in server.authorizations)
    assert any("server error" in record.getMessage() for record in caplog.records)
    ours = [record for record in caplog.records if record.name.startswith("promvil_hf")]
    everything += [record.getMessage() + repr(record.__dict__) for record in ours]
    everything += [record.getMessage() for record in caplog.records]
    everything += [path.read_text() for path in Path(endpoint().cache_dir).rglob("*") if path.is_file()]
    everything += capfd.readouterr()
    assert len(everything) > 60
    assert not [text for text in everything if KEY in text]
    with pytest.raises(ValueError) as error:
        endpoint(base_url=f"https://user:{KEY}@example.org/v1")
    assert KEY not in str(error.value)


def test_the_key_comes_from_its_own_variable_and_no_other_token_is_sent(server, endpoint, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_this_machine")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-service")
    endpoint(api_key=None).ask([user("without")])
    monkeypatch.setenv("PROMVIL_API_KEY", KEY)
    endpoint(api_key=None).ask([user("with")])
    assert server.authorizations == [None, f"Bearer {KEY}"]


def test_a_placeholder_key_does_not_eat_words_of_the_answer(server, endpoint):
    server.default = ["no json"]
    assert endpoint(api_key="use").ask([user("q")]).text == misbehaving.ANSWERS["no json"]


# -- images


def test_images_travel_as_data_urls_and_the_store_keeps_their_digests(server, endpoint, tmp_path):
    picture = Image.new("RGB", (30, 20), "teal")
    path = tmp_path / "picture.jpg"
    picture.save(path)
    endpoint().ask([user("q", picture, path, str(path), "https://example.org/x.png")])
    parts = server.bodies["q"][0]["messages"][0]["content"]
    urls = [part["image_url"]["url"] for part in parts[:-1]]
    assert parts[-1] == {"type": "text", "text": "q"}
    assert urls[0].startswith("data:image/png;base64,")
    sent = Image.open(io.BytesIO(base64.b64decode(urls[0].partition(",")[2])))
    assert sent.tobytes() == picture.tobytes()
    assert urls[1] == urls[2] == f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}"
    assert urls[3] == "https://example.org/x.png"
    (file,) = stored(endpoint())
    assert "base64" not in file.read_text()
    assert file.read_text().count("sha256:") == 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "F", "I"])
def test_pictures_of_every_mode_can_be_sent(mode):
    assert image_part(Image.new(mode, (3, 2)))["image_url"]["url"].startswith("data:image/png;base64,")


# -- the stream


def test_requests_are_read_a_few_ahead_and_leaving_early_stops_the_rest(server, endpoint):
    server.delay = 0.01
    read = []

    def requests():
        for i in range(100_000):
            read.append(i)
            yield Request(i, [user(f"q{i}")])

    stream = endpoint(concurrency=2).ask_all(requests())
    for expected in range(5):
        assert next(stream)[0] == expected
    stream.close()
    assert len(read) <= 5 + 4 * 2
    assert sum(server.requests.values()) <= len(read)
    assert len(stored(endpoint())) == sum(server.answered.values())


def test_leaving_early_does_not_wait_out_a_long_pause(server, endpoint):
    server.scripts = {"q1": ["500"] * 9}
    stream = endpoint(concurrency=2, first_wait=60.0, longest_wait=60.0).ask_all(
        Request(i, [user(f"q{i}")]) for i in range(3)
    )
    next(stream)
    started = time.monotonic()
    stream.close()
    assert time.monotonic() - started < 2


def test_a_stopped_run_does_not_decide_for_another_caller_with_the_same_prompt(server, endpoint):
    server.scripts = {"q": ["500"]}
    asked = endpoint(first_wait=60.0, longest_wait=60.0)
    stream = asked.ask_all([Request("first", [user("other")]), Request("second", [user("q")])])
    next(stream)
    while server.requests["q"] == 0:
        time.sleep(0.005)
    results = []
    follower = threading.Thread(target=lambda: results.append(asked.ask([user("q")])))
    follower.start()
    stream.close()
    follower.join(5)
    assert [type(result) for result in results] == [Answer]


# -- errors for people


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base_url": "localhost:8000/v1"}, "You passed base_url='localhost:8000/v1', which is no web address. Pass"),
        ({"base_url": "https://me:pw@example.org/v1"}, "holds a user name or password, which would end up in logs"),
        ({"attempts": 0}, "You passed attempts=0. It must be 1 or more."),
        ({"concurrency": 500}, "You passed concurrency=500. It must lie between 1 and 100"),
        ({"requests_per_minute": 0}, "You passed requests_per_minute=0. Pass a positive number, or None"),
    ],
)
def test_wrong_settings_say_what_to_do(tmp_path, settings, message):
    with pytest.raises(ValueError) as error:
        Endpoint(**{"base_url": "http://127.0.0.1/v1", "model": "m", "cache_dir": tmp_path, **settings})
    assert message in str(error.value)


def test_offline_mode_is_named_where_it_stops_the_client_and_the_cache_still_answers(server, endpoint, monkeypatch):
    import huggingface_hub.constants

    endpoint().ask([user("known")])
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert endpoint().ask([user("known")]).cached
    with pytest.raises(RuntimeError, match="HF_HUB_OFFLINE=1 is set, and huggingface_hub sends nothing while it is"):
        endpoint().ask([user("unknown")])


def test_importing_the_endpoint_loads_no_client():
    code = "import promvil_hf.endpoint, sys; sys.exit(bool({'huggingface_hub', 'pydantic', 'PIL'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY).returncode == 0
    meta = code.replace("promvil_hf.endpoint,", "promvil_hf.endpoint, huggingface_hub,")
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(meta)], cwd=REPOSITORY).returncode == 1
