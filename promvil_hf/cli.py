# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil`: `promvil_hf.commands.parsers` knows the commands, this module runs one of them.

What goes wrong for a reason the user can mend is a `ValueError` or `OSError` with a sentence: it is printed without a
traceback and the exit status is 2.
"""

import argparse
import os
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from promvil_hf import __version__
from promvil_hf.commands.parsers import command_parser
from promvil_hf.shown_text import shown_streams


def main(argv: list[str] | None = None) -> int:
    parser = command_parser(
        description="Vision-language models that point at what they talk about.",
        epilog="`promvil COMMAND --help` tells more.",
    )
    parser.add_argument("--version", action="version", version=f"promvil_hf {__version__}")
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return 0
    with shown_streams():
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    try:
        with _going_on_unread(also_output=not args.ends_with_its_reader):
            status = args.run(args)
            sys.stdout.flush()
        return status or 0
    except BrokenPipeError:  # the reader of a command that only prints has left: `promvil decompose … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("promvil: stopped. Finished parts are kept; the same command goes on from there.", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as error:
        if args.debug:
            raise
        print(f"promvil: {_sentence(error)}", file=sys.stderr)
        return 2


def _sentence(error: Exception) -> str:
    """What an error says; what the system says of a file, "[Errno 2] No such …", as a sentence."""
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f"There is no file or folder {os.fsdecode(error.filename)}."
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"Cannot use {os.fsdecode(error.filename)}: {error.strerror.lower()}."
    return str(error)


class _Unread:
    """A stream whose reader may leave: what is written then is lost, and the command goes on."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text: str) -> int:
        return self._tried(self._stream.write, text) or 0

    def flush(self) -> None:
        self._tried(self._stream.flush)

    def _tried(self, do, *what):
        try:
            return do(*what)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str):
        return getattr(self._stream, name)


@contextmanager
def _going_on_unread(also_output: bool):
    """A job is not ended by whoever closes the pipe that its progress or its summary goes to."""
    with redirect_stderr(_Unread(sys.stderr)), redirect_stdout(_Unread(sys.stdout) if also_output else sys.stdout):
        yield
