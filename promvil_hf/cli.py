# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil`: `promvil_hf.commands.parsers` knows the commands, this module runs one of them.

What goes wrong for a reason the user can mend is a `ValueError` or `OSError` with a sentence: it is printed without a
traceback and the exit status is 2.
"""

import argparse
import logging
import os
import sys
import warnings

from promvil_hf import __version__
from promvil_hf.commands.parsers import command_parser
from promvil_hf.shown_text import shown_streams
from promvil_hf.unread import ReaderLeft, going_on_unread


def main(argv: list[str] | None = None) -> int:
    parser = command_parser(
        description="Vision-language models that point at what they talk about.",
        epilog="`promvil COMMAND --help` shows more.",
    )
    parser.add_argument("--version", action="version", version=f"promvil_hf {__version__}")
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return 0
    _quiet_libraries()
    with shown_streams():
        return _run(args)


def _quiet_libraries() -> None:
    """Leave out two remarks of libraries about themselves, which a user of the command cannot mend."""
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)  # that a package for GPUs is not installed
    warnings.filterwarnings("ignore", ".is_gradient_checkpointing.", FutureWarning)  # peft 0.21 asks transformers for it


def _run(args: argparse.Namespace) -> int:
    try:
        with going_on_unread(output_is_the_product=args.ends_with_its_reader):
            return args.run(args) or 0
    except ReaderLeft:  # `promvil decompose … | head`
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
