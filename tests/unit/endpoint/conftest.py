# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A server on 127.0.0.1 that misbehaves on purpose, and endpoints that ask it."""

import threading

import pytest

from promvil_hf.endpoint import Endpoint
from tests.unit import misbehaving_endpoint as misbehaving
from tests.unit.endpoint.asked import KEY


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


@pytest.fixture
def waits(monkeypatch):
    """The pauses of this thread up to 10 s, which are noted and not waited out. A longer timeout is no pause."""
    noted, test_thread, wait = [], threading.get_ident(), threading.Event.wait

    def note(self, timeout=None):
        if threading.get_ident() != test_thread or not timeout or timeout > 10:
            return wait(self, timeout)
        noted.append(timeout)
        return self.is_set()

    monkeypatch.setattr(threading.Event, "wait", note)
    return noted
