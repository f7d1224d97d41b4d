# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Standard output and standard error whose reader may leave, as the one of `promvil build … 2>&1 | head` does."""

import os
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout


class ReaderLeft(BaseException):
    """Nobody reads the output of a command whose product it is: there is nothing more to do."""


class _Unread:
    """A stream whose reader may leave: what is written then is lost, and the program goes on or ends."""

    def __init__(self, stream, ends: bool):
        self._stream, self._ends = stream, ends

    def write(self, text: str) -> int:
        return self._tried(self._stream.write, text) or 0

    def flush(self) -> None:
        self._tried(self._stream.flush)

    def _tried(self, do, *what):
        try:
            return do(*what)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            if self._ends:
                raise ReaderLeft from None

    def __getattr__(self, name: str):
        return getattr(self._stream, name)


@contextmanager
def going_on_unread(output_is_the_product: bool = False):
    """A job is not ended by whoever closes the pipe that its progress or its summary goes to. With
    `output_is_the_product`, closing standard output raises `ReaderLeft`."""
    with redirect_stderr(_Unread(sys.stderr, False)), redirect_stdout(_Unread(sys.stdout, output_is_the_product)):
        yield
        sys.stdout.flush()
