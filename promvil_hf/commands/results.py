# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil results`, over `promvil_hf.reproducing.results`."""

from pathlib import Path

import msgspec

from promvil_hf.commands.results_page import page
from promvil_hf.files import write_json, write_text
from promvil_hf.reproducing.results import added, collected


HELP = """
Gather the rows of docs/results.md from a finished run, or check such rows and put them on the page.

    promvil reproduce results --fetched data --out runs/results
    promvil results collect runs/results                    writes runs/results/results.json
    promvil results add runs/results/results.json           checks it, writes docs/results.json and docs/results.md

Rows are taken only with the reports beside them that they were made from.
"""


def add_arguments(parser):
    parser.add_argument("what", choices=("collect", "add"), help="gather the rows of a folder, or put rows on the page")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="the folder, or files with rows")
    parser.add_argument("--docs", type=Path, metavar="DIR", default=Path("docs"), help="folder of results.md, in a clone")


def run(args):
    if args.what == "collect":
        for folder in args.paths:
            found = collected(folder)
            print(f"{len(found.rows)} rows: {write_json(folder / 'results.json', msgspec.to_builtins(found))}")
        return
    kept = args.docs / "results.json"
    everything = added(kept, args.paths)
    write_json(kept, msgspec.to_builtins(everything))
    print(f"{len(everything.rows)} rows: {write_text(args.docs / 'results.md', page(kept))}")
