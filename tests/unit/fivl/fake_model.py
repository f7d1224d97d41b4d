# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A chat server on 127.0.0.1 that answers by a function of the request, and misbehaves by script like its parent.

A prompt is named by the text of its LAST user message, so that few-shot examples before it do not count.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

import pytest

from tests.unit import misbehaving_endpoint as misbehaving


def last_text(body: dict) -> str:
    content = [message for message in body["messages"] if message["role"] == "user"][-1]["content"]
    if isinstance(content, list):
        content = next(part["text"] for part in content if part["type"] == "text")
    return content.split("\n")[0]


@contextmanager
def fake_model(answer: Callable[[dict], str]) -> Iterator[misbehaving.MisbehavingEndpoint]:
    """`answer` makes the text of a good answer of the request's body; `scripts` and `default` name other acts."""

    class Handler(misbehaving._Handler):
        def act(self, act, prompt, body):
            if act == "good":
                self.complete(prompt, answer(body))
            else:
                super().act(act, prompt, body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.endpoint = misbehaving.MisbehavingEndpoint()
    server.endpoint.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(misbehaving, "prompt_of", last_text)
        thread.start()
        try:
            yield server.endpoint
        finally:
            server.endpoint.hanging.set()
            server.shutdown()
            server.server_close()
            thread.join()
