# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Workers of xdist that are forked from the process that starts them, which loads the libraries once for all of them."""

import os
import signal
import sys
from importlib import import_module

from execnet import gateway_io


LIBRARIES = ("promvil_hf.training.promvil_trainer", "promvil_hf.training.grpo", "evaluate", "scipy.stats")  # and what they need


def forked_from_here() -> None:
    """From now on execnet forks where it would start `python -c CODE`; the libraries are loaded here."""
    for name in LIBRARIES:
        import_module(name)
    gateway_io.Popen2IOMaster = _Forked


class _Forked(gateway_io.Popen2IOMaster):
    def __init__(self, args, execmodel):
        self.popen = _Process(args[-1])
        gateway_io.Popen2IO.__init__(self, self.popen.stdin, self.popen.stdout, execmodel=execmodel)


class _Process:
    """As much of `subprocess.Popen` as execnet uses."""

    def __init__(self, code: str):
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            _live(code, theirs_in, theirs_out, (ours_in, ours_out))
        os.close(theirs_in), os.close(theirs_out)
        self.stdin, self.stdout = os.fdopen(ours_out, "wb", buffering=0), os.fdopen(ours_in, "rb")

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def _live(code: str, read: int, write: int, others: tuple[int, int]) -> None:
    status = 1
    try:
        os.dup2(read, 0), os.dup2(write, 1)
        for handle in (read, write, *others):
            os.close(handle)
        sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
        exec(code, {"__name__": "__main__"})
        status = 0
    finally:
        os._exit(status)
