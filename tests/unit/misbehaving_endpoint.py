# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""An OpenAI-compatible server on 127.0.0.1 that misbehaves on purpose, for the tests of `promvil_hf.endpoint`.

Each prompt (the text of the last user message up to its first line break) follows its own script: a list of acts, one
per request, and "good" once the list is used up. The server writes down every request it got and every answer it gave.
"""

import json
import socket
import struct
import threading
import time
import zlib
from collections import Counter, defaultdict
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


GOOD = '{"phrases": ["a red bus", "a woman"], "count": 2}'
ANSWERS = {
    "good": GOOD,
    "prose": f"Sure! Here is what you asked for: {GOOD} Let me know if I can help with [anything] else.",
    "fences": f"```json\n{GOOD}\n```",
    "thinking": '<think>maybe {"phrases": ["wrong"], "count": 1} or {half</think>\n' + GOOD,
    "drafts": '{"phrases": ["a draft"], "count": 1}\nOn reflection:\n' + GOOD,
    "half json": '{"phrases": ["a red bus", "a wom',
    "half with whole inside": '{"answer": {"phrases": ["inner"], "count": 1}, "more": [1, 2',
    "no json": "I would rather not use brackets.",
    "wrong schema": '{"phrases": "a red bus", "count": "many"}',
    "empty": "",
    "huge": '{"phrases": ["' + "x" * 3_000_000 + '"], "count": 1}',
    "lone surrogate": '{"phrases": ["\ud800"], "count": 1}',
}
BOMB_BYTES = 64_000_000  # unpacked; 62 kB on the wire
STATUSES = {"400": 400, "401": 401, "403": 403, "429": 429, "500": 500, "503": 503}


class MisbehavingEndpoint:
    """What the server has to do and what it saw."""

    def __init__(self):
        self.scripts: dict[str, list[str]] = {}
        self.default: list[str] = []
        self.takes_response_format = True
        self.delay = 0.0
        self.gate: threading.Semaphore | None = None  # as many requests are acted on as it is let
        self.usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        self.lock = threading.Lock()
        self.requests = Counter()
        self.answered = Counter()
        self.times: list[float] = []
        self.bodies: dict[str, list[dict]] = defaultdict(list)
        self.authorizations: list[str | None] = []
        self.busy = self.busiest = 0
        self.hanging = threading.Event()
        self.url = ""

    def next_act(self, prompt: str) -> str:
        script = self.scripts.get(prompt, self.default)
        asked = self.requests[prompt] - 1
        return script[asked] if asked < len(script) else "good"


def prompt_of(body: dict) -> str:
    content = [message for message in body["messages"] if message["role"] == "user"][0]["content"]
    if isinstance(content, list):
        content = next(part["text"] for part in content if part["type"] == "text")
    return content.split("\n")[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes; with Nagle each answer waits 40 ms

    @property
    def endpoint(self) -> MisbehavingEndpoint:
        return self.server.endpoint

    def log_message(self, *_):
        pass

    def reply(self, status: int, body: bytes, content_type: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def reply_json(self, status: int, value: object, **headers: str) -> None:
        self.reply(status, json.dumps(value).encode(), **headers)

    def complete(self, prompt: str, text: str | None, finish_reason: str = "stop", **message: object) -> None:
        with self.endpoint.lock:
            self.endpoint.answered[prompt] += 1
        choice = {
            "index": 0,
            "finish_reason": finish_reason,
            "message": {"role": "assistant", "content": text, **message},
        }
        self.reply_json(200, {"id": "x", "model": "m", "created": 0, "choices": [choice], "usage": self.endpoint.usage})

    def do_POST(self):
        endpoint = self.endpoint
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = prompt_of(body)
        with endpoint.lock:
            endpoint.requests[prompt] += 1
            endpoint.times.append(time.monotonic())
            endpoint.bodies[prompt].append(body)
            endpoint.authorizations.append(self.headers.get("Authorization"))
            endpoint.busy += 1
            endpoint.busiest = max(endpoint.busiest, endpoint.busy)
            act = endpoint.next_act(prompt)
        try:
            if endpoint.delay:
                time.sleep(endpoint.delay)
            if endpoint.gate:
                endpoint.gate.acquire()
            self.act(act, prompt, body)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with endpoint.lock:
                endpoint.busy -= 1

    def act(self, act: str, prompt: str, body: dict) -> None:
        name, _, detail = act.partition(":")
        if "response_format" in body and not self.endpoint.takes_response_format:
            self.reply_json(400, {"error": {"message": "unknown field response_format"}})
        elif name in ANSWERS:
            self.complete(prompt, ANSWERS[name])
        elif name in STATUSES:
            retry = {"Retry_After": detail} if detail else {}
            self.reply_json(STATUSES[name], {"error": {"message": f"status {name} on purpose"}}, **retry)
        elif name == "503 as a JSON string":
            self.reply_json(503, "overloaded", Retry_After="0")
        elif name == "echo key":
            self.reply_json(403, {"error": f"Incorrect key provided: {self.headers['Authorization']}"})
        elif name == "say key":
            self.complete(prompt, f"{GOOD} {self.headers['Authorization']}")
        elif name == "hang":
            self.endpoint.hanging.wait(5)
            self.close_connection = True
        elif name == "reset":
            linger_none = struct.pack("ii", 1, 0)  # close() then sends RST, not FIN
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_none)
            self.connection.close()
            self.close_connection = True
        elif name == "broken body":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"choices": [{"index": 0, "mess')
            self.close_connection = True
        elif name == "half body":
            self.reply(200, b'{"choices": [{"index": 0, "mess')
        elif name == "redirect":
            answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": GOOD}}]}
            self.reply_json(int(detail[:3]), answer, Location=detail[4:])
        elif name == "gzip":
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": GOOD}}
            self.reply(200, zip_of([json.dumps({"choices": [choice]}).encode()]), Content_Encoding="gzip")
        elif name == "gzip bomb":
            bomb = zip_of([b'{"choices": [{"a": "', *[b"0" * 1_000_000] * (BOMB_BYTES // 1_000_000), b'"}]}'])
            self.reply(200, bomb, Content_Encoding="gzip")
        elif name == "unknown encoding":
            self.reply(200, b"\x1b\x00", Content_Encoding="br")
        elif name in ("endless body", "endless header"):
            self.connection.sendall(b"HTTP/1.1 200 OK\r\n" + (b"\r\n" if name == "endless body" else b"X-Long: "))
            self.close_connection = True
            while True:  # until the client closes the connection
                self.connection.sendall(b" " * 65_536)
        elif name == "json":
            self.reply(200, detail.encode())
        elif name == "html":
            self.reply(200, b"<html><body>Gateway is warming up</body></html>", "text/html")
        elif name == "error in 200":
            self.reply_json(200, {"error": {"message": "model is loading"}})
        elif name == "a list":
            self.reply_json(200, [1, 2, 3])
        elif name == "choices of numbers":
            self.reply_json(200, {"choices": [1, 2]})
        elif name == "content of numbers":
            self.reply_json(200, {"choices": [{"index": 0, "message": {"role": "assistant", "content": 7}}]})
        elif name == "content in parts":
            self.complete(prompt, [{"type": "text", "text": GOOD[:20]}, {"type": "text", "text": GOOD[20:]}])
        elif name == "no choices":
            self.reply_json(200, {"choices": [], "usage": self.endpoint.usage})
        elif name == "null":
            self.complete(prompt, None)
        elif name == "cut off":
            self.complete(prompt, ANSWERS["half json"], finish_reason="length")
        elif name == "declined":
            self.complete(prompt, None, refusal="I cannot help with that.")
        elif name == "filtered":
            self.complete(prompt, "", finish_reason="content_filter")
        else:
            raise ValueError(f"no act is called {act!r}")


def zip_of(pieces: list[bytes]) -> bytes:
    press = zlib.compressobj(1, wbits=31)
    return b"".join([*map(press.compress, pieces), press.flush()])


@contextmanager
def misbehaving_endpoint():
    """A running server; its `url` is what `Endpoint` takes as base_url."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.endpoint = MisbehavingEndpoint()
    server.endpoint.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.endpoint
    finally:
        server.endpoint.hanging.set()
        server.shutdown()
        server.server_close()
        thread.join()
