# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A folder that one job writes at a time, from its first byte to its last: `with held(out): ...`."""

import errno
import os
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from promvil_hf.distributed import Ranks
from promvil_hf.files import remove_drafts
from promvil_hf.job_files import JobError
from promvil_hf.json_records import shown


try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOCK = ".lock"
WITHOUT_LOCKS = "PROMVIL_WITHOUT_LOCKS"
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # as file systems without locks answer
SHARES = 4096  # bytes of the lock file that stand for shares of the work; the next one is for what ranks do in turn
_HERE: dict[Path, tuple[tuple[int, int], IO]] = {}  # lock file -> process and thread that hold it
_GUARD = threading.Lock()


@contextmanager
def held(
    folder: str | os.PathLike, ranks: Ranks = Ranks(), name: str = LOCK  # noqa: B008
) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Keep other writers out of a folder, and remove what killed ones left in it; the folder is made if need be.

    Refused with a sentence that names the holder. Byte i of the file `name` stands for share i of the work, so that the
    ranks of one job agree and any other division of it collides. Yields a second lock, which ranks take in turn for what they
    share. The thread that holds a folder may take it again.

    The kernel lets go of the lock however the process ends: no lock can be stale. It needs a file system with POSIX
    record locks that all machines which write there see: a local disk, NFS 4, NFS 3 with its lock service, Lustre
    mounted with `flock`, GPFS, CephFS. One that has none is refused, unless the environment variable
    PROMVIL_WITHOUT_LOCKS is 1: whoever sets it answers for it that each share has one writer, as in a job that alone
    mounts its volume. With locks of one machine only (NFS with `local_lock`, Lustre with `localflock`) writers on other
    machines are not noticed; on Windows none are. Nothing else in the process may open the
    lock file: closing it would give the lock away.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path, here = (folder / name).resolve(), (os.getpid(), threading.get_ident())
        with _GUARD:
            holder, file = _HERE.get(path, ((0, 0), None))
            if holder[0] == here[0] and holder != here:
                raise _refusal(folder, "Another thread of this process")
            if holder != here:
                file = open(path, "ab")
                _HERE[path] = here, file
    except OSError as error:
        raise JobError(f"Cannot write in {folder}: {error.strerror}. Use a folder that can be written.") from error
    if holder == here:
        yield partial(_alone, file)
        return
    try:
        _take(folder, file, ranks)
        remove_drafts(folder)
        yield partial(_alone, file)
    finally:
        with _GUARD:
            del _HERE[path]
            file.close()


def _take(folder: Path, file: IO, ranks: Ranks) -> None:
    try:
        length = SHARES if ranks.world_size == 1 else 1
        for byte in range(ranks.rank, SHARES, ranks.world_size * length):
            _lock(file, length, byte, wait=False)
    except (BlockingIOError, PermissionError) as error:
        raise _refusal(folder, _holder(file)) from error
    except OSError as error:
        raise JobError(
            f"Cannot lock {folder}: {error.strerror}. Use a file system that has file locks, or set {WITHOUT_LOCKS}=1 where "
            "nobody else writes there."
        ) from error


@contextmanager
def _alone(file: IO) -> Iterator[None]:
    _lock(file, 1, SHARES)
    try:
        yield
    finally:
        _unlock(file, 1, SHARES)


def _lock(file: IO, length: int, start: int, wait: bool = True) -> None:
    with _going_without():
        if fcntl:
            fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), length, start)


def _unlock(file: IO, length: int, start: int) -> None:
    with _going_without():
        if fcntl:
            fcntl.lockf(file, fcntl.LOCK_UN, length, start)


@contextmanager
def _going_without() -> Iterator[None]:
    """Nothing is amiss where there are no locks and the user answers for it."""
    try:
        yield
    except OSError as error:
        if os.environ.get(WITHOUT_LOCKS) != "1" or error.errno not in NO_LOCKS:
            raise


def _refusal(folder: Path, holder: str) -> JobError:
    return JobError(f"{holder} is writing {folder}: wait for it, or use another folder.")


def _holder(file: IO) -> str:
    """Which process has the lock, as far as the kernel knows. One on another machine may have another number there."""
    if sys.platform == "linux":
        form = "hhqqi4x"  # struct flock: kind, whence, start, length, process
        asked = struct.pack(form, fcntl.F_WRLCK, os.SEEK_SET, 0, SHARES, 0)
        kind, _, _, _, process = struct.unpack(form, fcntl.fcntl(file, fcntl.F_GETLK, asked))
        if kind != fcntl.F_UNLCK and process > 0:
            try:
                words = Path(f"/proc/{process}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            except OSError:
                return f"Process {process}"
            return f"Process {process} ({shown(' '.join(words).strip(), 120)})"
    return "Another process"
