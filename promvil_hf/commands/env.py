# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil env`."""

import json

from promvil_hf.commands import options
from promvil_hf.environment import environment


HELP = """
Print versions, devices and what is installed: paste it into a bug report.

Nothing leaves the machine.
"""


def add_arguments(parser):
    options.add(parser, "--json")
    parser.add_argument("--no-devices", action="store_true", help="do not load torch to look for accelerators")


def run(args):
    facts = environment(devices=not args.no_devices)
    if args.json:
        print(json.dumps(facts, indent=2))
        return
    width = max(len(name) for group in facts.values() for name in group)
    for title, group in facts.items():
        print(title)
        for name, value in group.items():
            print(f"  {name:<{width}}  {value}")
