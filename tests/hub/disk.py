# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a loopback Hub holds, in a folder: models of several GB take no memory, and another process finds them again.

    blobs/SHA256           content, each once
    repositories.json      the newest state of every repository; older commits are not kept

Large files are mapped, not read.
"""

import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING

from promvil_hf.files import atomic_write, sha256_of, write_json
from promvil_hf.json_documents import json_document
from tests.hub.repositories import File, Repository


if TYPE_CHECKING:
    from tests.hub.server import LoopbackHub

SMALL = 1_000_000  # files up to this many bytes are read


class Disk:
    """The folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "blobs").mkdir(parents=True, exist_ok=True)

    def keep(self, oid: str, data: bytes) -> bytes | mmap.mmap:
        """Write content; gives it back as it is held from then on."""
        if not self._blob(oid).is_file():
            with atomic_write(self._blob(oid), "wb") as file:
                file.write(data)
        return mapped(self._blob(oid))

    def put_folder(self, hub: "LoopbackHub", kind: str, name: str, folder: Path) -> None:
        """A repository with the files of a folder, which are linked, not copied."""
        files = {}
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            oid = sha256_of(path)
            if not self._blob(oid).exists():
                os.link(path, self._blob(oid))
            data = mapped(path)
            files[path.relative_to(folder).as_posix()] = File.lfs(data, oid) if len(data) > SMALL else File.regular(data)
        repository = Repository(kind, name)
        repository.commit("main", "from a folder", "", files)
        hub.repositories[kind, name] = repository

    def save(self, hub: "LoopbackHub") -> None:
        """Note what there is. Files that did not come by LFS are written now."""
        found = []
        for repository in hub.repositories.values():
            files = {}
            for path, file in repository.at("main").files.items():
                oid = file.lfs_oid or file.oid
                self.keep(oid, file.data)
                files[path] = [oid, file.lfs_oid is not None]
            found.append({"kind": repository.kind, "name": repository.name, "private": repository.private, "files": files})
        write_json(self.folder / "repositories.json", {"repositories": found})

    def load(self, hub: "LoopbackHub") -> None:
        """What an earlier process noted."""
        if not (self.folder / "repositories.json").exists():
            return
        for noted in json_document(self.folder / "repositories.json").fields["repositories"]:
            repository = Repository(noted["kind"], noted["name"], noted["private"])
            files = {}
            for path, (oid, is_lfs) in noted["files"].items():
                data = mapped(self._blob(oid))
                files[path] = File.lfs(data, oid) if is_lfs else File.regular(data)
                if is_lfs:
                    hub.blobs[oid] = data
            repository.commit("main", "as it was", "", files)
            hub.repositories[repository.kind, repository.name] = repository

    def _blob(self, oid: str) -> Path:
        return self.folder / "blobs" / oid


def mapped(path: Path) -> bytes | mmap.mmap:
    """The content of a file: of a large one its map."""
    if path.stat().st_size <= SMALL:
        return path.read_bytes()
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
