# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Runs of a command in forked processes that get killed at a drawn event: a file that is opened to be written, synced,
renamed or removed, a folder that is made or removed, weights that are saved.

What is not in a file a kill cannot spoil, so the moments between two of these are alike. Half of what is being written at
such a moment is lost. No kill waits for a clock. The process that forks must never have run a model.
"""

import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from promvil_hf import folder_lock


NO_LOCK = 99  # the status of a life that wrote in its folder without holding it
_WRITES = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True)
class Command:
    """A long command: `run(out)` gives its exit status."""

    name: str
    run: Callable[[Path], int]
    plain: Callable[[str, bytes | None], object] = lambda name, body: body  # what must be equal, without times


class Life:
    """What a process does to files while it lives: counted, and ended at one of them."""

    def __init__(self, out: Path, last: int | None):
        self.out, self.last, self.count, self.unguarded = str(out.resolve()), last, 0, []

    def event(self, path: object = None) -> None:
        """One more; `path` is what is being written."""
        self.count += 1
        if self.count == self.last:
            if isinstance(path, str) and os.path.isfile(path):
                os.truncate(path, os.path.getsize(path) // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    def heard(self, name: str, args: tuple) -> None:
        """An audit event of the interpreter."""
        if name == "open":
            path, mode, flags = args
            if isinstance(path, int) or not (flags or 0) & _WRITES:
                return
        elif not name.startswith(("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link")):
            return
        self.guarded(args[0])
        self.event()

    def guarded(self, path: object) -> None:
        """Whoever writes below the folder has to hold it, or the folder in it that it writes to."""
        path = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
        if not path.startswith(self.out + os.sep) or os.path.basename(path) in (".lock", "_lock"):
            return
        held = [str(lock.parent) for lock in folder_lock._HERE]
        is_held = any(f"{path}/".startswith(f"{folder}/") for folder in held)
        if not is_held and path not in {str(Path(self.out, n)) for n in ("work",)}:
            self.unguarded.append(path)


def live(command: Command, out: Path, log: Path, last: int | None = None) -> tuple[int, int]:
    """One life in a forked process, to its end or to its `last` event: how it ended, and the number of events."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(said, 1), os.dup2(said, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
            life = Life(out, last)
            _listen(life)
            code = command.run(out)
            if life.unguarded:
                print("written without holding the folder:", life.unguarded)
                code = NO_LOCK
            with os.fdopen(writing, "w") as pipe:
                pipe.write(" ".join([str(life.count), *sys.modules]))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        count, *modules = pipe.read().split() or ["0"]
    ended = os.waitpid(child, 0)[1]
    for module in modules:  # the next life need not
        with suppress(Exception):
            import_module(module)
    return ended, int(count)


def _listen(life: Life) -> None:
    def synced(handle):  # guards against power cuts, not against kills, and takes most of the time
        life.event(os.path.realpath(f"/proc/self/fd/{handle if isinstance(handle, int) else handle.fileno()}"))

    def listen_to(module, name, place):
        """Library code that writes beside the interpreter."""
        if module not in sys.modules:
            return
        module = sys.modules[module]
        write = getattr(module, name)

        def written(*args, **kwargs):
            write(*args, **kwargs)
            life.event(str(args[place]))

        setattr(module, name, written)

    os.fsync = synced
    listen_to("torch", "save", 1)
    listen_to("safetensors.torch", "save_file", 1)
    sys.addaudithook(life.heard)


def content(out: Path) -> dict[str, bytes | None]:
    """Every file and folder below."""
    return {str(path.relative_to(out)): path.read_bytes() if path.is_file() else None for path in sorted(out.rglob("*"))}


def killed_at_random(command: Command, root: Path, kills: int, seed: int) -> list[str]:
    """Kill the command so often, now and then twice before it may end; what is not as if it had never been killed."""
    out, log, rng, found, done = root / "out", root / "log", random.Random(f"{seed} {command.name}"), [], 0
    tempfile.tempdir = str(root / "temporary")
    os.mkdir(tempfile.tempdir)
    ended, longest = live(command, out, log)
    if ended:
        return [f"it ends with {ended >> 8} when it is not killed: {log.read_text()[-3000:]}"]
    whole = content(out)
    while done < kills:
        shutil.rmtree(out, ignore_errors=True)
        log.write_text("")
        moments, ended = [], signal.SIGKILL
        while ended == signal.SIGKILL and len(moments) < rng.choice((1, 1, 2)) and done < kills:
            moments.append(rng.randint(1, longest))
            ended, _ = live(command, out, log, moments[-1])
            done += ended == signal.SIGKILL
        if ended == signal.SIGKILL:
            ended, _ = live(command, out, log)
        where = f"killed at {moments} of {longest} events"
        if ended:
            found.append(f"{where}: it ends with {ended >> 8}: {log.read_text()[-2000:]}")
            continue
        there = content(out)
        names = sorted(whole.keys() ^ there.keys())
        differ = (name for name in whole.keys() & there.keys() if whole[name] != there[name])
        names += sorted(name for name in differ if command.plain(name, whole[name]) != command.plain(name, there[name]))
        if names:
            found.append(f"{where}: {', '.join(names)}")
    print(f"{command.name}: {done} kills, {longest} events in a run, {len(found)} faults", file=sys.stderr)
    left = [name for name in os.listdir(tempfile.tempdir) if "torchinductor" not in name]
    found += [f"left in the folder of temporary files: {name}" for name in left]
    return found
