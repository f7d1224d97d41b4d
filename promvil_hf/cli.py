# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil`: `promvil_hf.commands.parsers` knows the commands, this module runs one of them.

What goes wrong for a reason the user can mend is a `ValueError` or `OSError` with a sentence: it is printed without a
traceback and the exit status is 2.
"""

import argparse
import os
import sys

from promvil_hf import __version__
from promvil_hf.commands.parsers import command_parser


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
    return _run(args)


def _run(args: argparse.Namespace) -> int:
    try:
        status = args.run(args)
        sys.stdout.flush()
        return status or 0
    except BrokenPipeError:  # the reader of our output left: `promvil ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("promvil: stopped. Finished parts are kept; the same command goes on from there.", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as error:
        if args.debug:
            raise
        print(f"promvil: {error}", file=sys.stderr)
        return 2
