# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf"]
#
# [tool.hf-jobs]
# flavor = "l4x1"
# timeout = "2d"
# env = { PROMVIL_WITHOUT_LOCKS = "1" }
# ///
"""All rows of docs/results.md on one GPU of 24 GB: Kosmos-2 by level and on RefCOCOg before and after chains, and reliance and
blind share of a model of 4B.

    hf jobs uv run -v hf://buckets/YOU/promvil:/data recipes/jobs/results.py --out /data/results --fetched /data/sources

Fetches what is missing, runs `promvil reproduce results`, and gathers OUT/results.json for `promvil results add`. Every step
resumes in OUT: stopped, or out of time, the same line goes on. `--size small` runs all of it on drawn data and toy models.
"""

import argparse
import sys
from pathlib import Path

from promvil_hf.cli import main
from promvil_hf.reproducing.catalog import RESULTS
from promvil_hf.reproducing.experiments import FULL, SMALL


def run(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fetched", type=Path, help="where the data is or comes (default: OUT/data)")
    parser.add_argument("--size", choices=(FULL, SMALL), default=FULL)
    args = parser.parse_args(words)
    data = args.fetched or args.out / "data"
    fetch = ["fetch", *RESULTS.sources, "--out", str(data)]
    commands = [
        *([fetch] if args.size == FULL else []),
        ["reproduce", RESULTS.name, "--size", args.size, "--fetched", str(data), "--out", str(args.out)],
        ["results", "collect", str(args.out)],
    ]
    return next((status for command in commands if (status := main(command))), 0)


if __name__ == "__main__":
    sys.exit(run())
