# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How a command hands over to one of several modules by its first argument: `promvil build compovl ...`. Floor 5.

The modules have `add_arguments(parser)` and `run(args)`, like commands themselves, and are loaded only when chosen.
"""

import argparse
from importlib import import_module


def add_choice(parser, choices, about):
    listing = "\n".join(f"  {name:<9} {told}" for name, (_, told) in choices.items())
    parser.epilog = f"datasets:\n{listing}\n\n`{parser.prog} DATASET --help` tells more."
    parser.add_argument("choice", metavar="DATASET", choices=choices, help=f"{about}: {', '.join(choices)}")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="its own arguments")


def run_choice(args, choices, command):
    module = import_module(f"promvil_hf.commands.{choices[args.choice][0]}")
    own = argparse.ArgumentParser(
        prog=f"promvil {command} {args.choice}",
        description=module.__doc__.partition("\n\nFloor")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    own.add_argument("--debug", action="store_true", help="show the traceback of an error")
    module.add_arguments(own)
    chosen = own.parse_args(args.rest)
    args.debug |= chosen.debug  # the caller decides by it how to show an error
    return module.run(chosen)
