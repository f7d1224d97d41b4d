# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil`. Each job is a module of `promvil_hf.commands`, loaded only when it is called.

A command module has `add_arguments(parser)` and `run(args) -> int | None`. What goes wrong for a reason the user can
mend is a `ValueError` or `OSError` with a sentence: it is printed without a traceback and the exit status is 2.
"""

import argparse
import os
import sys
from importlib import import_module

from promvil_hf import __version__


COMMANDS = {  # name: (module of promvil_hf.commands, what it does)
    "demo": ("demo", "run the pipeline on a toy world and write a page that shows it"),
    "decompose": ("decompose", "show the nested phrases of an expression, simple to complex"),
    "build": ("build", "build a dataset: CompoVL from Visual Genome, FiVL-Instruct"),
    "inspect": ("inspect", "sample a built dataset onto a page to judge it by eye, and read the verdicts"),
    "recipe": ("recipe", "list, copy and run the training recipes"),
    "evaluate": ("evaluate", "evaluate a model or a file of answers on a benchmark, or compare two reports"),
    "reliance": ("reliance", "what a model loses when what its answers name is hidden (Visual Reliance Score)"),
    "explain": ("explain", "what a model looked at for an answer, and the atlas of its attention heads"),
    "judge": ("judge", "let a model judge a sample of FiVL-Instruct"),
    "ground": ("ground", "ground an expression in a picture, simple parts first"),
    "explore": ("explore", "look through saved explanations in a browser, two checkpoints side by side"),
    "env": ("env", "print versions, devices and what is installed (for a bug report)"),
}


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    parser = _parser()
    name = next((word for word in argv if not word.startswith("-")), None)
    if name in COMMANDS and argv[0] == name:
        command = import_module(f"promvil_hf.commands.{COMMANDS[name][0]}")
        own = argparse.ArgumentParser(prog=f"promvil {name}", description=command.__doc__.partition("\n\nFloor")[0])
        own.formatter_class = argparse.RawDescriptionHelpFormatter
        own.add_argument("--debug", action="store_true", help="show the traceback of an error")
        command.add_arguments(own)
        return _run(command, own.parse_args(argv[1:]))
    parser.parse_args(argv)
    parser.print_help()
    return 0


def _parser() -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:<12} {about}" for name, (_, about) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="promvil",
        description="Vision-language models that point at what they talk about.",
        epilog=f"commands:\n{listing}\n\n`promvil COMMAND --help` tells more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"promvil_hf {__version__}")
    parser.add_argument("command", nargs="?", choices=COMMANDS, metavar="COMMAND", help="one of the commands below")
    return parser


def _run(command, args: argparse.Namespace) -> int:
    try:
        status = command.run(args)
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
