# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Laws of the endpoint client: how long it waits, how many ask at once, and what happens when the caller stops."""

import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from promvil_hf.endpoint import Answer, Request, user
from tests.unit.endpoint.asked import stored


# -- waiting


def test_retry_after_is_honoured_in_seconds_and_as_a_date(server, endpoint):
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    server.scripts = {"seconds": ["429:1"], "date": [f"503:{in_an_hour}"], "neither": ["503:soon"]}
    started = time.monotonic()
    assert isinstance(endpoint().ask([user("seconds")]), Answer)
    assert time.monotonic() - started >= 0.95
    detail = endpoint().ask([user("date")]).detail
    assert 3590 < float(detail.removeprefix("the server asks to wait ").partition(" s")[0]) <= 3600
    assert isinstance(endpoint().ask([user("neither")]), Answer)


def test_a_wait_beyond_the_longest_rejects_at_once(server, endpoint, waits):
    server.default = ["429:3600"] * 9
    result = endpoint().ask([user("q")])
    assert result.reason == "rate limited"
    assert result.detail == "the server asks to wait 3600 s; longest_wait is 2 s"
    assert not waits
    assert server.requests["q"] == 1


def test_one_retry_after_silences_every_thread(server, endpoint):
    server.scripts = {"q0": ["429:1.5"]}
    asked = endpoint(concurrency=4, requests_per_minute=60 / 0.05)
    list(asked.ask_all(Request(i, [user(f"q{i}")]) for i in range(12)))
    gaps = [later - earlier for earlier, later in zip(server.times, server.times[1:], strict=False)]
    assert max(gaps) > 0.75  # one waiting thread alone would leave a request every 0.05 s; half is for a busy machine
    assert sum(server.requests.values()) == 13


def test_back_off_doubles_with_jitter(server, endpoint, waits):
    server.default = ["500"] * 9
    endpoint(attempts=4, first_wait=0.1, timeout=60).ask([user("q")])
    for wait, longest in zip(waits, [0.1, 0.2, 0.4], strict=True):
        assert longest / 2 <= wait <= longest
    assert server.requests["q"] == 4


def test_threads_share_the_rate_limit_and_are_really_concurrent(server, endpoint):
    server.delay = 0.12
    server.scripts = {"q3": ["500"]}
    asked = endpoint(concurrency=6, requests_per_minute=60 / 0.08)
    results = list(asked.ask_all(Request(i, [user(f"q{i}")]) for i in range(20)))
    assert [key for key, _ in results] == list(range(20))
    assert all(isinstance(result, Answer) for _, result in results)
    assert server.busiest > 1
    times = sorted(server.times)
    assert len(times) == 21
    # The server's clock starts when a thread of it is scheduled. Without a limit they would take 0.5 s.
    assert times[-1] - times[0] >= 20 * 0.08 - 0.6


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
    stream = endpoint(concurrency=2, first_wait=600.0, longest_wait=600.0).ask_all(
        Request(i, [user(f"q{i}")]) for i in range(3)
    )
    next(stream)
    started = time.monotonic()
    stream.close()
    assert time.monotonic() - started < 100


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
    follower.join()
    assert [type(result) for result in results] == [Answer]
