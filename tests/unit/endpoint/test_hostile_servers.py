# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of the endpoint client: a hostile or broken server costs bounded time and memory, gets no prompt it was not asked,
and leaves nothing in the store that cannot be read."""

import itertools
import json
import tracemalloc
from datetime import UTC, datetime

import pytest

from promvil_hf.endpoint import REASONS, Answer, Rejected, user
from promvil_hf.endpoint.pace import retry_after
from tests.unit import misbehaving_endpoint as misbehaving
from tests.unit.endpoint.asked import Phrases, stored


NOW = datetime(2026, 11, 30, tzinfo=UTC)
COMPLETION = '{"choices": [{"index": 0, "message": {"role": "assistant", "content": "a bus"}}], "usage": %s}'


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -9900", None),
        ("Mon, 30 Nov 2026 00:00:30 GMT", 30.0),
        ("Mon, 30 Nov 2026 00:00:30", 30.0),
        ("9" * 400, float("inf")),
        ("nan", None),
        ("-5", 0.0),
        ("", None),
        (None, None),
    ],
)
def test_any_retry_after_is_seconds_or_nothing(header, seconds):
    assert retry_after(header, NOW) == seconds


@pytest.mark.parametrize("count", ["1" + "0" * 400, "NaN", "Infinity", "1e999", "true", "[]", '"9"', "1" + "0" * 5000])
def test_tokens_that_are_no_count_leave_the_cost_unknown(server, endpoint, count):
    server.default = ["json:" + COMPLETION % f'{{"prompt_tokens": {count}, "completion_tokens": 1}}'] * 2
    asked = endpoint(prompt_price=2.0, attempts=1)
    result = asked.ask([user("q")])
    if len(count) > 4300:  # Python reads no such number, so this is no completion
        assert result.reason == "bad response"
    else:
        assert (result.text, result.prompt_tokens, result.cost) == ("a bus", None, None)
        assert asked.spent().without_usage == 1


def test_a_redirect_is_not_followed_and_its_body_is_no_answer(server, endpoint):
    with misbehaving.misbehaving_endpoint() as other:
        for status in (301, 302, 303, 307, 308):
            server.scripts[f"q{status}"] = [f"redirect:{status} {other.url}/chat/completions"] * 9
            result = endpoint().ask([user(f"q{status}")])
            assert (result.reason, server.requests[f"q{status}"]) == ("refused", 1)
            assert "redirect" in result.detail and other.url in result.detail
        assert not other.requests
    assert not stored(endpoint())


def test_a_compressed_answer_is_read_and_a_bomb_is_not_unpacked(server, endpoint):
    server.scripts = {"small": ["gzip"], "bomb": ["gzip bomb"] * 9, "other": ["unknown encoding"] * 9}
    asked = endpoint(attempts=2)
    assert asked.ask([user("small")], Phrases).value.count == 2
    tracemalloc.start()
    try:
        result = asked.ask([user("bomb")])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (result.reason, server.requests["bomb"]) == ("too long", 1)
    assert peak < misbehaving.BOMB_BYTES / 2
    assert asked.ask([user("other")]).reason == "bad response"
    assert len(stored(asked)) == 1


def test_a_body_without_end_is_read_no_further_than_an_answer_can_be_long(server, endpoint):
    server.default = ["endless body"] * 9
    result = endpoint(timeout=60.0).ask([user("q")])
    assert (result.reason, server.requests["q"]) == ("too long", 1)
    assert not stored(endpoint())


@pytest.mark.parametrize("act", ["endless body", "endless header"])
def test_one_deadline_holds_over_headers_and_body_however_slowly_they_come(server, act):
    from promvil_hf.endpoint.transport import post

    server.default = [act]
    body = json.dumps({"messages": [user("q")]}).encode()
    ticks = itertools.count()  # a clock that goes on by one second whenever it is read
    with pytest.raises(TimeoutError):
        post(f"{server.url}/chat/completions", body, {}, timeout=6.0, most=10**9, clock=lambda: float(next(ticks)))
    assert 6 <= next(ticks) <= 8


BODIES = {
    "nested": "[" * 100_000,
    "nested in a field": '{"choices": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "choices of null": '{"choices": [null]}',
    "choices by name": '{"choices": {"0": 1}}',
    "content of parts that are none": '{"choices": [{"message": {"content": [1, null, {"text": 5}]}}]}',
    "message of text": '{"choices": [{"message": "hello"}]}',
    "nothing": "",
    "a number": "7",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_completion_is_a_bad_response(server, endpoint, body):
    server.default = [f"json:{body}"] * 2
    result = endpoint(attempts=1).ask([user("q")], Phrases)
    assert isinstance(result, Rejected) and result.reason == "bad response" and result.reason in REASONS
    assert not stored(endpoint())


def test_half_a_surrogate_pair_in_an_answer_can_be_written_to_a_file(server, endpoint):
    server.default = ['json:{"choices": [{"message": {"content": "a \\ud800 bus"}, "finish_reason": "\\ud800"}]}']
    first, again = endpoint().ask([user("q")]), endpoint().ask([user("q")])
    assert isinstance(first, Answer) and again.cached
    assert first.text == again.text == first.value
    assert first.text.encode() == "a \ufffd bus".encode()


@pytest.mark.parametrize("name", ["text", "chars", "finish_reason", "refusal", "prompt_tokens", "completion_tokens"])
@pytest.mark.parametrize("value", [{}, -1, True, "x", 10**400, "\ud800"], ids=lambda value: repr(value)[:9])
def test_a_damaged_file_of_the_store_is_named_and_never_raises(server, endpoint, name, value):
    endpoint().ask([user("q")])
    (file,) = stored(endpoint())
    record = json.loads(file.read_text())
    record["answers"][0][name] = value
    file.write_text(json.dumps(record))
    result = endpoint(prompt_price=1.0).ask([user("q")])
    assert result.cached
    if isinstance(result, Rejected):
        assert result.reason in ("cache damaged", "declined", "too long", "empty answer")
        assert result.reason != "cache damaged" or str(file) in result.detail


@pytest.mark.parametrize("key", ["sk-line\nbreak", "sk-ключ-0123456789", "sk-\x00-0123456789"])
def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(endpoint, key):
    with pytest.raises(ValueError, match="The key holds a character") as error:
        endpoint(api_key=key)
    assert key not in str(error.value) and repr(key) not in str(error.value)


def test_a_proxy_of_the_environment_is_used(server, endpoint, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
    monkeypatch.setenv("no_proxy", "")
    assert isinstance(endpoint(base_url="http://models.example/v1").ask([user("q")]), Answer)
    assert server.requests["q"] == 1
