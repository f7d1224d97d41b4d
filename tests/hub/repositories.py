# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the loopback Hub holds: repositories with their branches, tags, commits and versions of files."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from mmap import mmap
from pathlib import PurePosixPath


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n"


class Refusal(Exception):
    """An answer other than 200: status, the Hub's error code where it has one, and words."""

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str):
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers


@dataclass(frozen=True)
class File:
    """One version of one file. `oid` is git's (of the pointer for LFS), `lfs_oid` the sha256 of the content.

    `data` may be a file of the disk that is mapped: a model of several GB then takes no memory.
    """

    data: bytes | mmap
    oid: str
    lfs_oid: str | None = None

    @classmethod
    def regular(cls, data: bytes) -> "File":
        return cls(data, git_blob(data))

    @classmethod
    def lfs(cls, data: bytes | mmap, oid: str = "") -> "File":
        """`oid` is given where it is known already."""
        oid = oid or hashlib.sha256(data).hexdigest()
        return cls(data, git_blob(POINTER.format(oid=oid, size=len(data)).encode()), oid)

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
    created: str = field(default_factory=lambda: now())
    branches: dict[str, Commit] = field(default_factory=dict)
    tags: dict[str, Commit] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)

    def commit(self, branch: str, title: str, message: str, files: dict[str, File]) -> Commit:
        parent = self.branches.get(branch)
        listing = "".join(f"{path} {file.oid}\n" for path, file in sorted(files.items()))
        content = f"{self.kind}/{self.name} {len(self.commits)} {title}\n{listing}"
        commit = Commit(hashlib.sha1(content.encode()).hexdigest(), title, message, now(), parent, files)
        self.branches[branch] = self.commits[commit.oid] = commit
        return commit

    def at(self, revision: str) -> Commit:
        for known in (self.branches, self.tags, self.commits):
            if revision in known:
                return known[revision]
        raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def git_blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def entries_of(commit: Commit, expand: bool) -> dict[str, dict]:
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
