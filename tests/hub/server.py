# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A Hugging Face Hub of standard library on 127.0.0.1: repositories, commits, LFS, downloads by range, and its errors.

`LoopbackHub` holds everything in memory, or in a folder (`tests.hub.disk`), and answers what huggingface_hub, datasets,
transformers, peft and evaluate ask while they create, upload, push, load and stream. Each request is written to `requests`,
and the ones it has no route for to `unknown`, so a test can say what was asked. Point the libraries at it with
`hub.environment(home)` in a new process or with the fixture `hub` of `conftest.py` in this one.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub.disk import Disk
from tests.hub.repositories import Refusal, Repository
from tests.hub.routes import ROUTES


TOKEN = "hf_loopback"


class LoopbackHub:
    """The state of the Hub and its address; use it as a context manager."""

    def __init__(self, disk: Disk | None = None):
        self.disk = disk
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.unknown: list[tuple[str, str]] = []
        self.strangers: list[str] = []  # other hosts that were looked up; filled by the fixture
        self.lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.hub = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> "LoopbackHub":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def environment(self, home: str | Path) -> dict[str, str]:
        """What a new process needs in `os.environ` before its first Hugging Face import.

        Everything but this address goes to a proxy that does not exist: nothing leaves the machine.
        """
        nowhere = "http://127.0.0.1:9"
        return {
            "HF_ENDPOINT": self.url,
            "HF_HUB_DISABLE_XET": "1",
            "HF_TOKEN": TOKEN,
            "HF_HOME": str(home),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "DISABLE_SAFETENSORS_CONVERSION": "1",
            "HTTP_PROXY": nowhere,
            "HTTPS_PROXY": nowhere,
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def repository(self, kind: str, name: str) -> Repository:
        found = self.repositories.get((kind, name))
        if found is None:
            raise Refusal(404, "Repository not found", "RepoNotFound")
        return found

    def keep(self, oid: str, data: bytes) -> None:
        """Take what was uploaded by LFS."""
        self.blobs[oid] = data if self.disk is None else self.disk.keep(oid, data)

    def files(self, kind: str, name: str, revision: str = "main") -> dict[str, bytes]:
        """The content of a repository, for assertions."""
        return {path: file.data for path, file in self.repository(kind, name).at(revision).files.items()}


class Handler(BaseHTTPRequestHandler):
    """One request: its body, its query and its answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes; with Nagle each answer waits 40 ms

    @property
    def hub(self) -> LoopbackHub:
        return self.server.hub

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self.query = parse_qs(address.query)
        self.body = self._read_body()  # always: an unread body would be taken for the next request
        self.hub.requests.append((self.command, unquote(address.path)))
        try:
            for method, pattern, function in ROUTES:
                if method == self.command and (found := pattern.fullmatch(address.path)):
                    function(self, **{key: value and unquote(value) for key, value in found.groupdict().items()})
                    return
            self.hub.unknown.append((self.command, unquote(address.path)))
            raise Refusal(404, f"The loopback Hub has no route {self.command} {address.path}")
        except Refusal as refusal:
            headers = {"X-Error-Message": str(refusal), **refusal.headers}
            if refusal.code:
                headers["X-Error-Code"] = refusal.code
            self.reply_json({"error": str(refusal)}, refusal.status, headers)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return b"".join(chunks)

    def json(self) -> dict:
        return json.loads(self.body or b"{}")

    def wants(self, name: str) -> bool:
        return self.query.get(name, ["false"])[0].lower() in ("true", "1")

    def needs_token(self) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refusal(401, "Invalid credentials in Authorization header")

    def repository(self, kind: str, name: str) -> Repository:
        repository = self.hub.repository(kind, name)
        if repository.private and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refusal(404, "Repository not found", "RepoNotFound")
        return repository

    def reply_json(self, value: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.reply(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def reply(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
