# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`python -m tests.mutations`: how many mutations of each kind were read, refused, or broke something.

The exit status is 1 if any broke something. Several processes share the work with `--part 0 2` and `--part 1 2`.
"""

import argparse
import logging
import resource
import sys
import tempfile
import warnings
from pathlib import Path

from tests.mutations.answers import ANSWERS
from tests.mutations.files import FILES
from tests.mutations.running import FAULTS, Outcome, run


MEMORY = 12 * 2**30


def numbers(count: int, kinds, part: int, parts: int):
    """Each kind with the numbers of its mutations that are this part's."""
    whole = sum(kind.share for kind in kinds.values())
    for name, kind in kinds.items():
        share = max(1, round(count * kind.share / whole))
        yield name, kind, range(part, share, parts)


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="mutations of files (default: %(default)s)")
    parser.add_argument("--answers", type=int, default=20_000, help="mutations of answers (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other mutations (default: %(default)s)")
    parser.add_argument(
        "--kind", action="append", choices=[*FILES, *ANSWERS], help="only of this kind; may be repeated"
    )
    parser.add_argument(
        "--part", type=int, nargs=2, default=(0, 1), metavar=("NUMBER", "OF"), help="one of several processes' parts"
    )
    parser.add_argument("--only", type=int, help="one mutation by its number, with its traceback")
    options = parser.parse_args(argv)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    logging.disable()
    total, wrong = Outcome(), []
    print(
        f"{'kind':26}{'mutations':>10}{'read':>8}{'refused':>8}"
        + "".join(f"{fault:>10}" for fault in FAULTS)
        + f"{'CPU s':>8}"
    )
    for kinds, count in ((FILES, options.count), (ANSWERS, options.answers)):
        chosen = {name: kind for name, kind in kinds.items() if not options.kind or name in options.kind}
        for name, kind, chosen_numbers in numbers(count, chosen, *options.part):
            chosen_numbers = [options.only] if options.only is not None else chosen_numbers
            with tempfile.TemporaryDirectory() as folder:
                outcome = run(name, kind, chosen_numbers, Path(folder), options.seed)
            total = total.joined(outcome)
            _print_row(name, outcome)
            wrong += [(name, *found, count) for found, count in outcome.places.items()]
            for found, count in outcome.places.most_common():
                print(f"    {count:6} {found[0]:10} {found[1]}   {outcome.examples[found]}")
    _print_row("all", total)
    return 1 if wrong else 0


def _print_row(name: str, outcome: Outcome) -> None:
    faults = "".join(f"{outcome.faults[fault]:>10,}" for fault in FAULTS)
    print(
        f"{name:26}{outcome.mutations:>10,}{outcome.read:>8,}{outcome.refused:>8,}{faults}{outcome.seconds:>8.1f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
