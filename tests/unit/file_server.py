# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A file server on 127.0.0.1 that misbehaves on purpose, for the tests of `promvil_hf.fetching`.

Each path follows its own script: a list of acts, one per request, and "good" once the list is used up.
"""

import re
import socket
import struct
import threading
from collections import defaultdict
from contextlib import contextmanager
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer:
    """What the server holds, what it has to do, and what it saw."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.later: dict[str, bytes] = {}  # what a file is from the act "changed" on
        self.scripts: dict[str, list[str]] = {}
        self.default: list[str] = []
        self.asked: dict[str, list[str]] = defaultdict(list)  # the range of each request
        self.sent = defaultdict(int)  # bytes of bodies
        self.url = ""


@contextmanager
def file_server():
    state = FileServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            path = self.path
            script = state.scripts.get(path, state.default)
            number = len(state.asked[path])
            state.asked[path].append(self.headers.get("Range", ""))
            act, _, argument = (script[number] if number < len(script) else "good").partition(":")
            if act == "changed":
                state.files[path] = state.later[path]
                act = argument or "good"
                argument = ""
            if path not in state.files and act != "redirect":
                return self.plain(404, b"no such file")
            getattr(self, f"act_{act.replace(' ', '_')}")(path, argument)

        def act_good(self, path, _, ranges=True, validators=True, if_range=True, length=0, stop=None, reset=False):
            """As HTTP says; `length` is added to the honest one; after `stop` bytes it breaks off, with a `reset` or without."""
            data = state.files[path]
            tag = f'"{md5(data).hexdigest()}"'
            part = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if ranges else None
            if part and if_range and self.headers.get("If-Range", tag) != tag:
                part = None
            start = int(part[1]) if part else 0
            if part and start >= len(data):
                return self.plain(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            body = data[start:]
            headers = {"Content-Length": str(len(body) + length)} | ({"ETag": tag} if validators else {})
            if part:
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.head(206 if part else 200, headers)
            self.body(path, body[: len(body) + min(length, 0)] if stop is None else body[:stop])
            if stop is not None and stop < len(body):
                self.break_off(reset)
            if length > 0:
                self.break_off()

        def act_drop(self, path, count):
            self.act_good(path, "", stop=int(count))

        def act_reset(self, path, count):
            self.act_good(path, "", stop=int(count), reset=True)

        def act_drop_without_validators(self, path, count):
            self.act_good(path, "", stop=int(count), validators=False)

        def act_without_validators(self, path, _):
            self.act_good(path, "", validators=False)

        def act_without_ranges(self, path, _):
            self.act_good(path, "", ranges=False)

        def act_drop_without_ranges(self, path, count):
            self.act_good(path, "", ranges=False, stop=int(count))

        def act_without_if_range(self, path, _):
            self.act_good(path, "", if_range=False)

        def act_promises_more(self, path, _):
            self.act_good(path, "", length=1_000)

        def act_promises_less(self, path, _):
            self.act_good(path, "", length=-1_000)

        def act_chunked(self, path, count):
            self.head(200, {"Transfer-Encoding": "chunked"})
            data = state.files[path] if not count else state.files[path][: int(count)]
            for place in range(0, len(data), 5_000):
                piece = data[place : place + 5_000]
                self.body(path, f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            if count:
                return self.break_off()
            self.wfile.write(b"0\r\n\r\n")

        def act_until_it_closes(self, path, count):
            self.head(200, {"Connection": "close"})
            self.body(path, state.files[path][: int(count) if count else None])
            self.close_connection = True

        def act_refuse(self, path, status):
            self.plain(int(status), b"not now", {"Retry-After": "0"})

        def act_refuse_for_an_hour(self, path, status):
            self.plain(int(status), b"not now", {"Retry-After": "3600"})

        def act_redirect(self, path, target):
            self.plain(302, b"", {"Location": f"{state.url}{target}"})

        def act_page(self, path, _):
            self.plain(200, b"<!DOCTYPE html><title>Please log in</title>", {"Content-Type": "text/html"})

        def act_packed(self, path, _):
            self.plain(200, b"\x1f\x8b", {"Content-Encoding": "gzip"})

        def act_hang_up(self, path, _):
            self.break_off(reset=True)

        def act_other_part(self, path, _):
            self.head(206, {"Content-Length": "10", "Content-Range": "bytes 3-12/99999"})
            self.body(path, b"0123456789")

        # --- how it is said

        def plain(self, status, body, headers=None):
            self.head(status, {"Content-Length": str(len(body)), **(headers or {})})
            self.body(self.path, body)

        def head(self, status, headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def body(self, path, data):
            try:
                self.wfile.write(data)
                state.sent[path] += len(data)
            except OSError:  # the client has had enough
                self.close_connection = True

        def break_off(self, reset=False):
            self.wfile.flush()
            self.close_connection = True
            if reset:  # what the client has not read yet is lost
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            else:
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, address):
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
