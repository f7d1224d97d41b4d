# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
# /// script
# requires-python = ">=3.11"
# dependencies = ["promvil_hf"]
#
# [tool.hf-jobs]
# flavor = "cpu-upgrade"
# timeout = "12h"
# env = { PROMVIL_WITHOUT_LOCKS = "1" }
# ///
"""Data sets of others into the bucket; the same as `promvil fetch`. Stopped, it goes on in the middle of a file.

    hf jobs uv run -v hf://buckets/YOU/promvil:/data recipes/jobs/fetch.py vg vg-images
"""

import sys

from promvil_hf.cli import main


if __name__ == "__main__":
    sys.exit(main(["fetch", "--out", "/data/sources", *sys.argv[1:]]))
