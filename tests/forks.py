# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Processes that tests start. They are forked from one that has loaded what the test files import and has run nothing,
so that a start costs milliseconds and not the seconds that torch and transformers take to load.

`run` and `start` take the words that follow `python`: `-m MODULE ...`, `-c CODE ...` or `FILE ...`. A test that is about
a fresh interpreter, such as what an import loads, starts one with `subprocess`.
"""

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from pathlib import Path


_ALONE = {"bitsandbytes"}  # see child_processes/sitecustomize.py
_server: socket.socket | None = None
_process: int | None = None


def begin() -> None:
    """Fork the process from which the others are forked; it ends when this one does."""
    global _server, _process
    ours, theirs = socket.socketpair()
    _process = os.fork()
    if _process:
        theirs.close()
        _server = ours
        return
    try:
        ours.close()
        signal.signal(signal.SIGCHLD, lambda *_: _waited(os.WNOHANG))
        while True:
            length, handles, *_ = socket.recv_fds(theirs, 4, 3)
            if not length:
                break
            _watched(json.loads(_exactly(theirs, int.from_bytes(length, "big"))), handles, theirs)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _waited(0)
    finally:
        os._exit(0)


def end() -> None:
    """Wait for it, so that the time of its processes counts as that of this one's children."""
    global _server, _process
    if _server is not None:
        _server.close()
        os.waitpid(_process, 0)
        _server = _process = None


def _waited(how: int) -> None:
    """For those that have ended, or all."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, how)[0]:
            pass


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        found += connection.recv(size - len(found))
    return found


def _watched(asked: dict, handles: list[int], server: socket.socket) -> None:
    """Fork a process that forks the one asked for, and writes its number and how it ended to the first handle."""
    if not os.fork():
        try:
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            child = os.fork()
            if not child:
                os.close(handles[0])
                _live(asked, *handles[1:])
            os.close(handles[1]), os.close(handles[2])
            os.write(handles[0], f"{child}\n".encode())
            os.write(handles[0], f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
        finally:
            os._exit(0)
    for handle in handles:
        os.close(handle)


def _live(asked: dict, output: int, errors: int) -> None:
    """What `python` does with the words."""
    code = 1
    try:
        os.dup2(output, 1), os.dup2(errors, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.closerange(3, 1024)
        sys.stdin, sys.stdout, sys.stderr = (open(n, "rww"[n], buffering=1, closefd=False) for n in range(3))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        warnings.simplefilter("ignore")
        os.chdir(asked["cwd"])
        os.environ.clear()
        os.environ.update(asked["env"])
        sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
        sys.meta_path = [finder for finder in sys.meta_path if type(finder).__name__ != "AssertionRewritingHook"]
        for name in _ALONE - sys.modules.keys():
            sys.modules[name] = None
        _python(*asked["words"])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _python(first: str, *rest: str) -> None:
    if first == "-m":
        sys.argv = list(rest)
        if not hasattr(sys.modules.get(rest[0]), "__path__"):
            sys.modules.pop(rest[0], None)  # pytest loaded it, in its way
        sys.path.insert(0, os.getcwd())
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = ["-c", *rest[1:]]
        sys.path.insert(0, os.getcwd())
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [first, *rest]
        sys.path.insert(0, str(Path(first).parent))
        runpy.run_path(first, run_name="__main__")


class Forked:
    """As much of `subprocess.Popen` as tests use."""

    def __init__(self, status: int):
        self.returncode: int | None = None
        self._lines = os.fdopen(status)
        self.pid = int(self._lines.readline())
        self._ended = threading.Event()
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        with self._lines:
            self.returncode = int(self._lines.readline() or -signal.SIGKILL)
        self._ended.set()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return self.returncode

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        if not self._ended.is_set():
            os.kill(self.pid, number)


def start(words, cwd=None, env=None, stdout=None, stderr=None) -> Forked:
    """`stdout` and `stderr` are open files; without them the output goes nowhere, and errors where those of the test go."""
    reading, writing = os.pipe()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    handles = [stdout.fileno() if stdout else nowhere, stderr.fileno() if stderr else 2]
    environment = dict(os.environ if env is None else env)
    asked = {"words": [str(word) for word in words], "cwd": str(cwd or os.getcwd()), "env": environment}
    body = json.dumps(asked).encode()
    socket.send_fds(_server, [len(body).to_bytes(4, "big")], [writing, *handles])
    _server.sendall(body)
    os.close(writing), os.close(nowhere)
    return Forked(reading)


def run(words, folder: Path, cwd=None, env=None, timeout: float = 280) -> subprocess.CompletedProcess:
    """To its end; what it says is kept in two files of `folder`, which go."""
    paths = [folder / f"said-{name}.txt" for name in ("out", "err")]
    with open(paths[0], "w") as stdout, open(paths[1], "w") as stderr:
        child = start(words, cwd, env, stdout, stderr)
    try:
        child.wait(timeout)
    finally:
        child.kill()
    output, errors = (path.read_text() for path in paths)
    for path in paths:
        path.unlink()
    return subprocess.CompletedProcess(words, child.returncode, output, errors)
