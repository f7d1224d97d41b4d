# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil decompose`."""

import json
import sys

from promvil_hf.commands import options
from promvil_hf.nesting import decompose


HELP = """
Show the nested phrases of an expression, simple to complex, and which earlier phrases each one contains.

    promvil decompose "the car behind the person next to the man wearing a jacket"
    promvil decompose --json < expressions.txt
"""
ENDS_WITH_ITS_READER = True


def add_arguments(parser):
    parser.add_argument("expression", nargs="*", help="expressions; without any, one a line from standard input")
    options.add(parser, "--json")


def run(args):
    if not args.expression and sys.stdin.isatty():
        raise ValueError("You passed no expression. Give one in quotes, or pipe a file with one a line.")
    for line in args.expression or sys.stdin:
        expression = line.strip()
        if not expression:
            continue
        nesting = decompose(expression)
        if args.json:
            phrases = [
                {"text": own.text, "level": own.level, "span": list(own.span), "head": own.head, "anchors": list(own.anchors)}
                for own in nesting.phrases
            ]
            print(json.dumps({"expression": expression, "phrases": phrases}, ensure_ascii=False))
            continue
        for own in nesting.phrases:
            leans_on = ", ".join(nesting.phrases[anchor].text for anchor in own.anchors)
            print(f"{own.level}  {own.text}" + (f"   <- {leans_on}" if leans_on else ""))
        print()
