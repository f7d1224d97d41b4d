# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A Hugging Face Hub of standard library on 127.0.0.1: repositories, commits, LFS, downloads by range, and its errors.

`LoopbackHub` holds everything in memory and answers what huggingface_hub, datasets, transformers, peft and evaluate ask
while they create, upload, push, load and stream. Each request is written to `requests`, and the ones it has no route for
to `unknown`, so a test can say what was asked. Point the libraries at it with `hub.environment(home)` in a new process
or with the fixture `hub` of `conftest.py` in this one.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit


TOKEN = "hf_loopback"
USER = "promvil"
LARGE = 1_000_000  # files beyond this many bytes travel by LFS
LFS_SUFFIXES = (".parquet", ".safetensors", ".bin", ".arrow", ".zip", ".png", ".jpg")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n"


class Refusal(Exception):
    """An answer other than 200: status, the Hub's error code where it has one, and words."""

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str):
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers


@dataclass(frozen=True)
class File:
    """One version of one file. `oid` is git's (of the pointer for LFS), `lfs_oid` the sha256 of the content."""

    data: bytes
    oid: str
    lfs_oid: str | None = None

    @classmethod
    def regular(cls, data: bytes) -> "File":
        return cls(data, _git_blob(data))

    @classmethod
    def lfs(cls, data: bytes) -> "File":
        oid = hashlib.sha256(data).hexdigest()
        return cls(data, _git_blob(POINTER.format(oid=oid, size=len(data)).encode()), oid)

    def entry(self, path: str) -> dict:
        entry = {"type": "file", "path": path, "size": len(self.data), "oid": self.oid}
        if self.lfs_oid:
            pointer = POINTER.format(oid=self.lfs_oid, size=len(self.data))
            entry["lfs"] = {"oid": self.lfs_oid, "size": len(self.data), "pointerSize": len(pointer)}
        return entry


@dataclass(frozen=True)
class Commit:
    oid: str
    title: str
    message: str
    date: str
    parent: "Commit | None"
    files: dict[str, File]


@dataclass
class Repository:
    kind: str  # models, datasets, spaces
    name: str
    private: bool = False
    sdk: str | None = None
    created: str = field(default_factory=lambda: _now())
    branches: dict[str, Commit] = field(default_factory=dict)
    tags: dict[str, Commit] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)

    def commit(self, branch: str, title: str, message: str, files: dict[str, File]) -> Commit:
        parent = self.branches.get(branch)
        listing = "".join(f"{path} {file.oid}\n" for path, file in sorted(files.items()))
        told = f"{self.kind}/{self.name} {len(self.commits)} {title}\n{listing}"
        commit = Commit(hashlib.sha1(told.encode()).hexdigest(), title, message, _now(), parent, files)
        self.branches[branch] = self.commits[commit.oid] = commit
        return commit

    def at(self, revision: str) -> Commit:
        for known in (self.branches, self.tags, self.commits):
            if revision in known:
                return known[revision]
        raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")


class LoopbackHub:
    """The state of the Hub and its address; use it as a context manager."""

    def __init__(self):
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.unknown: list[tuple[str, str]] = []
        self.strangers: list[str] = []  # other hosts that were looked up; filled by the fixture
        self.lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
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

    def files(self, kind: str, name: str, revision: str = "main") -> dict[str, bytes]:
        """The content of a repository, for assertions."""
        return {path: file.data for path, file in self.repository(kind, name).at(revision).files.items()}


def _git_blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _entries(commit: Commit, expand: bool) -> dict[str, dict]:
    """Every file and directory of a commit by path."""
    entries: dict[str, dict] = {}
    for path, file in sorted(commit.files.items()):
        for folder in [parent.as_posix() for parent in PurePosixPath(path).parents][-2::-1]:
            oid = hashlib.sha1(f"{commit.oid} {folder}".encode()).hexdigest()
            entries.setdefault(folder, {"type": "directory", "path": folder, "size": 0, "oid": oid})
        entries[path] = file.entry(path)
    if expand:
        last = {"id": commit.oid, "title": commit.title, "date": commit.date}
        for entry in entries.values():
            entry["lastCommit"] = last
    return entries


# ---------------------------------------------------------------------------------------------- routes

ROUTES: list[tuple[str, re.Pattern, Callable]] = []
REPO = r"/api/(?P<kind>models|datasets|spaces)/(?P<name>[^/]+/[^/]+)"
PLAIN = r"/(?:(?P<kind>datasets|spaces)/)?(?P<name>[^/]+/[^/]+)"


def route(methods: str, pattern: str) -> Callable:
    def add(function: Callable) -> Callable:
        ROUTES.extend((method, re.compile(pattern), function) for method in methods.split())
        return function

    return add


@route("GET", r"/api/whoami-v2")
def whoami(ask: "_Handler") -> None:
    ask.needs_token()
    access = {"displayName": "loopback", "role": "write", "createdAt": _now()}
    auth = {"type": "access_token", "accessToken": access}
    ask.reply_json({"type": "user", "id": "0", "name": USER, "fullname": USER, "orgs": [], "auth": auth})


@route("POST", r"/api/validate-yaml")
def validate_yaml(ask: "_Handler") -> None:
    ask.reply_json({"errors": [], "warnings": []})


@route("POST", r"/api/repos/create")
def create(ask: "_Handler") -> None:
    ask.needs_token()
    told = ask.json()
    kind = f"{told.get('type') or 'model'}s"
    name = f"{told.get('organization') or USER}/{told['name']}"
    prefix = "" if kind == "models" else f"{kind}/"
    answer = {"url": f"{ask.hub.url}/{prefix}{name}", "name": name, "id": name}
    if (kind, name) in ask.hub.repositories:
        ask.reply_json({**answer, "error": "You already created this repo"}, status=409)
        return
    private = told.get("private") is True or told.get("visibility") == "private"
    repository = Repository(kind, name, private=private, sdk=told.get("sdk"))
    repository.commit("main", "initial commit", "", {".gitattributes": File.regular(b"*.parquet filter=lfs\n")})
    ask.hub.repositories[kind, name] = repository
    ask.reply_json(answer)


@route("DELETE", r"/api/repos/delete")
def delete(ask: "_Handler") -> None:
    ask.needs_token()
    told = ask.json()
    kind, name = f"{told.get('type') or 'model'}s", f"{told.get('organization') or USER}/{told['name']}"
    ask.hub.repository(kind, name)
    del ask.hub.repositories[kind, name]
    ask.reply_json({})


@route("GET", REPO + r"(?:/revision/(?P<revision>[^/]+))?")
def info(ask: "_Handler", kind: str, name: str, revision: str | None) -> None:
    repository = ask.repository(kind, name)
    commit = repository.at(revision or "main")
    answer = {
        "_id": hashlib.sha1(f"{kind}/{name}".encode()).hexdigest()[:24],
        "id": name,
        "author": name.split("/")[0],
        "sha": commit.oid,
        "lastModified": commit.date,
        "createdAt": repository.created,
        "private": repository.private,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "siblings": [{"rfilename": path} for path in sorted(commit.files)],
    }
    if kind == "models":
        answer["modelId"] = name
    if kind == "spaces":
        answer["sdk"] = repository.sdk
    if ask.query.get("blobs"):
        answer["siblings"] = [
            {"rfilename": path, "size": len(file.data), "blobId": file.oid}
            | ({"lfs": {"sha256": file.lfs_oid, "size": len(file.data), "pointerSize": 130}} if file.lfs_oid else {})
            for path, file in sorted(commit.files.items())
        ]
    ask.reply_json(answer)


@route("GET", REPO + r"/tree/(?P<revision>[^/]+)(?:/(?P<folder>.*))?")
def tree(ask: "_Handler", kind: str, name: str, revision: str, folder: str | None) -> None:
    commit = ask.repository(kind, name).at(revision)
    entries = _entries(commit, ask.wants("expand"))
    inside = folder.strip("/") + "/" if folder and folder.strip("/") else ""
    if inside and entries.get(inside[:-1], {"type": "none"})["type"] != "directory":
        raise Refusal(404, f"{folder} does not exist on {revision!r}", "EntryNotFound")
    ask.reply_json(
        [
            entry
            for path, entry in entries.items()
            if path.startswith(inside) and (ask.wants("recursive") or "/" not in path[len(inside) :])
        ]
    )


@route("POST", REPO + r"/paths-info/(?P<revision>[^/]+)")
def paths_info(ask: "_Handler", kind: str, name: str, revision: str) -> None:
    commit = ask.repository(kind, name).at(revision)
    if "json" in ask.headers.get("Content-Type", ""):
        told = ask.json()
        paths, expand = told["paths"], bool(told.get("expand"))
    else:
        form = parse_qs(ask.body.decode())
        paths, expand = form.get("paths", []), form.get("expand", ["false"])[0].lower() == "true"
    entries = _entries(commit, expand)
    ask.reply_json([entries[path.strip("/")] for path in paths if path.strip("/") in entries])


@route("POST", REPO + r"/preupload/(?P<revision>[^/]+)")
def preupload(ask: "_Handler", kind: str, name: str, revision: str) -> None:
    ask.needs_token()
    commit = ask.repository(kind, name).at(revision)
    answers = []
    for file in ask.json()["files"]:
        path, sample = file["path"], base64.b64decode(file["sample"])
        large = file["size"] > LARGE or b"\0" in sample or path.endswith(LFS_SUFFIXES)
        known = commit.files.get(path)
        answers.append(
            {
                "path": path,
                "uploadMode": "lfs" if large else "regular",
                "shouldIgnore": False,
                "oid": known and (known.lfs_oid or known.oid),
            }
        )
    ask.reply_json({"files": answers})


@route("POST", REPO + r"/commit/(?P<revision>[^/]+)")
def commit(ask: "_Handler", kind: str, name: str, revision: str) -> None:
    ask.needs_token()
    repository = ask.repository(kind, name)
    if ask.wants("create_pr"):
        raise Refusal(400, "The loopback Hub has no pull requests")
    if revision not in repository.branches:
        raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    with ask.hub.lock:
        before = repository.branches[revision]
        files, header = dict(before.files), {}
        for line in ask.body.splitlines():
            told = json.loads(line)
            key, value = told["key"], told["value"]
            if key == "header":
                header = value
                if value.get("parentCommit") not in (None, before.oid):
                    raise Refusal(412, "A commit has happened since. Please refresh and try again.")
            elif key == "file":
                files[value["path"]] = File.regular(base64.b64decode(value["content"]))
            elif key == "lfsFile":
                if value["oid"] not in ask.hub.blobs:
                    raise Refusal(400, f"LFS object {value['oid']} was never uploaded")
                files[value["path"]] = File.lfs(ask.hub.blobs[value["oid"]])
            elif key == "deletedFile":
                if files.pop(value["path"], None) is None:
                    raise Refusal(404, f"{value['path']} does not exist", "EntryNotFound")
            elif key == "deletedFolder":
                folder = value["path"].strip("/") + "/"
                files = {path: file for path, file in files.items() if not path.startswith(folder)}
            else:
                raise Refusal(400, f"The loopback Hub knows no commit operation {key!r}")
        done = repository.commit(revision, header.get("summary", ""), header.get("description", ""), files)
    prefix = "" if kind == "models" else f"{kind}/"
    ask.reply_json(
        {
            "success": True,
            "commitOid": done.oid,
            "commitUrl": f"{ask.hub.url}/{prefix}{name}/commit/{done.oid}",
            "hookOutput": "",
            "pullRequestUrl": None,
        }
    )


@route("GET", REPO + r"/refs")
def refs(ask: "_Handler", kind: str, name: str) -> None:
    repository = ask.repository(kind, name)

    def listed(known: dict[str, Commit], folder: str) -> list[dict]:
        return [{"name": n, "ref": f"refs/{folder}/{n}", "targetCommit": c.oid} for n, c in sorted(known.items())]

    ask.reply_json(
        {"branches": listed(repository.branches, "heads"), "tags": listed(repository.tags, "tags"), "converts": []}
    )


@route("GET", REPO + r"/commits/(?P<revision>[^/]+)")
def commits(ask: "_Handler", kind: str, name: str, revision: str) -> None:
    history, each = [], ask.repository(kind, name).at(revision)
    while each is not None:
        author = [{"user": USER}]
        history.append(
            {"id": each.oid, "title": each.title, "message": each.message, "date": each.date, "authors": author}
        )
        each = each.parent
    ask.reply_json(history)


@route("POST DELETE", REPO + r"/branch/(?P<branch>[^/]+)")
def branch(ask: "_Handler", kind: str, name: str, branch: str) -> None:
    ask.needs_token()
    repository = ask.repository(kind, name)
    if ask.command == "DELETE":
        repository.branches.pop(branch, None)
    elif branch in repository.branches:
        raise Refusal(409, f"Reference already exists: {branch}")
    else:
        repository.branches[branch] = repository.at(ask.json().get("startingPoint") or "main")
    ask.reply_json({})


@route("POST", REPO + r"/tag/(?P<revision>[^/]+)")
def tag(ask: "_Handler", kind: str, name: str, revision: str) -> None:
    ask.needs_token()
    repository, wanted = ask.repository(kind, name), ask.json()["tag"]
    if wanted in repository.tags:
        raise Refusal(409, f"Tag {wanted} already exists")
    repository.tags[wanted] = repository.at(revision)
    ask.reply_json({})


@route("POST", PLAIN + r"\.git/info/lfs/objects/batch")
def lfs_batch(ask: "_Handler", kind: str | None, name: str) -> None:
    ask.needs_token()
    ask.repository(kind or "models", name)
    objects = []
    for told in ask.json()["objects"]:
        answer = {"oid": told["oid"], "size": told["size"]}
        if told["oid"] not in ask.hub.blobs:
            answer["actions"] = {"upload": {"href": f"{ask.hub.url}/lfs/{told['oid']}", "header": {}}}
        objects.append(answer)
    ask.reply_json({"transfer": "basic", "objects": objects})


@route("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})")
def lfs_put(ask: "_Handler", oid: str) -> None:
    if hashlib.sha256(ask.body).hexdigest() != oid:
        raise Refusal(400, "The body does not have the hash it was announced with")
    ask.hub.blobs[oid] = ask.body
    ask.reply(200, b"", {})


@route("HEAD GET", PLAIN + r"/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
def resolve(ask: "_Handler", kind: str | None, name: str, revision: str, path: str) -> None:
    commit = ask.repository(kind or "models", name).at(revision)
    file = commit.files.get(path)
    if file is None:
        raise Refusal(404, "Entry not found", "EntryNotFound", **{"X-Repo-Commit": commit.oid})
    etag, size = f'"{file.lfs_oid or file.oid}"', len(file.data)
    headers = {"X-Repo-Commit": commit.oid, "ETag": etag, "Accept-Ranges": "bytes"}
    headers["Content-Type"] = "application/octet-stream"
    if file.lfs_oid:
        headers |= {"X-Linked-Etag": etag, "X-Linked-Size": str(size)}
    wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", ask.headers.get("Range") or "")
    if not wanted or not any(wanted.groups()):
        ask.reply(200, file.data, headers)
        return
    first = int(wanted[1]) if wanted[1] else max(0, size - int(wanted[2]))
    last = min(int(wanted[2]), size - 1) if wanted[1] and wanted[2] else size - 1
    if first >= size or last < first:
        raise Refusal(416, "Requested range not satisfiable", None, **{"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    ask.reply(206, file.data[first : last + 1], headers)


class _Handler(BaseHTTPRequestHandler):
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
