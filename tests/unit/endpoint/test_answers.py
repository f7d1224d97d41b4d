# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of the endpoint client: what is read out of an answer, and the reason given where there is none."""

import time

import pytest
from PIL import Image

from promvil_hf.endpoint import REASONS, Answer, Rejected, Request, read_structured, user
from tests.unit import misbehaving_endpoint as misbehaving
from tests.unit.endpoint.asked import Phrases, StrictPhrases


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
    assert result.reason == "timed out" and result.requests == 2
    assert "0.15 s" in result.detail
    assert time.monotonic() - started >= 0.3
    assert endpoint(timeout=60.0).ask([user("q")]).text == misbehaving.GOOD


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


@pytest.mark.parametrize("thought", ["<think>{}", "[THINK]{}[/THINK]", "◁think▷{}◁/think▷ I am not sure.", "{}</think>"])
def test_an_object_in_a_thought_of_any_family_is_no_answer(thought):
    assert read_structured(thought.format('{"phrases": ["a draft"], "count": 1}'), Phrases).reason == "no json"


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
    started = time.thread_time()
    assert isinstance(read_structured(text, Phrases), Rejected)
    assert time.thread_time() - started < 10  # squared, it would be minutes


def test_a_schema_complaint_names_the_fields():
    details = read_structured(misbehaving.ANSWERS["wrong schema"], Phrases).detail
    assert details.startswith("Phrases does not take the answer: phrases: Input should be a valid array; count: ")
