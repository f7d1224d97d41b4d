# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What is tried before the study is run: each arm once, on the seed that no result shows.

    python -m studies.second_family.search

It prints, for each arm, what an update costs and after how many updates the threshold is reached. The budget of the study
(`SCENES`) must be three times that or more, and the same number of operations for chain and flat.
"""

import sys
from argparse import ArgumentParser
from pathlib import Path

from studies.__main__ import terms_of
from studies.cells import run
from studies.promvil import PROMVIL
from studies.protocol import onset
from studies.second_family.study import ARMS, SEARCHED_ON, STUDY, THRESHOLD, changes_of


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    terms = terms_of(STUDY, options)
    cells = {arm: PROMVIL.tuned(terms, SEARCHED_ON, **changes_of(terms, arm)) for arm in options.arms}
    done = run(cells.values(), options.store, workers=options.workers)
    for arm, cell in cells.items():
        found = done[cell.key]["result"]
        print(
            f"{arm}: {found['updates']} updates, {found['flops']:.4g} operations ({found['flops'] / found['updates']:.4g} each), "
            f"{found['texts_trained']} texts, {THRESHOLD} on level 3 after {onset(found['curve'], THRESHOLD)} updates"
        )
        print("  " + ", ".join(f"{update}: {score:.2f}" for update, score in found["curve"]))
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m studies.second_family.search", description=__doc__.partition("\n")[0])
    parser.add_argument("--base", type=Path, help="checkpoint folder to start from (default: the package's toy base)")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=["chain", "flat"], help="default: chain flat")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--store", type=Path, default=Path("runs/studies"), help="finished cells (default: %(default)s)")
    parser.set_defaults(seeds=None)
    return parser


if __name__ == "__main__":
    sys.exit(main())
