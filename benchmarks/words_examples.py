# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Random key expressions of each kind of answer on one page, from the data at hand: before and now where an older checkout is
given, by rules and by a tagger where one is named. `benchmarks.nesting_quality --page` has decompositions and chains.

    python -m benchmarks.words_examples --data DATA --before OTHER_CHECKOUT --html examples.html
    python -m benchmarks.words_examples --data DATA --tagger spacy --html examples.html
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from random import Random

from benchmarks.words_quality import turns
from promvil_hf import pages


LLAVA = "llava/coco2014_val_gpt4_qa_30x3.jsonl"
# Runs in either checkout: only what both of them have.
SCRIPT = """
import json, sys
from promvil_hf.fivl.extraction import SeenTurn, by_words
from promvil_hf.key_expressions import Turn
from promvil_hf.nesting import tagger

asked = json.load(sys.stdin)
keys = by_words(tagger(asked["tagger"]))([SeenTurn("", Turn(0, question, answer)) for question, answer in asked["turns"]])
json.dump(keys, sys.stdout)
"""


KINDS = {"conversation": 0, "description": 1, "reasons": 2}  # the rows of the file take turns


def outputs(checkout: Path, asked: dict) -> list[list[str]]:
    """What the code of a checkout makes of the rows, with the tagger that is asked for."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=json.dumps(asked), cwd=checkout, capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(checkout.resolve())},
    )  # fmt: skip
    return json.loads(done.stdout)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.words_examples", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, help="folder that holds llava")
    parser.add_argument("--before", type=Path, help="an older checkout, to show what it made of the same rows")
    parser.add_argument("--tagger", default="rules", help="of the key expressions; without --before, the rules stand beside it")
    parser.add_argument("--count", type=int, default=20, help="examples of each kind (default: 20)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--html", type=Path, default=Path("words-examples.html"))
    options = parser.parse_args(arguments)
    random = Random(options.seed)
    found = turns(options.data, LLAVA)
    talk = [(kind, turn) for kind, place in KINDS.items() for turn in random.sample(found[place::3], options.count)]
    asked = {"turns": [[turn.question, turn.answer] for _, turn in talk]}
    here, named = Path(__file__).parents[1], {"tagger": options.tagger}
    now, before = outputs(here, asked | named), None
    if options.before:
        before, names = outputs(options.before, asked | named), ("before", "now")
    elif options.tagger != "rules":
        before, names = outputs(here, asked | {"tagger": "rules"}), ("rules", options.tagger)
    else:
        names = ("before", "now")

    parts = [pages.paragraph(f"Key expressions ({options.tagger}): question, answer, and what is taken from it.")]
    for k, (kind, turn) in enumerate(talk):
        taken = {name: " | ".join(made[k]) for name, made in zip(names, (before, now), strict=True) if made is not None}
        parts.append(pages.facts({"kind": kind, "question": turn.question, "answer": turn.answer, **taken}))
    print(f"{len(talk)} examples on {pages.write(options.html, pages.page('Key expressions', *parts))}")


if __name__ == "__main__":
    main()
