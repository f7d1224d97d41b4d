# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the loopback Hub answers, one function a route. `ask` is the request, with its body, its query and its answer."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from tests.hub.repositories import Commit, File, Refusal, Repository, entries_of, now


if TYPE_CHECKING:
    from tests.hub.server import Handler


USER = "promvil"
LARGE = 1_000_000  # files beyond this many bytes travel by LFS
LFS_SUFFIXES = (".parquet", ".safetensors", ".bin", ".arrow", ".zip", ".png", ".jpg")
ROUTES: list[tuple[str, re.Pattern, Callable]] = []
REPO = r"/api/(?P<kind>models|datasets|spaces)/(?P<name>[^/]+/[^/]+)"
PLAIN = r"/(?:(?P<kind>datasets|spaces)/)?(?P<name>[^/]+/[^/]+)"


def route(methods: str, pattern: str) -> Callable:
    def add(function: Callable) -> Callable:
        ROUTES.extend((method, re.compile(pattern), function) for method in methods.split())
        return function

    return add


@route("GET", r"/api/whoami-v2")
def whoami(ask: "Handler") -> None:
    ask.needs_token()
    access = {"displayName": "loopback", "role": "write", "createdAt": now()}
    auth = {"type": "access_token", "accessToken": access}
    ask.reply_json({"type": "user", "id": "0", "name": USER, "fullname": USER, "orgs": [], "auth": auth})


@route("POST", r"/api/validate-yaml")
def validate_yaml(ask: "Handler") -> None:
    ask.reply_json({"errors": [], "warnings": []})


@route("POST", r"/api/repos/create")
def create(ask: "Handler") -> None:
    ask.needs_token()
    body = ask.json()
    kind = f"{body.get('type') or 'model'}s"
    name = f"{body.get('organization') or USER}/{body['name']}"
    prefix = "" if kind == "models" else f"{kind}/"
    answer = {"url": f"{ask.hub.url}/{prefix}{name}", "name": name, "id": name}
    if (kind, name) in ask.hub.repositories:
        ask.reply_json({**answer, "error": "You already created this repo"}, status=409)
        return
    private = body.get("private") is True or body.get("visibility") == "private"
    repository = Repository(kind, name, private=private, sdk=body.get("sdk"))
    repository.commit("main", "initial commit", "", {".gitattributes": File.regular(b"*.parquet filter=lfs\n")})
    ask.hub.repositories[kind, name] = repository
    ask.reply_json(answer)


@route("DELETE", r"/api/repos/delete")
def delete(ask: "Handler") -> None:
    ask.needs_token()
    body = ask.json()
    kind, name = f"{body.get('type') or 'model'}s", f"{body.get('organization') or USER}/{body['name']}"
    ask.hub.repository(kind, name)
    del ask.hub.repositories[kind, name]
    ask.reply_json({})


@route("GET", REPO + r"(?:/revision/(?P<revision>[^/]+))?")
def info(ask: "Handler", kind: str, name: str, revision: str | None) -> None:
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
def tree(ask: "Handler", kind: str, name: str, revision: str, folder: str | None) -> None:
    commit = ask.repository(kind, name).at(revision)
    entries = entries_of(commit, ask.wants("expand"))
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
def paths_info(ask: "Handler", kind: str, name: str, revision: str) -> None:
    commit = ask.repository(kind, name).at(revision)
    if "json" in ask.headers.get("Content-Type", ""):
        body = ask.json()
        paths, expand = body["paths"], bool(body.get("expand"))
    else:
        form = parse_qs(ask.body.decode())
        paths, expand = form.get("paths", []), form.get("expand", ["false"])[0].lower() == "true"
    entries = entries_of(commit, expand)
    ask.reply_json([entries[path.strip("/")] for path in paths if path.strip("/") in entries])


@route("POST", REPO + r"/preupload/(?P<revision>[^/]+)")
def preupload(ask: "Handler", kind: str, name: str, revision: str) -> None:
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
def commit(ask: "Handler", kind: str, name: str, revision: str) -> None:
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
            operation = json.loads(line)
            key, value = operation["key"], operation["value"]
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
def refs(ask: "Handler", kind: str, name: str) -> None:
    repository = ask.repository(kind, name)

    def listed(known: dict[str, Commit], folder: str) -> list[dict]:
        return [{"name": n, "ref": f"refs/{folder}/{n}", "targetCommit": c.oid} for n, c in sorted(known.items())]

    ask.reply_json(
        {"branches": listed(repository.branches, "heads"), "tags": listed(repository.tags, "tags"), "converts": []}
    )


@route("GET", REPO + r"/commits/(?P<revision>[^/]+)")
def commits(ask: "Handler", kind: str, name: str, revision: str) -> None:
    history, each = [], ask.repository(kind, name).at(revision)
    while each is not None:
        author = [{"user": USER}]
        history.append(
            {"id": each.oid, "title": each.title, "message": each.message, "date": each.date, "authors": author}
        )
        each = each.parent
    ask.reply_json(history)


@route("POST DELETE", REPO + r"/branch/(?P<branch>[^/]+)")
def branch(ask: "Handler", kind: str, name: str, branch: str) -> None:
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
def tag(ask: "Handler", kind: str, name: str, revision: str) -> None:
    ask.needs_token()
    repository, wanted = ask.repository(kind, name), ask.json()["tag"]
    if wanted in repository.tags:
        raise Refusal(409, f"Tag {wanted} already exists")
    repository.tags[wanted] = repository.at(revision)
    ask.reply_json({})


@route("POST", PLAIN + r"\.git/info/lfs/objects/batch")
def lfs_batch(ask: "Handler", kind: str | None, name: str) -> None:
    ask.needs_token()
    ask.repository(kind or "models", name)
    objects = []
    for pointer in ask.json()["objects"]:
        answer = {"oid": pointer["oid"], "size": pointer["size"]}
        if pointer["oid"] not in ask.hub.blobs:
            answer["actions"] = {"upload": {"href": f"{ask.hub.url}/lfs/{pointer['oid']}", "header": {}}}
        objects.append(answer)
    ask.reply_json({"transfer": "basic", "objects": objects})


@route("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})")
def lfs_put(ask: "Handler", oid: str) -> None:
    if hashlib.sha256(ask.body).hexdigest() != oid:
        raise Refusal(400, "The body does not have the hash it was announced with")
    ask.hub.keep(oid, ask.body)
    ask.reply(200, b"", {})


@route("HEAD GET", PLAIN + r"/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
def resolve(ask: "Handler", kind: str | None, name: str, revision: str, path: str) -> None:
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
