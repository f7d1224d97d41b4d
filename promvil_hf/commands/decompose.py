# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil decompose`."""

import json
import sys
from dataclasses import asdict

from promvil_hf.commands import options
from promvil_hf.nesting import Decomposer, endpoint_decomposer, places, tagged_decomposer, tagger


HELP = """
Show the nested phrases of an expression, simple to complex, and which earlier phrases each one contains.

    promvil decompose "the car behind the person next to the man wearing a jacket"
    promvil decompose --json < expressions.txt
    promvil decompose --base-url http://localhost:8000/v1 --served-model NAME "the man in the red hat"

A model on a server only names the phrases. If they do not fit together, the phrases of the tagger are used.
"""
ENDS_WITH_ITS_READER = True


def add_arguments(parser):
    parser.add_argument("expression", nargs="*", help="expressions; without any, each line of standard input is one")
    options.add(parser, "--json")
    options.add(parser, "--tagger", default="rules")
    options.add(parser.add_argument_group("a model on a server"), *options.SERVER)


def run(args):
    if not args.expression and sys.stdin.isatty():
        raise ValueError("You passed no expression. Give one in quotes, or pipe a file with one a line.")
    decompose, encode = _decomposer(args), json.JSONEncoder(ensure_ascii=False).encode
    for line in args.expression or sys.stdin:
        expression = line.strip()
        if not expression:
            continue
        nesting = decompose(expression)
        if args.json:
            phrases = [
                {
                    "text": phrase.text, "level": phrase.level, "span": list(phrase.span), "head": phrase.head,
                    "anchors": list(phrase.anchors),
                }
                for phrase in nesting.phrases
            ]
            row = {"expression": expression, "phrases": phrases, "places": [asdict(place) for place in places(nesting)]}
            print(encode(row))
            continue
        for phrase in nesting.phrases:
            leans_on = ", ".join(nesting.phrases[anchor].text for anchor in phrase.anchors)
            print(f"{phrase.level}  {phrase.text}" + (f"   <- {leans_on}" if leans_on else ""))
        print()


def _decomposer(args) -> Decomposer:
    by_tagger = tagged_decomposer(tagger(args.tagger))
    if not (args.base_url or args.served_model):
        return by_tagger
    from promvil_hf.endpoint import Unanswered, user

    endpoint = options.make_endpoint(args)

    def ask(prompt: str) -> str:
        reply = endpoint.ask([user(prompt)])
        return "" if isinstance(reply, Unanswered) else reply.value

    def fallback(expression: str):
        print(f"{args.served_model} gave no phrases that hold together; by {args.tagger}: {expression}", file=sys.stderr)
        return by_tagger(expression)

    return endpoint_decomposer(ask, fallback)
